"""How much fast memory a product needs so that arithmetic, not memory, bounds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import binary_size, log_axis, size_ticks
from aistack.drawing.theme import INK, MUTED
from aistack.hardware.blocking import estimate, largest_tile, least
from aistack.hardware.chip import ELEMENT_BYTES, Chip

_WIDE, _TALL = 540, 290


def draw(chip: Chip, memories: Mapping[str, float], precision: str = "bf16", size: int = 8192) -> Figure:
    """FLOP a byte of a `size`-cubed product by bytes of fast memory: the largest square tile, and the most possible.

    The dashed line is the chip's ridge. `memories` are fast memories to mark, in bytes: {"shared memory of one SM":
    233472, "L2 cache": 52428800}.
    """
    import altair

    element = ELEMENT_BYTES[precision]
    ridge = chip.rate(precision) / chip.memory_bandwidth
    flop = 2.0 * size**3

    def reached(memory: float) -> float:
        side = max(1.0, min(float(size), float(largest_tile(memory / element))))
        return flop / (float(estimate(size, size, size, side, side)) * element)

    low, high = 2.0**12 if ridge > 50 else 2.0**6, max(2.0**27, 2 * max(memories.values(), default=0.0))
    grid = [float(each) for each in 2 ** np.linspace(np.log2(low), np.log2(high), 160)]
    lines: list[dict[str, Any]] = [
        {"memory": memory, "intensity": value, "kind": kind}
        for memory in grid
        for kind, value in (
            ("tile", reached(memory)),
            ("bound", flop / (float(least(size, size, size, memory / element)) * element)),
        )
    ]
    top = 2 * max(row["intensity"] for row in lines)
    enough = next((memory for memory in grid if reached(memory) >= ridge), None)
    marks: list[dict[str, Any]] = [
        {"memory": each, "intensity": reached(each), "name": name} for name, each in memories.items()
    ]
    x = altair.X(
        "memory:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis("fast memory", size_ticks(low, high)),
    )
    y = altair.Y(
        "intensity:Q",
        scale=altair.Scale(type="log", domain=[2, top], nice=False),
        axis=log_axis(
            "FLOP a byte of main memory", [(v, f"{v:,}") for v in (1, 10, 100, 1000) if 2 < v < top], grid=True
        ),
    )
    curve = altair.Chart(altair.Data(values=lines))
    ends = [
        {"memory": grid[-1], "intensity": lines[-1]["intensity"], "words": "the most that any order can reach"},
        {"memory": grid[110], "intensity": lines[2 * 110]["intensity"], "words": "square tiles"},
    ]
    ridge_line = [{"memory": at, "intensity": ridge} for at in (low, high)]
    chart = altair.layer(
        altair.Chart(altair.Data(values=ridge_line)).mark_line(color=MUTED, strokeDash=[4, 3]).encode(x=x, y=y),
        altair.Chart(altair.Data(values=[{**ridge_line[0], "words": f"ridge of {chip.name}, {ridge:.0f} FLOP/B"}]))
        .mark_text(color=MUTED, align="left", dx=6, dy=-8)
        .encode(x=x, y=y, text="words:N"),
        curve.transform_filter("datum.kind == 'bound'").mark_line(color=MUTED).encode(x=x, y=y),
        curve.transform_filter("datum.kind == 'tile'").mark_line(color=HUES["hardware"]).encode(x=x, y=y),
        altair.Chart(altair.Data(values=ends[:1]))
        .mark_text(color=MUTED, align="right", dy=-9)
        .encode(x=x, y=y, text="words:N"),
        altair.Chart(altair.Data(values=ends[1:]))
        .mark_text(color=HUES["hardware"], align="left", dx=10, dy=12)
        .encode(x=x, y=y, text="words:N"),
        altair.Chart(altair.Data(values=marks)).mark_point(color=HUES["hardware"], size=60).encode(x=x, y=y),
        altair.Chart(altair.Data(values=marks))
        .mark_text(color=INK, align="left", dx=-8, dy=18)
        .encode(x=x, y=y, text="name:N"),
    ).properties(width=_WIDE, height=_TALL)
    title = (
        f"Tiles in {binary_size(2 ** round(np.log2(enough)))} of fast memory are enough to keep {chip.name} computing"
        if enough is not None
        else f"No fast memory makes a product of {size:,} large enough for {chip.name}"
    )
    return Figure(
        layer="hardware",
        title=title,
        subtitle=f"A product of {size:,} × {size:,} matrices in {precision}: FLOP a byte of main memory traffic by the "
        "fast memory that holds a tile of results. Four times the memory doubles it",
        source="Derived: aistack.hardware.blocking (tiles, and the lower bound on traffic of arXiv:1702.02017); peak "
        "and bandwidth from the catalog.",
        alt=f"FLOP a byte rise with the square root of fast memory and level off at {size / 3 * 2 / element:,.0f}, "
        f"where every operand is read once. The ridge of {ridge:.0f} FLOP a byte is crossed at "
        f"{binary_size(enough) if enough else 'no size'}."
        + "".join(f" {mark['name']}: {mark['intensity']:.0f} FLOP a byte." for mark in marks),
        chart=chart,
        table=[
            {
                "fast memory": binary_size(2.0**power),
                "tile": f"{min(size, float(largest_tile(2.0**power / element))):,.0f} a side",
                "FLOP a byte": f"{reached(2.0**power):,.0f}",
                "the most possible": f"{flop / (float(least(size, size, size, 2.0**power / element)) * element):,.0f}",
            }
            for power in range(12, 28, 3)
        ],
    )
