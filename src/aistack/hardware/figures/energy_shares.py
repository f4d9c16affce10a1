"""Where the joules of a matrix product go, by how many rows share the weights."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.drawing import Figure
from aistack.drawing.diagram import Colour, Diagram, Shape, rect, text
from aistack.hardware.energy import estimate

_LEFT, _WIDE, _ROW, _TOP = 92.0, 500.0, 32.0, 42.0
_LOOK: dict[str, tuple[Colour, float]] = {
    "arithmetic": ("hardware", 1),
    "shared memory": ("ink", 0.12),
    "L2 cache": ("ink", 0.28),
    "HBM": ("muted", 1),
}


def draw(
    columns: int = 8192, depth: int = 8192, rows: Sequence[int] = (1, 8, 32, 128, 512, 2048, 8192), format: str = "bf16"
) -> Figure:
    """One bar a number of rows M: shares of the energy of an M x `depth` by `depth` x `columns` product.

    `format` is one of `aistack.hardware.energy.OPERATIONS`; `UnknownName` for another.
    """
    parts = {
        name: [float(each) for each in values] for name, values in estimate(list(rows), columns, depth, format).items()
    }
    totals = [sum(values[number] for values in parts.values()) for number in range(len(rows))]
    a_flop = [total / (2.0 * m * columns * depth) for total, m in zip(totals, rows, strict=True)]
    shapes: list[Shape] = [
        text(_LEFT - 10, 34, "rows", "muted", size=11, anchor="end"),
        text(_LEFT + _WIDE + 8, 34, "pJ a FLOP", "muted", size=11),
    ]
    x = _LEFT
    for name, (colour, opacity) in _LOOK.items():
        shapes += [rect(x, 6, 12, 12, colour, opacity=opacity), text(x + 17, 16, name, size=11)]
        x += 32 + 7 * len(name)
    for number, m in enumerate(rows):
        y = _TOP + number * _ROW
        shapes.append(text(_LEFT - 10, y + 16, f"{m:,}", anchor="end"))
        x = _LEFT
        for name, (colour, opacity) in _LOOK.items():
            share = parts[name][number] / totals[number]
            wide = share * _WIDE
            shapes.append(rect(x, y, wide, _ROW - 8, colour, opacity=opacity))
            if share > 0.08:
                light = name in {"shared memory", "L2 cache"}
                shapes.append(
                    text(x + wide / 2, y + 16, f"{share:.0%}", "ink" if light else "paper", size=11, anchor="middle")
                )
            x += wide
        shapes.append(text(_LEFT + _WIDE + 8, y + 16, f"{a_flop[number] * 1e12:.3g}"))
    first, last = (parts["HBM"][number] / totals[number] for number in (0, -1))
    return Figure(
        layer="hardware",
        title=f"Of one row's energy {first:.0%} goes into fetching weights, of {rows[-1]:,} rows' {last:.0%}",
        subtitle=f"Energy of a {depth:,} × {columns:,} weight matrix times M rows in {format}, by where it goes; "
        "right: joules a FLOP, all parts together",
        source="Derived: aistack.hardware.energy with the catalog's energies (7 nm arithmetic and SRAM, HBM as an "
        "A100's board was seen to draw). Instructions, clocks and leakage are left out.",
        alt="; ".join(
            f"{m:,} row{'s' if m > 1 else ''}: "
            + ", ".join(f"{name} {parts[name][number] / totals[number]:.0%}" for name in _LOOK)
            for number, m in enumerate(rows)
        )
        + ".",
        chart=Diagram(_LEFT + _WIDE + 74, _TOP + len(rows) * _ROW, tuple(shapes)),
        table=[
            {"rows": f"{m:,}"}
            | {f"{name}, µJ": f"{parts[name][number] * 1e6:,.3g}" for name in _LOOK}
            | {"pJ a FLOP": f"{a_flop[number] * 1e12:.3g}"}
            for number, m in enumerate(rows)
        ],
    )
