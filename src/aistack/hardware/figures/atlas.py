"""All accelerators by arithmetic and memory bandwidth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from aistack.drawing import HUES, Figure, labels
from aistack.drawing.axes import decade_ticks, log_axis
from aistack.drawing.theme import GRID, INK, MUTED
from aistack.hardware.atlas import Place
from aistack.units import text

_WIDE, _TALL = 600, 430
_INTENSITIES = (50, 100, 200, 400, 800)


def draw(places: Sequence[Place], highlight: str = "") -> Figure:
    """A dot an accelerator on logarithmic axes, lines of equal FLOP a byte; `highlight` is the id of one to name.

    `places` are of `aistack.hardware.atlas.estimate`; those without main memory are left out.
    """
    import altair

    shown = sorted(
        (place for place in places if place.bandwidth),
        key=lambda place: (place.id != highlight, -place.year, place.name),
    )
    rows: list[dict[str, Any]] = [
        {
            "name": place.name,
            "bandwidth": place.bandwidth or 0.0,
            "peak": place.peak,
            "marked": place.id == highlight,
            "intensity": place.intensity or 0.0,
        }
        for place in shown
    ]
    x_low, x_high = _domain([row["bandwidth"] for row in rows])
    y_low, y_high = _domain([row["peak"] for row in rows])
    x = altair.X(
        "bandwidth:Q",
        scale=altair.Scale(type="log", domain=[x_low, x_high], nice=False),
        axis=log_axis("bandwidth of the main memory", decade_ticks(x_low, x_high, "B/s")),
    )
    y = altair.Y(
        "peak:Q",
        scale=altair.Scale(type="log", domain=[y_low, y_high], nice=False),
        axis=log_axis("dense 16-bit peak", decade_ticks(y_low, y_high, "FLOP/s")),
    )
    points = [
        (
            math.log(row["bandwidth"] / x_low) / math.log(x_high / x_low) * _WIDE,
            math.log(y_high / row["peak"]) / math.log(y_high / y_low) * _TALL,
        )
        for row in rows
    ]
    lines = []
    taken = []
    for intensity in _INTENSITIES:
        start, end = max(x_low, y_low / intensity), min(x_high, y_high / intensity)
        if start < end:
            lines.append((intensity, start, end))
            right = math.log(end / x_low) / math.log(x_high / x_low) * _WIDE
            down = math.log(y_high / (end * intensity)) / math.log(y_high / y_low) * _TALL
            taken += [(right - away, down + 11) for away in range(8, 60, 8)]
    names = [row["name"] for row in rows]
    placed = labels.place(points, names, (_WIDE, _TALL), radius=4, size=10, taken=taken)

    def chart(values: Sequence[dict[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=[dict(value) for value in values]))

    layers = [
        *(
            chart([{"bandwidth": at, "peak": at * intensity} for at in (start, end)])
            .mark_line(color=GRID, strokeWidth=1)
            .encode(x=x, y=y)
            for intensity, start, end in lines
        ),
        chart([{"bandwidth": end, "peak": end * i, "words": f"{i} FLOP/B"} for i, _, end in lines])
        .mark_text(color=MUTED, align="right", dx=-4, dy=11, fontSize=10)
        .encode(x=x, y=y, text="words:N"),
        chart([row for row in rows if not row["marked"]])
        .mark_point(color=MUTED, size=36)
        .encode(x=x, y=y, tooltip=["name:N"]),
        chart([row for row in rows if row["marked"]])
        .mark_point(color=HUES["hardware"], size=80)
        .encode(x=x, y=y, tooltip=["name:N"]),
        *labels.layers(points, names, placed, [HUES["hardware"] if row["marked"] else INK for row in rows], size=10),
    ]
    middle = sorted(row["intensity"] for row in rows)
    low, high = (middle[int(share * (len(middle) - 1))] for share in (0.1, 0.9))
    return Figure(
        layer="hardware",
        title=f"Whoever makes it, an accelerator does {low:.0f} to {high:.0f} FLOP in the time of a byte",
        subtitle=f"{len(rows)} accelerators: dense 16-bit peak against bandwidth of the main memory, both of one "
        "package; the range is that of eight in ten. Names where there is room, the table has all",
        source="Catalog, where every value has its source; variants that differ in neither are drawn once.",
        alt=f"Peak against bandwidth of {len(rows)} accelerators, from "
        f"{text(min(row['peak'] for row in rows), 'FLOP/s')} to "
        f"{text(max(row['peak'] for row in rows), 'FLOP/s')}. They follow a line of about "
        f"{middle[len(middle) // 2]:.0f} FLOP a byte.",
        chart=altair.layer(*layers).properties(width=_WIDE, height=_TALL),
        table=[
            {
                "accelerator": place.name,
                "maker": place.vendor,
                "year": place.year,
                "TFLOP/s": f"{place.peak / 1e12:,.0f}",
                "TB/s": f"{(place.bandwidth or 0) / 1e12:.3g}",
                "FLOP/B": f"{place.intensity:.0f}",
            }
            for place in sorted(shown, key=lambda place: (place.vendor, place.year, place.name))
        ],
    )


def _domain(values: Sequence[float]) -> tuple[float, float]:
    return min(values) / 1.6, max(values) * 1.8
