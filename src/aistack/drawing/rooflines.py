"""The panel that rooflines have in common: operations by how much they compute on each byte, under the chip's roofs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aistack.drawing.axes import decade_ticks, log_axis
from aistack.drawing.labels import spread
from aistack.drawing.theme import GRID, INK, MUTED, PAPER
from aistack.units import text

if TYPE_CHECKING:
    import altair

_LEAD, _LINE = 18, 15


@dataclass(frozen=True)
class Dot:
    """An operation."""

    name: str
    intensity: float
    """FLOP a byte."""
    rate: float
    """FLOP/s."""
    share: float
    """Of the time."""


def dots(operations: Sequence[tuple[str, float, float, float]]) -> list[Dot]:
    """Operations (name, FLOP, bytes, seconds), the longest first; what computes nothing has no place on a roofline."""
    time = sum(seconds for *_, seconds in operations)
    return [
        Dot(name, flop / moved, flop / seconds, seconds / time)
        for name, flop, moved, seconds in sorted(operations, key=lambda each: -each[3])
        if flop > 0 and moved > 0
    ]


def panel(
    shown: Sequence[Dot],
    peaks: Mapping[str, float],
    bandwidth: float,
    colour: str,
    size: tuple[int, int],
    title: str = "",
    *,
    among: Sequence[Dot] = (),
    named: int = 14,
    smallest: int = 24,
) -> altair.LayerChart | altair.FacetChart:
    """Dots under the roofs, areas as shares of the time, names of the longest `named` in a column to the right.

    `peaks` are FLOP/s by number format, `bandwidth` bytes a second; `among` are all dots that the axes make room for,
    so that panels beside one another share them. `smallest` is the area of a dot without a share, in square pixels.
    """
    import altair

    wide, tall = size
    peak = max(peaks.values())
    corner = peak / bandwidth
    every = [*shown, *among]
    low = min(corner / 30, *(0.5 * dot.intensity for dot in every))
    high = max(corner * 12, *(2.0 * dot.intensity for dot in every))
    least, most = min(peak / 300, *(0.5 * dot.rate for dot in every)), 2.2 * peak
    x = altair.X(
        "intensity:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis(
            "FLOP a byte of memory traffic", [(10.0**p, f"{10.0**p:g}") for p in range(-3, 7) if low <= 10.0**p <= high]
        ),
    )
    y = altair.Y(
        "rate:Q",
        scale=altair.Scale(type="log", domain=[least, most], nice=False),
        axis=log_axis("", decade_ticks(least, most, "FLOP/s"), grid=True),
    )

    def chart(values: Sequence[Mapping[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=[dict(value) for value in values]))

    rows = [{"name": dot.name, "intensity": dot.intensity, "rate": dot.rate, "share": dot.share} for dot in shown]
    # each name at its dot's height or as near as there is room
    reach = math.log(most / least)
    heights = spread([math.log(most / dot.rate) / reach * tall for dot in shown[:named]], _LINE, 0, tall)
    names = [
        {
            **row,
            "words": f"{dot.name} {dot.share:.0%}" if dot.share >= 0.005 else dot.name,
            "beside": most * math.exp(-height / tall * reach),
        }
        for row, dot, height in zip(rows, shown, heights, strict=False)
    ]
    start = max(low, least / bandwidth)
    slope = [{"intensity": start, "rate": start * bandwidth}, {"intensity": corner, "rate": peak}]
    roofs = [
        chart([{"intensity": value / bandwidth, "rate": value}, {"intensity": high, "rate": value}])
        .mark_line(color=MUTED, strokeWidth=1.5)
        .encode(x=x, y=y)
        for value in peaks.values()
    ]
    notes = [
        {"intensity": value / bandwidth, "rate": value, "words": f"{name} {text(value, 'FLOP/s')}"}
        for name, value in peaks.items()
    ]
    half = math.sqrt(start * corner)
    memory = [{"intensity": half, "rate": half * bandwidth, "words": f"memory {text(bandwidth, 'B/s')}"}]
    edge, beyond = altair.value(wide), altair.value(wide + _LEAD)
    area = altair.Size("share:Q", scale=altair.Scale(domain=[0, 1], range=[smallest, 1100]), legend=None)
    layers = (
        chart(names).mark_rule(color=GRID).encode(x=x, x2=edge, y=y),
        chart(names).mark_rule(color=GRID).encode(x=edge, x2=beyond, y=y, y2="beside:Q"),
        chart(slope).mark_line(color=MUTED, strokeWidth=1.5).encode(x=x, y=y),
        *roofs,
        chart(notes).mark_text(color=MUTED, align="right", dx=-5, dy=-6).encode(x=x, y=y, text="words:N"),
        chart(memory).mark_text(color=MUTED, align="right", dx=-8, dy=-4).encode(x=x, y=y, text="words:N"),
        chart(rows).mark_point(color=colour, stroke=PAPER, strokeWidth=1).encode(x=x, y=y, size=area),
        chart(names).mark_text(color=INK, align="left", dx=5).encode(x=beyond, y=altair.Y("beside:Q"), text="words:N"),
    )
    return altair.layer(*layers).properties(width=wide, height=tall, title=title)
