"""What a larger batch does: tokens for all, time for each, and whether memory or arithmetic binds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.labels import spread
from aistack.drawing.theme import GRID, INK, MUTED, PAPER
from aistack.units import text

_WIDE, _TALL, _LOW, _LINE = 420, 210, 130, 14


class Point(NamedTuple):
    """A replica that decodes so many sequences at once."""

    batch: float
    tpot: float
    """Seconds from one token of a sequence to its next."""
    throughput: float
    """Tokens a second of the replica."""
    memory: float
    """Seconds in which what a step must read passes through memory at its full bandwidth."""
    arithmetic: float
    """Seconds in which what a step computes is computed at the dense peak."""


def draw(points: Sequence[Point], here: tuple[float, float, float], subject: str, goal: float | None = None) -> Figure:
    """Time per output token and throughput over the sequences that decode at once, smallest batch first.

    `here` is the batch that is planned, its time per output token and its throughput; `goal` that time's, seconds. All
    axes are logarithmic.
    """
    import altair

    across = [points[0].batch / 1.1, points[-1].batch * 1.1]
    at = altair.Scale(type="log", domain=across, nice=False)
    ticks = [(tick, f"{tick:g}") for tick in (2.0**power for power in range(0, 24, 1 if across[1] < 100 else 2))]
    shown = [(tick, words) for tick, words in ticks if across[0] <= tick <= across[1]]

    def x(title: str) -> altair.X:
        return altair.X("batch:Q", scale=at, axis=log_axis(title, shown))

    def titled(words: str) -> altair.Title:
        return altair.Title(words, anchor="start", frame="group", fontSize=12)

    def chart(values: Sequence[dict[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=list(values)))

    times = [value for point in points for value in (point.tpot, point.memory)] + [here[1]] + ([goal] if goal else [])
    up = [min(times) / 2.2, max(*times, points[-1].arithmetic) * 1.6]
    y = altair.Y(
        "seconds:Q",
        scale=altair.Scale(type="log", domain=up, nice=False, clamp=True),
        axis=log_axis("", [(tick, text(tick, "s", 2)) for tick in _ticks(*up)], grid=True),
    )
    lines = (
        ("tpot", "predicted", HUES["serving"], 2.0, [1, 0]),
        ("memory", "memory at full bandwidth", MUTED, 1.2, [6, 3]),
        ("arithmetic", "arithmetic at peak", MUTED, 1.2, [2, 2]),
    )
    reach = math.log(up[1] / up[0])
    ends = [max(getattr(points[-1], name), up[0]) for name, *_ in lines]
    heights = spread([math.log(up[1] / end) / reach * _TALL for end in ends], _LINE, 0, _TALL)
    time = []
    for (name, words, colour, wide, dash), height in zip(lines, heights, strict=True):
        rows = [{"batch": point.batch, "seconds": getattr(point, name)} for point in points]
        rows = [row for row in rows if row["seconds"] >= up[0]]
        label = {"batch": across[1], "seconds": up[1] * math.exp(-height / _TALL * reach), "words": words}
        time.append(chart(rows).mark_line(color=colour, strokeWidth=wide, strokeDash=dash).encode(x=x(""), y=y))
        time.append(
            chart([label])
            .mark_text(align="left", dx=6, color=INK if colour == MUTED else colour)
            .encode(x=x(""), y=y, text="words:N")
        )
    if goal:
        asked = {"batch": across[0], "seconds": goal, "words": f"goal {text(goal, 's')}"}
        time.append(chart([asked]).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=y))
        time.append(chart([asked]).mark_text(align="left", dx=6, dy=-7).encode(x=x(""), y=y, text="words:N"))
    planned = {"batch": here[0], "seconds": here[1], "tokens": here[2], "words": f"planned: {here[0]:.3g} at once"}
    top = planned | {"seconds": up[1]}
    left = math.log(here[0] / across[0]) > 0.5 * math.log(across[1] / across[0])
    rule = chart([planned]).mark_rule(color=INK, strokeDash=[4, 3])
    time += [
        rule.encode(x=x("")),
        chart([top])
        .mark_text(align="right" if left else "left", dx=-6 if left else 6, dy=8)
        .encode(x=x(""), y=y, text="words:N"),
        chart([planned]).mark_point(color=HUES["serving"], stroke=PAPER, size=90).encode(x=x(""), y=y),
    ]
    rates = [here[2], *(point.throughput for point in points)]
    most = [min(rates) / 1.8, max(rates) * 1.4]
    tokens = altair.Y(
        "tokens:Q",
        scale=altair.Scale(type="log", domain=most, nice=False),
        axis=log_axis("", [(tick, text(tick, "token/s", 2)) for tick in _ticks(*most)], grid=True),
    )
    crossing = _crossing(points)
    curve = [{"batch": point.batch, "tokens": point.throughput} for point in points]
    through = altair.layer(
        chart(curve).mark_line(color=HUES["serving"]).encode(x=x("sequences that a replica decodes at once"), y=tokens),
        rule.encode(x=x("")),
        chart([] if crossing is None else [{"batch": crossing}]).mark_rule(color=GRID).encode(x=x("")),
        *(
            chart([{"words": words}])
            .mark_text(align="left", color=INK)
            .encode(x=altair.value(_WIDE + 6), y=altair.value(_LOW - 9 - _LINE * line), text="words:N")
            for line, words in enumerate(reversed(_bound(points, crossing)))
        ),
        chart([planned]).mark_point(color=HUES["serving"], stroke=PAPER, size=90).encode(x=x(""), y=tokens),
    )
    return Figure(
        layer="serving",
        title=_title(points, here, crossing),
        subtitle=f"{subject}: time per output token (above) and tokens of a replica (below), with the prompts that are "
        "read beside; dashed and dotted: what a step would take if only memory or only arithmetic did",
        source="Derived: the steady state that aistack.serving predicts; bytes and FLOP from the model's operators, "
        "bandwidth and peak from the catalog; the line ends where the cache or the engine's limit is full.",
        alt="; ".join(
            f"{point.batch:.3g} at once: {text(point.tpot, 's')} a token, {text(point.throughput, 'token/s')}"
            for point in points[:: max(1, len(points) // 5)]
        )
        + f"; planned: {here[0]:.3g} at once, {text(here[1], 's')} a token, {text(here[2], 'token/s')}. "
        + " ".join(_bound(points, crossing)).capitalize()
        + ".",
        chart=altair.vconcat(
            altair.layer(*time).properties(width=_WIDE, height=_TALL, title=titled("Time per output token")),
            through.properties(width=_WIDE, height=_LOW, title=titled("Output tokens of a replica")),
            spacing=16,
        ),
        table=[
            {
                "at once": point.batch,
                "time per output token, ms": point.tpot * 1e3,
                "tokens/s of a replica": point.throughput,
                "memory at full bandwidth, ms": point.memory * 1e3,
                "arithmetic at peak, ms": point.arithmetic * 1e3,
            }
            for point in points
        ],
    )


def _title(points: Sequence[Point], here: tuple[float, float, float], crossing: float | None) -> str:
    first = points[0]
    more, slower = here[2] / first.throughput, here[1] / first.tpot
    if here[0] > 1.5 * first.batch:
        return f"{here[0]:.3g} at once make {more:.3g} times the tokens of one, each {slower:.2g} times as slow"
    return " ".join(_bound(points, crossing)).capitalize()


def _bound(points: Sequence[Point], crossing: float | None) -> tuple[str, str]:
    if crossing is not None:
        return "memory binds up to", f"{crossing:.3g} sequences at once"
    which = "memory" if points[0].memory > points[0].arithmetic else "arithmetic"
    return f"{which} binds at every", f"batch up to {points[-1].batch:.3g}"


def _crossing(points: Sequence[Point]) -> float | None:
    """The batch from which on arithmetic takes longer than memory; None where it is either at every batch."""
    for one, two in itertools.pairwise(points):
        before, after = (math.log(point.memory / point.arithmetic) for point in (one, two))
        if before > 0 >= after:
            return float(one.batch * (two.batch / one.batch) ** (before / (before - after)))
    return None


def _ticks(low: float, high: float) -> list[float]:
    steps = (1, 2, 5) if high / low < 150 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
