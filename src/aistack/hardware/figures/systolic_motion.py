"""A systolic array at work, clock by clock."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Frame, Shape, arrow, group, rect, text
from aistack.hardware.systolic import Moment, Run, estimate, simulate

_CELL, _GAP, _STEP = 62, 10, 30
_TOP = 34


def draw(activations: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> Figure:
    """One frame a clock: `activations` (M x K) times `weights` (K x N) on an array of exactly K x N cells.

    For small matrices of small whole numbers; `BadInput` where they do not fit together.
    """
    (m, rows), columns = activations.shape, weights.shape[1]
    run = simulate(activations, weights, rows, columns)
    left = (m + rows) * _STEP + 16
    pitch = _CELL + _GAP
    high = _TOP + rows * pitch
    frames = tuple(
        Frame(_caption(now, run, m, rows, columns), _shapes(now, run.moments[now], activations, run, left))
        for now in range(run.cycles)
    )
    still = rows + (m + rows + columns - 2) // 2
    wide = left + columns * pitch + 40
    closed = estimate(m, columns, rows, rows, columns)
    large = estimate(1000 * rows, columns, rows, rows, columns)
    return Figure(
        layer="hardware",
        title=f"{m} rows keep {run.utilisation:.0%} of the cells busy; {1000 * rows:,} rows would keep "
        f"{float(large.utilisation):.0%}",
        subtitle=f"A weight-stationary array of {rows} × {columns} cells, clock by clock. Each cell holds a weight "
        "(upper left), takes a number from its left neighbour, adds the product to the sum from above (lower right) "
        "and passes both on. Filled cells multiply in this cycle",
        source="Simulated register by register by aistack.hardware.systolic; product and cycles agree with NumPy and "
        "with the closed form.",
        alt=f"{run.cycles} cycles of a systolic array: {int(closed.load)} to shift in weights, {int(closed.stream)} in "
        f"which {m} rows of numbers enter on a slant from the left, {int(closed.drain)} in which the last sums leave "
        "at the bottom. The cells at work sweep from the top left to the bottom right.",
        chart=Diagram(wide, high + (m + columns) * 22 + 14, _still_shapes(rows, columns, left), frames, still),
        table=[
            {"cycle": now + 1, "cells at work": int(moment.busy.sum()), "of": rows * columns}
            for now, moment in enumerate(run.moments)
        ],
    )


def _still_shapes(rows: int, columns: int, left: float) -> tuple[Shape, ...]:
    pitch = _CELL + _GAP
    cells = [
        rect(left + c * pitch, _TOP + r * pitch, _CELL, _CELL, None, stroke="muted")
        for r in range(rows)
        for c in range(columns)
    ]
    across = [
        arrow(left + c * pitch - _GAP, _TOP + r * pitch + _CELL / 2, left + c * pitch, _TOP + r * pitch + _CELL / 2)
        for r in range(rows)
        for c in range(columns)
    ]
    down = [
        arrow(left + c * pitch + _CELL / 2, _TOP + r * pitch - _GAP, left + c * pitch + _CELL / 2, _TOP + r * pitch)
        for r in range(1, rows + 1)
        for c in range(columns)
    ]
    middle = left + (columns * pitch - _GAP) / 2
    return (
        *cells,
        *across,
        *down,
        text(middle, 18, "weights enter first, from the top", "muted", anchor="middle"),
        text(8, 18, "numbers enter on a slant", "muted"),
        text(left - 14, _TOP + rows * pitch + 18, "sums leave", "muted", anchor="end"),
    )


def _shapes(now: int, moment: Moment, activations: npt.NDArray[np.float64], run: Run, left: float) -> tuple[Shape, ...]:
    (m, rows), columns = activations.shape, moment.weights.shape[1]
    pitch = _CELL + _GAP
    cells: list[Shape] = []
    for r in range(rows):
        for c in range(columns):
            x, y = left + c * pitch, _TOP + r * pitch
            inside: list[Shape] = []
            if moment.busy[r, c]:
                inside.append(rect(0, 0, _CELL, _CELL, "hardware", opacity=0.22))
                inside.append(text(8, 36, f"× {moment.activations[r, c]:.0f}", size=13))
                inside.append(text(_CELL - 6, 55, f"{moment.sums[r, c]:.0f}", size=13, anchor="end", bold=True))
            held = now >= rows + r + c
            weight = moment.weights[r, c] if held else moment.shifting[r, c]
            if held or now >= c + r:
                inside.append(text(8, 18, f"{weight:.0f}", "hardware" if held else "muted", size=13, bold=held))
            if inside:
                cells.append(group(*inside, move=(x, y)))
    waiting = [
        text(left - 14 - (away - 1) * _STEP, _TOP + r * pitch + 36, f"{activations[row, r]:.0f}", size=13, anchor="end")
        for r in range(rows)
        for row in range(m)
        for away in [rows + row + r - now]
        if away > 0 and now >= rows - 1
    ]
    done = [
        text(
            left + c * pitch + _CELL / 2,
            _TOP + rows * pitch + 18 + since * 22,
            f"{run.product[row, c]:.0f}",
            size=13,
            anchor="middle",
            bold=True,
        )
        for c in range(columns)
        for row in range(m)
        for since in [now - (rows + row + rows - 1 + c)]
        if since >= 0
    ]
    return (*cells, *waiting, *done)


def _caption(now: int, run: Run, m: int, rows: int, columns: int) -> str:
    busy = int(run.moments[now].busy.sum())
    if now < rows:
        what = "weights shift down, those of the last row first"
    elif now < rows + m:
        what = f"row {now - rows + 1} of {m} begins to enter; {busy} of {rows * columns} cells multiply"
    else:
        what = f"nothing enters any more; {busy} of {rows * columns} cells multiply while the last sums leave"
    return f"Cycle {now + 1} of {run.cycles}: {what}."
