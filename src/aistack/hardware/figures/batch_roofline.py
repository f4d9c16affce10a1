"""One weight matrix under a chip's roofline, multiplied by more and more rows at once."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.drawing import HUES, Figure, rooflines
from aistack.hardware.chip import ELEMENT_BYTES, Chip
from aistack.hardware.gemm import estimate
from aistack.units import text


def draw(chip: Chip, rows: Sequence[int], columns: int, depth: int, precision: str) -> Figure:
    """A dot a number of rows M: an M x `depth` by `depth` x `columns` product, as `hardware.gemm` times it."""
    peak, bandwidth = chip.rate(precision), chip.memory_bandwidth
    element = ELEMENT_BYTES[precision]
    seconds = estimate(chip, rows, columns, depth, precision)
    shown = [
        rooflines.Dot(f"{m} row{'s' if m > 1 else ''}", flop / moved, flop / float(time), 0.0)
        for m, time in zip(rows, seconds, strict=True)
        for flop, moved in [(2.0 * m * columns * depth, element * (m * depth + depth * columns + m * columns))]
    ]
    least, most = shown[0].rate / peak, max(dot.rate for dot in shown) / peak
    return Figure(
        layer="hardware",
        title=f"One row uses {least:.1%} of the chip's arithmetic, {rows[-1]:,} rows use {shown[-1].rate / peak:.0%}",
        subtitle=f"A {depth:,} by {columns:,} weight matrix times M rows in {precision} on {chip.name}: rate by FLOP a "
        "byte of memory traffic",
        source="Derived: time as aistack.hardware.gemm predicts it, FLOP and bytes counted; peak and bandwidth from "
        "the catalog.",
        alt=f"A roofline that rises with {text(bandwidth, 'B/s')} of memory bandwidth and levels off at "
        f"{text(peak, 'FLOP/s')}, with products of {rows[0]} to {rows[-1]:,} rows on it. They climb along the slope "
        f"from {least:.1%} of the peak and flatten below the roof at {most:.0%}.",
        chart=rooflines.panel(shown, {precision: peak}, bandwidth, HUES["hardware"], (400, 300), smallest=70),
        table=[
            {
                "rows": m,
                "FLOP/B": dot.intensity,
                "TFLOP/s": dot.rate / 1e12,
                "of the peak": f"{dot.rate / peak:.1%}",
            }
            for m, dot in zip(rows, shown, strict=True)
        ],
    )
