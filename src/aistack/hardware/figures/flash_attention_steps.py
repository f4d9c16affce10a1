"""FlashAttention block by block: what lies in fast memory, and the running softmax."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Frame, Shape, line, rect, text
from aistack.hardware.online_softmax import Run, Step, simulate, traffic

_SIDE, _GAP, _THIN, _TOP = 220.0, 22.0, 34.0, 24.0


def draw(
    queries: npt.NDArray[np.float64],
    keys: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    blocks: tuple[int, int],
    length: int = 8192,
    width: int = 128,
) -> Figure:
    """One frame a pair of blocks, with the running numbers of the first query of each block of queries.

    `blocks` are queries and keys of a block. The title counts bytes for `length` queries and keys of `width`, in
    blocks of 128 queries, which is what real kernels use.
    """
    run = simulate(queries, keys, values, *blocks)
    across, down = keys.shape[0] // blocks[1], queries.shape[0] // blocks[0]
    frames = tuple(
        Frame(_caption(number, run, down, across), _shapes(step, down, across)) for number, step in enumerate(run.steps)
    )
    fused = float(traffic(length, length, width, 128))
    once = float(traffic(length, length, width, length))
    plain = once + 4.0 * length**2
    wide = 3 * (_THIN + _GAP) + _SIDE + 210
    # the most telling moment: a larger score has come
    still = next((number for number, step in enumerate(run.steps) if 0 < step.scale[0] < 1), 0)
    return Figure(
        layer="hardware",
        title=f"Never writing the scores moves {plain / fused:.1f} times fewer bytes, {plain / once:.0f} times where "
        "a cache keeps keys and values, for exactly the same result",
        subtitle="Attention in blocks. Filled: in fast memory now. The square of scores exists only one block at a "
        f"time. The factors are for {length:,} queries and keys of width {width} in blocks of 128",
        source="Simulated by aistack.hardware.online_softmax, equal to the plain softmax; bytes counted by the same "
        "module (FlashAttention, arXiv:2205.14135).",
        alt=f"A square of scores in {down} by {across} blocks, queries to its left, keys above, values to its right, "
        "outputs beside them. Block by block scores are computed, folded into a running largest score, a running sum "
        "and a running output, and dropped.",
        chart=Diagram(wide, _TOP + _THIN + _GAP + _SIDE + 10, _outline(down, across), frames, still),
        table=[
            {
                "queries": step.query_block + 1,
                "keys": step.key_block + 1,
                "largest score": f"{step.largest[0]:.2f}",
                "what was summed times": f"{step.scale[0]:.3f}",
                "sum of exponentials": f"{step.total[0]:.3f}",
            }
            for step in run.steps
        ],
    )


def _corner() -> tuple[float, float]:
    return _THIN + _GAP, _TOP + _THIN + _GAP


def _outline(down: int, across: int) -> tuple[Shape, ...]:
    x, y = _corner()
    far = x + _SIDE + _GAP
    shapes = [
        text(0, y - 6, "Q", bold=True),
        text(x, _TOP - 6, "Kᵀ", bold=True),
        text(far, y - 6, "V", bold=True),
        text(far + _THIN + _GAP, y - 6, "output", bold=True),
        text(x, y - 6, "scores, never in main memory", "muted", size=11),
        rect(0, y, _THIN, _SIDE, None, stroke="muted"),
        rect(x, _TOP, _SIDE, _THIN, None, stroke="muted"),
        rect(x, y, _SIDE, _SIDE, None, stroke="muted", dash="3 3"),
        rect(far, y, _THIN, _SIDE, None, stroke="muted"),
        rect(far + _THIN + _GAP, y, _THIN, _SIDE, None, stroke="muted"),
    ]
    rows = [
        line(left, y + _SIDE * r / down, left + _THIN, y + _SIDE * r / down, "grid")
        for r in range(1, down)
        for left in (0.0, far + _THIN + _GAP)
    ]
    columns = [
        line(x + _SIDE * c / across, _TOP, x + _SIDE * c / across, _TOP + _THIN, "grid") for c in range(1, across)
    ]
    parts = [line(far, y + _SIDE * c / across, far + _THIN, y + _SIDE * c / across, "grid") for c in range(1, across)]
    return (*shapes, *rows, *columns, *parts)


def _shapes(step: Step, down: int, across: int) -> tuple[Shape, ...]:
    x, y = _corner()
    far = x + _SIDE + _GAP
    tall, part = _SIDE / down, _SIDE / across
    i, j = step.query_block, step.key_block
    notes = far + 2 * (_THIN + _GAP)
    return (
        *(rect(far + _THIN + _GAP, y + each * tall, _THIN, tall, "ink", opacity=0.22) for each in range(i)),
        *(rect(x + each * part, y + i * tall, part, tall, "hardware", opacity=0.1) for each in range(j)),
        rect(0, y + i * tall, _THIN, tall, "hardware", opacity=0.6),
        rect(x + j * part, _TOP, part, _THIN, "hardware", opacity=0.6),
        rect(x + j * part, y + i * tall, part, tall, "hardware", opacity=0.85),
        rect(far, y + j * part, _THIN, part, "hardware", opacity=0.6),
        rect(far + _THIN + _GAP, y + i * tall, _THIN, tall, "hardware", opacity=0.25 + 0.6 * (j + 1) / across),
        text(notes, y + 14, "first query of the block", "muted", size=11),
        text(notes, y + 38, f"largest score  {step.largest[0]:.2f}"),
        text(notes, y + 58, f"old sums times  {step.scale[0]:.3f}"),
        text(notes, y + 78, f"sum  {step.total[0]:.3f}"),
    )


def _caption(number: int, run: Run, down: int, across: int) -> str:
    step = run.steps[number]
    where = f"Queries {step.query_block + 1} of {down}, keys {step.key_block + 1} of {across}"
    if step.key_block == 0:
        what = "the first scores start the running numbers"
    elif step.scale[0] < 1:
        what = f"a larger score came, so what was summed shrinks to {step.scale[0]:.3f} of itself"
    else:
        what = "no larger score came, so the new sums are added as they are"
    end = "; the output is divided by the sum and written" if step.key_block == across - 1 else ""
    return f"{where}: {what}{end}."
