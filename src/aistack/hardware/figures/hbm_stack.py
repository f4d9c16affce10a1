"""A stack of high-bandwidth memory in cross-section, and what each generation's wires carry."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.catalog.records import Technology
from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Shape, line, rect, text
from aistack.units import text as quantity

_DIES = 8
_LEFT, _BASE = 16, 226


def draw(generations: Sequence[Technology]) -> Figure:
    """The cross-section to the left, bars of the bandwidth of one stack to the right, oldest at the top.

    `generations` are the catalog's records of the group `hbm`: `width` (wires), `pin` (B/s a wire), `bandwidth`.
    """
    shapes = [*_stack(), *_bars(generations)]
    first, last = generations[0], generations[-1]
    gain = last.values["bandwidth"].si / first.values["bandwidth"].si
    wires = [f"{each.values['width'].si:,.0f}" for each in generations]
    return Figure(
        layer="hardware",
        title=f"A stack's bandwidth comes from its {wires[0]} to {wires[-1]} wires, each slow: "
        f"{gain:.0f} times as much in {last.year - first.year} years",
        subtitle="Left: dies of DRAM on a base die, joined by vias through the silicon, beside the processor on an "
        "interposer (not to scale). Right: one stack's data wires times the rate of each",
        source="Catalog: technology records of HBM, compiled from JEDEC's standards and makers' pages; the highest "
        "rate of each generation.",
        alt=f"{_DIES} dies of memory stand on a base die next to the processor; vertical vias join them, and a dense "
        "field of short wires in the interposer leads to the processor. Bandwidth of one stack by generation: "
        + ", ".join(f"{each.name} {quantity(each.values['bandwidth'].si, 'B/s')}" for each in generations)
        + ".",
        chart=Diagram(720, 310, tuple(shapes)),
        table=[
            {
                "generation": each.name,
                "year": each.year,
                "wires": f"{each.values['width'].si:,.0f}",
                "Gb/s a wire": f"{each.values['pin'].si * 8 / 1e9:g}",
                "bandwidth of a stack": quantity(each.values["bandwidth"].si, "B/s"),
                "dies at most": f"{each.values['dies'].si:.0f}",
            }
            for each in generations
        ],
    )


def _stack() -> list[Shape]:
    thick, gap, wide = 15, 4, 130
    shapes: list[Shape] = []
    top = _BASE - 20
    for die in range(_DIES):
        y = top - (die + 1) * (thick + gap)
        shapes.append(rect(_LEFT, y, wide, thick, "hardware", opacity=0.55))
    high = top - _DIES * (thick + gap)
    shapes.append(rect(_LEFT, top, wide, 20, "hardware", opacity=0.95))
    # vias in the middle of the dies, bumps below
    shapes += [line(_LEFT + 40 + 7 * via, high, _LEFT + 40 + 7 * via, top + 20, "ink") for via in range(8)]
    shapes.append(rect(_LEFT + 170, top - 34, 140, 54, "muted", opacity=0.45))
    shapes.append(rect(_LEFT - 8, _BASE + 6, 326, 18, "grid", stroke="muted"))
    shapes.append(rect(_LEFT - 16, _BASE + 34, 342, 22, None, stroke="muted"))
    shapes += [rect(_LEFT + 4 + 7 * bump, _BASE, 3, 6, "muted") for bump in range(18)]
    shapes += [rect(_LEFT + 176 + 7 * bump, _BASE, 3, 6, "muted") for bump in range(19)]
    shapes += [rect(_LEFT + 4 + 20 * bump, _BASE + 24, 8, 10, "muted") for bump in range(16)]
    shapes += [line(_LEFT + 110, _BASE + 10 + 3 * wire, _LEFT + 200, _BASE + 10 + 3 * wire, "ink") for wire in range(4)]
    shapes += [
        text(_LEFT + wide + 8, high + 11, "DRAM dies"),
        text(_LEFT + wide + 8, high + 40, "vias through", "muted"),
        text(_LEFT + wide + 8, high + 55, "the silicon", "muted"),
        text(_LEFT + 240, top - 2, "processor", anchor="middle"),
        text(_LEFT + wide + 8, top - 44, "base die"),
        line(_LEFT + wide + 6, top - 48, _LEFT + wide - 4, top + 6, "muted"),
        text(_LEFT + 312, _BASE + 19, "interposer", size=11, anchor="end"),
        text(_LEFT + 318, _BASE + 50, "package", "muted", size=11, anchor="end"),
    ]
    return shapes


def _bars(generations: Sequence[Technology]) -> list[Shape]:
    left, most = 440.0, max(each.values["bandwidth"].si for each in generations)
    shapes: list[Shape] = []
    for row, each in enumerate(generations):
        y = 24 + row * 46
        bandwidth = each.values["bandwidth"].si
        long = bandwidth / most * 180
        wires, rate = each.values["width"].si, each.values["pin"].si * 8 / 1e9
        shapes += [
            text(left - 12, y + 12, each.name, anchor="end", bold=True),
            rect(left, y, long, 18, "hardware", opacity=0.75),
            text(left + long + 8, y + 13, quantity(bandwidth, "B/s")),
            text(left, y + 32, f"{wires:,.0f} wires × {rate:g} Gb/s, {each.year}", "muted", size=11),
        ]
    return shapes
