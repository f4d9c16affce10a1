"""What a collective makes of its links, from small messages to large ones and from few ranks to all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import binary_size, decade_ticks, log_axis, size_ticks
from aistack.drawing.theme import MUTED
from aistack.infrastructure.cluster import Cluster
from aistack.infrastructure.collective import Operation, work
from aistack.infrastructure.placed import estimate
from aistack.units import text

SIZES = 2.0 ** np.arange(10, 35)
"""From a kibibyte to sixteen gibibytes."""
_NAMED = 6


def draw(
    cluster: Cluster, operation: Operation, groups: Sequence[int], subject: str, mark: float | None = None
) -> Figure:
    """A line a group of that many ranks: bytes that each link moves a second, over the size.

    `mark` is a size of note, in bytes.
    """
    import altair

    lines = {}
    for ranks in groups:
        seconds = estimate(cluster, operation, SIZES, ranks)
        lines[ranks] = work(operation, ranks).volume * SIZES / seconds
    rows = [
        {"size": float(size), "rate": float(rate), "ranks": ranks}
        for ranks, rates in lines.items()
        for size, rate in zip(SIZES, rates, strict=True)
    ]
    first, last = groups[0], groups[-1]
    best = float(lines[last][-1])
    half = float(SIZES[int(np.argmax(lines[last] >= best / 2))])
    low, high = min(row["rate"] for row in rows) * 0.8, max(row["rate"] for row in rows) * 1.3
    x = altair.X(
        "size:Q",
        scale=altair.Scale(type="log", domain=[float(SIZES[0]), float(SIZES[-1])], nice=False),
        axis=log_axis("bytes that each rank holds", size_ticks(float(SIZES[0]), float(SIZES[-1]))),
    )
    y = altair.Y(
        "rate:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis("bus bandwidth", decade_ticks(low, high, "B/s"), grid=True),
    )
    # named where small messages keep the lines apart
    names = [
        {"size": float(SIZES[_NAMED]), "rate": float(rates[_NAMED]), "label": f"{ranks:,} ranks"}
        for ranks, rates in lines.items()
    ]
    base = altair.Chart(altair.Data(values=rows))
    layers = [
        base.mark_line(color=HUES["infrastructure"], strokeWidth=1.8).encode(x=x, y=y, detail="ranks:N"),
        altair.Chart(altair.Data(values=names))
        .mark_text(color=HUES["infrastructure"], align="left", dx=9, dy=5)
        .encode(x=x, y=y, text="label:N"),
    ]
    if mark is not None:
        here = [{"size": min(max(mark, float(SIZES[0])), float(SIZES[-1])), "rate": low, "label": binary_size(mark)}]
        layers += [
            altair.Chart(altair.Data(values=here)).mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=x),
            altair.Chart(altair.Data(values=here))
            .mark_text(color=MUTED, align="right", dx=-5, dy=-8)
            .encode(x=x, y=y, text="label:N"),
        ]
    return Figure(
        layer="infrastructure",
        title=f"Among {last:,}, a message of {binary_size(half)} gets half of what a large one does",
        subtitle=f"{operation} on {subject}: bytes that each link moves a second, by the size",
        source="Derived: aistack.infrastructure.placed; published measurements settled its latencies and bandwidths.",
        alt=f"Lines that rise with the message's size and level off. {first:,} ranks reach "
        f"{text(float(lines[first][-1]), 'B/s')}, {last:,} ranks {text(best, 'B/s')}; below {binary_size(half)} the "
        "larger group gets less than half of that, since every step waits for the latency.",
        chart=altair.layer(*layers).properties(width=430, height=280),
        table=[
            {
                "size": binary_size(float(size)),
                **{f"{ranks:,} ranks": text(float(lines[ranks][at]), "B/s") for ranks in groups},
            }
            for at, size in enumerate(SIZES)
            if at % 4 == 0
        ],
    )
