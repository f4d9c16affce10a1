"""The memories of a chip, areas as capacities and widths as bandwidths."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aistack.drawing import Figure
from aistack.drawing.axes import binary_size
from aistack.drawing.diagram import Diagram, Shape, line, rect, text
from aistack.hardware.memory_levels import Level
from aistack.units import text as quantity

_WIDE, _LARGEST, _ROW, _LEFT = 720, 230, 74, 250
_WIDEST = 54


def draw(levels: Sequence[Level], chip: str) -> Figure:
    """Each level as a square whose area is its capacity, with a bar as thick as its bandwidth; nearest at the top.

    `levels` are of `aistack.hardware.memory_levels.estimate`, `chip` is the name to print.
    """
    largest = max(level.size for level in levels)
    fastest = max((level.bandwidth for level in levels if level.bandwidth), default=1.0)
    shapes: list[Shape] = []
    top = 30.0
    shapes += [
        text(4, 14, "level", "muted"),
        text(_LEFT, 14, "bandwidth, as thickness", "muted"),
        text(_LEFT + 210, 14, "capacity, as area", "muted"),
    ]
    for level in levels:
        side = math.sqrt(level.size / largest) * _LARGEST
        tall = max(_ROW, side + 16)
        middle = top + tall / 2
        shapes += [
            text(4, middle - (4 if _added(level) else -4), level.name, size=13, bold=True),
            *([text(4, middle + 13, level.note, "muted", size=11)] if _added(level) else []),
            rect(_LEFT + 210, middle - side / 2, side, side, "hardware"),
            text(_LEFT + 210 + side + 8, middle + 4, _size(level))
            if side < _LARGEST / 2
            else text(_LEFT + 210 + side / 2, middle + 4, _size(level), "paper", anchor="middle", bold=True),
        ]
        if level.bandwidth:
            thick = level.bandwidth / fastest * _WIDEST
            shapes += [
                rect(_LEFT, middle - thick / 2, 110, thick, "ink", opacity=0.75),
                text(_LEFT + 118, middle + 4, quantity(level.bandwidth, "B/s")),
            ]
        else:
            shapes.append(text(_LEFT, middle + 4, "not stated", "muted", size=11))
        top += tall
        shapes.append(line(0, top, _WIDE, top, "grid"))
    return Figure(
        layer="hardware",
        title=_title(levels),
        subtitle=f"Memories of {chip}, all of one package; areas and thicknesses are to scale",
        source="Sizes and bandwidth of the main memory from the catalog; bandwidths on the die are width times boost "
        "clock (derived).",
        alt="; ".join(
            f"{level.name} {_size(level)}" + (f" at {quantity(level.bandwidth, 'B/s')}" if level.bandwidth else "")
            for level in levels
        )
        + ". Capacity grows and bandwidth falls from the arithmetic outwards.",
        chart=Diagram(_WIDE, top + 6, tuple(shapes)),
        table=[
            {
                "level": level.name,
                "capacity": _size(level),
                "bandwidth": quantity(level.bandwidth, "B/s") if level.bandwidth else "not stated",
                "how": level.note,
            }
            for level in levels
        ],
    )


def _title(levels: Sequence[Level]) -> str:
    near, far = levels[0], levels[-1]
    known = [level for level in levels if level.bandwidth]
    if len(known) > 1:
        near, far = known[0], known[-1]
        times = (near.bandwidth or 0) / (far.bandwidth or 1)
        return (
            f"{near.name[0].upper()}{near.name[1:]} gives out bytes {times:.0f} times as fast as "
            f"{far.name}, which holds {far.size / near.size:,.0f} times as many"
        )
    if near is far:
        return f"The one level that the catalog knows: {_size(far)} of {far.name}"
    largest = max(levels[:-1], key=lambda level: level.size)
    return f"{far.name} holds {far.size / largest.size:,.0f} times as much as the {largest.name} on the die"


def _size(level: Level) -> str:
    # as its source states it, unless it was added up over cores
    return binary_size(level.size) if _added(level) else level.note


def _added(level: Level) -> bool:
    return " in each of " in level.note
