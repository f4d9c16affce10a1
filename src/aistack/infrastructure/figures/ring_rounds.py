"""A ring all-reduce in motion: parts go round, growing, then complete."""

from __future__ import annotations

import math

from aistack.drawing import Figure
from aistack.drawing import diagram as d
from aistack.infrastructure.ring import Round, estimate

_WIDE, _TALL = 640.0, 400.0
_RADIUS = 130.0
_BOX = 84.0


def draw(ranks: int) -> Figure:
    """A frame a round among `ranks`, at most eight; a part's shade says how many ranks are summed in it."""
    if not 2 <= ranks <= 8:
        raise ValueError("Between two and eight ranks can be drawn.")
    rounds = estimate(ranks)
    sent = 2 * (ranks - 1) / ranks
    return Figure(
        layer="infrastructure",
        title=f"After {len(rounds) - 1} rounds all {ranks} hold the sum, and each has sent {sent:.3g} times its data",
        subtitle=f"All-reduce around a ring of {ranks}: a box a rank, a cell a part, darker the more ranks it sums",
        source="Derived: aistack.infrastructure.ring; the algorithm is Patarasuk and Yuan's (2009).",
        alt=f"{ranks} boxes in a circle, each with {ranks} cells. In {ranks - 1} rounds each sends one cell on to "
        f"its neighbour, which adds it; then each holds one complete cell. In {ranks - 1} more rounds complete cells "
        "go around until all are complete everywhere.",
        chart=d.Diagram(
            _WIDE,
            _TALL,
            (),
            tuple(
                d.Frame(_caption(number, each, ranks), tuple(_shapes(each, ranks)))
                for number, each in enumerate(rounds)
            ),
            still=ranks - 1,
            seconds=1.1,
        ),
        table=[
            {
                "round": number,
                "phase": each.phase or "begin",
                "complete parts": sum(len(part) == ranks for parts in each.held for part in parts),
                "of": ranks * ranks,
            }
            for number, each in enumerate(rounds)
        ],
    )


def _caption(number: int, each: Round, ranks: int) -> str:
    complete = sum(len(part) == ranks for parts in each.held for part in parts)
    if not number:
        return "Every rank holds its own numbers, in parts."
    what = "adds what arrives to its own" if each.phase == "reduce-scatter" else "takes what arrives for its own"
    done = f"{complete} of {ranks * ranks} are complete"
    return f"Round {number}, {each.phase}: everyone sends one part on and {what}. {done}."


def _shapes(each: Round, ranks: int) -> list[d.Shape]:
    places = [_place(rank, ranks) for rank in range(ranks)]
    shapes: list[d.Shape] = []
    for sender, receiver, part in each.sends:
        start, end = _between(places[sender], places[receiver])
        shapes.append(d.arrow(*start, *end, "infrastructure", thick=1.6))
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        outward = _WIDE / 2 + (middle[0] - _WIDE / 2) * 1.17, _TALL / 2 + (middle[1] - _TALL / 2) * 1.17
        shapes.append(d.text(outward[0], outward[1] + 4, _name(part), size=12, anchor="middle", bold=True))
    cell = _BOX / ranks
    for rank, (x, y) in enumerate(places):
        left, top = x - _BOX / 2, y - 20
        for part, sums in enumerate(each.held[rank]):
            shade = 0.08 + 0.82 * (len(sums) - 1) / (ranks - 1)
            shapes.append(d.rect(left + part * cell, top, cell, 40, "infrastructure", opacity=shade, stroke="muted"))
            dark = len(sums) > 0.8 * ranks
            shapes.append(
                d.text(
                    left + (part + 0.5) * cell,
                    top + 25,
                    str(len(sums)),
                    "paper" if dark else "ink",
                    size=12,
                    anchor="middle",
                )
            )
        shapes.append(d.text(left, top - 5, f"rank {rank}", "muted", size=11))
    return shapes


def _name(part: int) -> str:
    return chr(ord("a") + part)


def _place(rank: int, ranks: int) -> tuple[float, float]:
    turn = 2 * math.pi * rank / ranks - math.pi / 2
    return _WIDE / 2 + 1.5 * _RADIUS * math.cos(turn), _TALL / 2 + _RADIUS * math.sin(turn)


def _between(one: tuple[float, float], other: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of an arrow from box to box, clear of both."""
    across, down = other[0] - one[0], other[1] - one[1]
    ends = []
    for (x, y), way in ((one, 1), (other, -1)):
        # where the line leaves the box around (x, y), a little beyond
        reach = min((_BOX / 2 + 8) / (abs(across) or 1e-9), 38 / (abs(down) or 1e-9))
        ends.append((x + way * across * reach, y + way * down * reach))
    return ends[0], ends[1]
