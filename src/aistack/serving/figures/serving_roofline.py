"""A served model's operations under its accelerator's roofs, while a prompt is read and while answers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aistack.drawing import HUES, Figure, rooflines
from aistack.units import text

_SIZE, _NAMED = (340, 190), 8

Operation = tuple[str, str, float, float, float]
"""Name, number format that it multiplies in, FLOP, bytes of memory traffic, seconds; of one accelerator."""


def draw(
    prefill: Sequence[Operation],
    decode: Sequence[Operation],
    peaks: Mapping[str, float],
    bandwidth: float,
    subject: str,
    phases: tuple[str, str] = ("Reading a prompt", "Decoding"),
) -> Figure:
    """Two panels with the same axes: a dot an operation at its FLOP a byte and its rate, its area its share of time.

    `peaks` are FLOP/s by number format, `bandwidth` bytes a second; `phases` name the panels. What computes nothing has
    no place on a roofline.
    """
    import altair

    operations = dict(zip(phases, (prefill, decode), strict=True))
    shown = {
        phase: rooflines.dots([(name, *work) for name, _, *work in each])  # type: ignore[misc]
        for phase, each in operations.items()
    }
    among = [dot for each in shown.values() for dot in each]
    panels = [
        rooflines.panel(each, peaks, bandwidth, HUES["serving"], _SIZE, phase, among=among, named=_NAMED)
        for phase, each in shown.items()
    ]
    peak = max(peaks.values())
    roofs = [f"{name} {text(each, 'FLOP/s')}" for name, each in peaks.items()]
    whole = [_intensity(each) for each in (prefill, decode)]
    formats = {name: precision for each in operations.values() for name, precision, *_ in each}
    return Figure(
        layer="serving",
        title=f"Reading a prompt computes {text(whole[0], '1')} FLOP on each byte, decoding {text(whole[1], '1')}; "
        f"the ridge is at {text(peak / bandwidth, '1')}",
        subtitle=f"{subject}: operations of one accelerator by how much they compute on each byte; areas are shares of "
        "the time",
        source="Derived: FLOP and bytes from the model's operators, one FLOP an element for what just moves; time as "
        "aistack.serving predicts it, communication and the engine apart; peaks and bandwidth from the catalog.",
        alt=f"Roofs of {' and '.join(roofs)} and {text(bandwidth, 'B/s')}. "
        + " ".join(
            f"{phase}: "
            + "; ".join(
                f"{dot.name}, {text(dot.intensity, '1')} FLOP a byte, {text(dot.rate, 'FLOP/s')}, "
                f"{dot.share:.0%} of the time"
                for dot in each[:_NAMED]
            )
            + "."
            for phase, each in shown.items()
        ),
        chart=altair.vconcat(*panels, spacing=20),
        table=[
            {
                "phase": phase,
                "operation": dot.name,
                "multiplied in": formats[dot.name],
                "FLOP/B": dot.intensity,
                "TFLOP/s": dot.rate / 1e12,
                "of the roof": f"{dot.rate / min(peaks[formats[dot.name]], dot.intensity * bandwidth):.0%}",
                "of the time": f"{dot.share:.1%}",
            }
            for phase, each in shown.items()
            for dot in each
        ],
    )


def _intensity(operations: Sequence[Operation]) -> float:
    """FLOP a byte of all operations together."""
    return sum(flop for _, _, flop, _, _ in operations) / sum(moved for _, _, _, moved, _ in operations)
