"""Where a step's time goes, or a request's: from the useful work at the chips' rates to what is achieved."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aistack.drawing import HUES, LAYERS, Figure, Layer
from aistack.drawing.axes import seconds_axis
from aistack.drawing.labels import width
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import span, text

_WIDE, _ROW, _BAR = 480, 23, 15
_LEAST = 5e-4
"""Of the step; what is less is not drawn."""


def draw(
    shares: Sequence[tuple[str, Layer, float]],
    subject: str,
    interval: tuple[float, float] | None = None,
    of: str = "step",
    useful: str = "useful arithmetic",
    layer: Layer = "training",
) -> Figure:
    """A bar a share, each starting where the one above ends, and the whole below them all.

    `shares` are name, layer and seconds; the first is what is `useful`, the others what is lost (those too small to see
    stand in the table alone). `of` names the whole, `interval` is that of its seconds, `layer` the one it belongs to.
    """
    import altair

    total = sum(seconds for _, _, seconds in shares)
    low, high = interval or (total, total)
    most = 1.02 * max(total, high)
    ends = itertools.accumulate(seconds for _, _, seconds in shares)
    shown = [(share, end) for share, end in zip(shares, ends, strict=True) if share[2] >= _LEAST * total]
    rows: list[dict[str, Any]] = [
        {
            "row": number,
            "layer": layer,
            "start": end - seconds,
            "end": end,
            "words": f"{name} {text(seconds, 's', 2)}, {seconds / total:.1%}",
        }
        for number, ((name, layer, seconds), end) in enumerate(shown)
    ]
    within = f", {span(low, high, 's')}" if interval else ""
    rows.append({"row": len(rows), "layer": "", "start": 0.0, "end": total, "words": f"the {of} {text(total, 's')}"})
    rows[-1]["words"] += within
    beside = _WIDE - width(rows[-1]["words"]) - 12
    if total / most * _WIDE < _WIDE - beside:
        # words that do not fit inside the whole's bar need the room beside it
        most = max(most, total * _WIDE / max(beside, _WIDE / 4))
    place = f"datum.row * {_ROW} + {_ROW / 2}"
    y = altair.Y("y:Q", scale=altair.Scale(domain=[_ROW * len(rows) + 8, 0], nice=False), axis=None)
    x = altair.X(
        "start:Q",
        scale=altair.Scale(domain=[0, most], nice=False),
        axis=seconds_axis("time in a step" if of == "step" else of, total),
    )

    def chart(values: list[dict[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=values)).transform_calculate(y=place)

    present = [layer for layer in LAYERS if any(layer == each for (_, each, _), _ in shown[1:])]
    colour = altair.Color(
        "layer:N",
        scale=altair.Scale(domain=present, range=[HUES[layer] for layer in present]),
        legend=altair.Legend(title=None, orient="top", symbolType="square", columnPadding=30),
    )
    joints = [{"row": row["row"], "end": row["end"], "below": row["row"] * _ROW + 1.5 * _ROW} for row in rows[:-1]]
    layers = [
        chart(joints).mark_rule(color=MUTED, strokeWidth=0.75).encode(x="end:Q", y=y, y2="below:Q"),
        chart(rows[1:-1]).mark_bar(height=_BAR).encode(x=x, x2="end:Q", y=y, color=colour),
        chart([rows[0], rows[-1]]).mark_bar(height=_BAR, color=MUTED).encode(x=x, x2="end:Q", y=y),
    ]
    for row in rows:
        place_at, align, colour_of = _label(row, _WIDE / most, neutral=row in (rows[0], rows[-1]))
        layers.append(
            chart([row])
            .mark_text(align=align, dx=6 if align == "left" else -6, color=colour_of)
            .encode(x=f"{place_at}:Q", y=y, text="words:N")
        )
    if interval:
        bounds = [{"row": rows[-1]["row"] + 0.48, "low": low, "high": high}]
        layers.append(chart(bounds).mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q", y=y))
        layers += [
            chart(bounds).mark_tick(color=INK, thickness=1.5, height=6).encode(x=end, y=y)
            for end in ("low:Q", "high:Q")
        ]
    lost = max(shares[1:], key=lambda share: share[2], default=shares[0])
    return Figure(
        layer=layer,
        title=f"{shares[0][2] / total:.0%} of the {of} is {useful}; most is lost to {lost[0]}, {lost[2] / total:.0%}",
        subtitle=f"{subject}: from {shares[0][0]} to the achieved {of}. Losses in the "
        "colour of the layer that they belong to" + (f"; the line is the {of}'s 80% interval" if interval else ""),
        source="Derived: this plan as aistack predicts it.",
        alt=f"Waterfall of the {of}, from top to bottom: " + "; ".join(row["words"] for row in rows) + ".",
        chart=altair.layer(*layers).properties(width=_WIDE, height=_ROW * len(rows) + 8),
        table=[
            {"part": name, "layer": layer, "seconds": seconds, f"share of the {of}": f"{seconds / total:.1%}"}
            for name, layer, seconds in shares
        ],
    )


def _label(row: Mapping[str, Any], scale: float, neutral: bool) -> tuple[str, Literal["left", "right"], str]:
    """Where a bar's words stand: inside a long neutral bar, else on the side that has more room."""
    if neutral and (row["end"] - row["start"]) * scale > width(row["words"]) + 12:
        return "start", "left", PAPER
    right_has_more = _WIDE - row["end"] * scale > min(row["start"] * scale, width(row["words"]) + 6)
    return ("end", "left", INK) if right_has_more else ("start", "right", INK)
