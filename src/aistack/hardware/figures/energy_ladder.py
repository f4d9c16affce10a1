"""What operations and moves cost in joules, on one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Scale, Shape, circle, line, text
from aistack.errors import UnknownName
from aistack.hardware.energy import Rung

_LEFT, _RIGHT, _ROW, _TOP = 262.0, 640.0, 25.0, 26.0


def draw(rungs: Sequence[Rung], reference: str = "multiply FP16") -> Figure:
    """One operation, or a move of 64 bits, a row; `reference` is the name of the rung that all are compared with.

    `rungs` are of `aistack.hardware.energy.ladder`. `UnknownName` for a reference that is not among them.
    """
    named = {rung.name: rung for rung in rungs}
    if reference not in named:
        raise UnknownName("rung of the ladder", reference, named)
    unit = named[reference].middle
    place = Scale(10.0 ** math.floor(math.log10(rungs[0].low)), 2e-9, _LEFT, _RIGHT, log=True)
    bottom = _TOP + len(rungs) * _ROW
    shapes: list[Shape] = []
    for power in range(round(math.log10(place.low)), -8):
        x = place(10.0**power)
        shapes += [
            line(x, _TOP - 4, x, bottom, "grid"),
            text(x, 14, _joules(10.0**power), "muted", size=11, anchor="middle"),
        ]
    shapes.append(text(_RIGHT + 66, 14, "times " + reference.split()[-1], "muted", size=11, anchor="end"))
    for row, rung in enumerate(rungs):
        y = _TOP + (row + 0.5) * _ROW
        shapes.append(text(_LEFT - 14, y + 4, rung.name, "ink" if rung.moves else "hardware", anchor="end"))
        shapes.append(line(_LEFT, y, place(rung.low), y, "grid", thick=1.5))
        if rung.high > rung.low:
            shapes.append(line(place(rung.low), y, place(rung.high), y, "ink", thick=4))
        shapes.append(circle(place(rung.middle), y, 4.5, "ink" if rung.moves else "hardware"))
        shapes.append(text(_RIGHT + 66, y + 4, _times(rung.middle / unit), anchor="end", bold=rung.moves))
    hbm = next(rung for rung in rungs if "A100" in rung.name)
    return Figure(
        layer="hardware",
        title=f"Fetching 64 bits from memory costs as much as {float(f'{hbm.low / unit:.2g}'):,.0f} multiplications",
        subtitle="Energy of one operation (in the layer's hue) or of moving 64 bits (black), logarithmic; bars are "
        "stated ranges. Arithmetic and SRAM at 7 nm",
        source="Catalog: energies of operations, memories and links, each with its source (Jouppi et al., ISCA 2021; "
        "O'Connor et al., MICRO 2017; makers; measured boards).",
        alt="From cheapest to dearest: " + ", ".join(f"{rung.name} {_range(rung)}" for rung in rungs) + ".",
        chart=Diagram(_RIGHT + 72, bottom + 6, tuple(shapes)),
        table=[
            {
                "what": rung.name,
                "energy": _range(rung),
                f"times {reference}": _times(rung.middle / unit),
            }
            for rung in rungs
        ],
    )


def _range(rung: Rung) -> str:
    return _joules(rung.low) if rung.low == rung.high else f"{_joules(rung.low)} to {_joules(rung.high)}"


def _joules(value: float) -> str:
    return f"{value * 1e9:.3g} nJ" if value >= 0.9995e-9 else f"{value * 1e12:.3g} pJ"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
