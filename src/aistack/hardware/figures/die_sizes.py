"""Dies of accelerators, drawn to one scale."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from aistack.catalog import Accelerator
from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Shape, rect, text
from aistack.errors import BadInput

_SCALE = 1.7
"""Pixels a millimetre."""

_WIDE, _PITCH = 720.0, 110.0


def draw(accelerators: Sequence[Accelerator]) -> Figure:
    """Each accelerator's die as a square of its area, largest first; those larger than a wafer's half stand apart.

    `BadInput` where the catalog knows the area of none.
    """
    known = sorted(
        (each for each in accelerators if each.die_area and "per die" in each.die_area.bases),
        key=lambda each: (-_area(each), each.year),
    )
    if not known:
        raise BadInput("The catalog knows the die area of none of these accelerators.")
    wafers = [each for each in known if _area(each) > 5000]
    chips = [each for each in known if _area(each) <= 5000]
    shapes: list[Shape] = []
    left = 0.0
    for each in wafers[:1]:
        side = math.sqrt(_area(each)) * _SCALE
        shapes += [
            rect(0, 18, side, side, "hardware", opacity=0.16, stroke="hardware"),
            text(10, 40, each.name, bold=True),
            text(10, 57, f"{_area(each):,.0f} mm²", "muted"),
            *_transistors(each, 10, 73),
        ]
        left = side + 22
    bottom = 18 + math.sqrt(_area(wafers[0])) * _SCALE if wafers else 0.0
    x, y, tallest = left, 18.0, 0.0
    for each in chips:
        side = math.sqrt(_area(each)) * _SCALE
        pitch = max(side + 10, _PITCH)
        if x + pitch > _WIDE + 2:
            x, y, tallest = left, y + tallest + 12, 0.0
        shapes += [
            rect(x, y, side, side, "hardware", opacity=0.6),
            text(x, y + side + 15, _short(each.name), size=11, bold=True),
            text(x, y + side + 29, f"{_area(each):,.0f} mm², {each.year}", "muted", size=11),
        ]
        tallest = max(tallest, side + 32)
        x += pitch
    bottom = max(bottom, y + tallest)
    shapes += [
        rect(_WIDE - 10 * _SCALE, bottom + 8, 10 * _SCALE, 4, "ink"),
        text(_WIDE - 10 * _SCALE - 6, bottom + 14, "10 mm", size=11, anchor="end"),
    ]
    largest = chips[0] if chips else known[0]
    rest = f"; a wafer used whole is {_area(wafers[0]) / _area(largest):.0f} of them" if wafers and chips else ""
    return Figure(
        layer="hardware",
        title=f"Dies stop growing near {_area(largest):,.0f} mm²{rest}",
        subtitle="Dies as squares of their area, to scale. Accelerators of several dies need packaging instead",
        source="Catalog: die areas as makers and databases state them, dies of several-die packages left out.",
        alt="Die areas: " + ", ".join(f"{each.name} {_area(each):,.0f} square millimetres" for each in known) + ".",
        chart=Diagram(_WIDE, bottom + 20, tuple(shapes)),
        table=[
            {
                "accelerator": each.name,
                "year": each.year,
                "die, mm²": f"{_area(each):,.0f}",
                "process": str(each.process_node.value) if each.process_node else "not stated",
                "million transistors a mm²": f"{each.transistors.si / _area(each) / 1e6:.0f}"
                if each.transistors
                else "not stated",
            }
            for each in known
        ],
    )


def _area(accelerator: Accelerator) -> float:
    return accelerator.die_area.si * 1e6 if accelerator.die_area else 0.0


def _short(name: str) -> str:
    return re.sub(r" \d+GB$", "", name.split(" (")[0])


def _transistors(accelerator: Accelerator, x: float, y: float) -> list[Shape]:
    if accelerator.transistors is None:
        return []
    return [text(x, y, f"{accelerator.transistors.text} transistors", "muted", size=11)]
