"""How a large product falls into the tiles that one matrix instruction computes."""

from __future__ import annotations

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Shape, line, path, rect, text
from aistack.hardware.chip import Chip
from aistack.hardware.energy import BLOCK_TILE, WARP_TILE

_SIDE, _TOP = 190.0, 40.0
_INSTRUCTION = (16, 8, 16)
"""Rows, columns and depth of NVIDIA's mma.m16n8k16, the bf16 instruction of a warp since Ampere (PTX manual)."""


def draw(chip: Chip, size: int = 4096, precision: str = "bf16", clock: float | None = None) -> Figure:
    """Result of a `size`-cubed product, a thread block's tile of it, a warp's tile of that, and one instruction's.

    Each panel is to scale within itself. `clock` (Hz) gives the multiply-adds a unit does in one cycle.
    """
    rows, columns = BLOCK_TILE
    blocks = (-(-size // rows)) * (-(-size // columns))
    a_clock = chip.rate(precision) / (2 * chip.units * clock) if clock else None
    m, n, k = _INSTRUCTION
    shapes: list[Shape] = []
    panels = (
        (f"result, {size:,} × {size:,}", (size, size), BLOCK_TILE, f"{blocks:,} tiles"),
        (f"a block's tile, {rows} × {columns}", BLOCK_TILE, WARP_TILE, f"{rows * columns // 64**2} warps"),
        (f"a warp's tile, {WARP_TILE[0]} × {WARP_TILE[1]}", WARP_TILE, (m, n), f"{64 * 64 // (m * n)} instructions"),
    )
    for number, (words, (tall, wide), (inner_tall, inner_wide), count) in enumerate(panels):
        x = number * (_SIDE + 46) + 2
        scale = _SIDE / max(tall, wide)
        high, broad = tall * scale, wide * scale
        shapes += [
            text(x, 14, words, bold=True),
            text(x, 30, count, "muted", size=11),
            rect(x, _TOP, broad, high, "hardware", opacity=0.12, stroke="muted"),
            rect(x, _TOP, inner_wide * scale, inner_tall * scale, "hardware", opacity=0.9),
        ]
        across = [
            line(x + c * scale, _TOP, x + c * scale, _TOP + high, "grid") for c in range(inner_wide, wide, inner_wide)
        ]
        down = [
            line(x, _TOP + r * scale, x + broad, _TOP + r * scale, "grid") for r in range(inner_tall, tall, inner_tall)
        ]
        shapes += [*across, *down]
        if number < len(panels) - 1:
            right = x + inner_wide * scale
            shapes += [
                path([(right, _TOP), (x + _SIDE + 46, _TOP)], "hardware", dash="2 3"),
                path(
                    [(right, _TOP + inner_tall * scale), (x + _SIDE + 46, _TOP + _next_high(number))],
                    "hardware",
                    dash="2 3",
                ),
            ]
    did = f"; a unit of {chip.name} finishes {a_clock / (m * n * k):.2g} a clock" if a_clock else ""
    return Figure(
        layer="hardware",
        title=f"One instruction of a warp does {m * n * k:,} multiply-adds on {m}×{k} and {k}×{n} numbers{did}",
        subtitle="A product's result, taken apart twice: tiles of thread blocks, of warps, of instructions; each panel "
        "is to scale. A filled tile is the next panel",
        source="Tiles as in aistack.hardware.energy and NVIDIA's PTX manual (mma.m16n8k16); peak, units and clock from "
        "the catalog.",
        alt=f"A {size:,} by {size:,} result falls into {blocks:,} tiles of {rows} by {columns}, each into tiles of "
        f"{WARP_TILE[0]} by {WARP_TILE[1]} for a warp, each into {64 * 64 // (m * n)} tiles of {m} by {n}, which one "
        f"instruction computes over a depth of {k}.",
        chart=Diagram(3 * (_SIDE + 46), _TOP + _SIDE + 8, tuple(shapes)),
        table=[
            {"level": "thread block", "tile": f"{rows} × {columns}", "how many": blocks, "operands from": "L2 cache"},
            {
                "level": "warp",
                "tile": f"{WARP_TILE[0]} × {WARP_TILE[1]}",
                "how many": rows * columns // (WARP_TILE[0] * WARP_TILE[1]),
                "operands from": "shared memory",
            },
            {
                "level": "instruction",
                "tile": f"{m} × {n}",
                "how many": 64 * 64 // (m * n),
                "operands from": "registers",
            },
        ],
    )


def _next_high(number: int) -> float:
    tall, wide = (BLOCK_TILE, WARP_TILE)[number]
    return tall * _SIDE / max(tall, wide)
