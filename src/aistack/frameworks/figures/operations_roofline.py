"""A model's operations under the roofline of the chip that they run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aistack.drawing import HUES, Figure, rooflines
from aistack.units import text


def draw(
    operations: Sequence[tuple[str, float, float, float]], peaks: Mapping[str, float], bandwidth: float, subject: str
) -> Figure:
    """A dot an operation at its FLOP a byte and its rate, its area its share of the time.

    `operations` are name, FLOP, bytes of memory traffic and seconds, all of one step on one chip; `peaks` are FLOP/s
    by number format, `bandwidth` bytes a second. What computes nothing has no place on a roofline.
    """
    shown = rooflines.dots(operations)
    peak = max(peaks.values())
    corner = peak / bandwidth
    computing = sum(dot.share for dot in shown if dot.intensity >= corner)
    return Figure(
        layer="frameworks",
        title=f"{1 - computing:.0%} of the operations' time is bound by memory, not by arithmetic",
        subtitle=f"{subject}: operations of a step by how much they compute on each byte; areas are shares of the time",
        source="Derived: FLOP and bytes from the model's operators, one FLOP an element for what just moves; time "
        "as aistack.hardware predicts it; peaks and bandwidth from the catalog.",
        alt=f"Roofline of {text(peak, 'FLOP/s')} and {text(bandwidth, 'B/s')}, which meet at {corner:.3g} FLOP a byte, "
        "with operations: "
        + "; ".join(
            f"{dot.name}, {dot.intensity:.3g} FLOP a byte, {text(dot.rate, 'FLOP/s')}, {dot.share:.0%} of the time"
            for dot in shown
        )
        + ".",
        chart=rooflines.panel(shown, peaks, bandwidth, HUES["frameworks"], (360, 300)),
        table=[
            {
                "operation": dot.name,
                "FLOP/B": dot.intensity,
                "TFLOP/s": dot.rate / 1e12,
                "of the roof": f"{dot.rate / min(peak, dot.intensity * bandwidth):.0%}",
                "of the time": f"{dot.share:.1%}",
            }
            for dot in shown
        ],
    )
