"""A matrix product tile by tile, and the bytes that have been read so far."""

from __future__ import annotations

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Frame, Shape, line, rect, text
from aistack.errors import BadInput
from aistack.hardware.blocking import estimate
from aistack.units import text as quantity

_SIDE, _GAP, _TOP = 168.0, 26.0, 22.0
_MOST = 4


def draw(size: int = 384, tile: int = 128, depth: int = 192, element: float = 2) -> Figure:
    """One frame a step: a `tile`-square of the result takes `depth` columns of A and rows of B from memory.

    All three matrices have `size` rows and columns of `element` bytes. `BadInput` where tiles do not divide the
    matrices, or there are more than 4 along a side.
    """
    tiles, chunks = size // tile, size // depth
    if size % tile or size % depth or max(tiles, chunks) > _MOST:
        raise BadInput(f"{size} must be one to {_MOST} times the tile ({tile}) and the depth ({depth}).")
    moved = float(estimate(size, size, size, tile, tile)) * element
    alone = float(estimate(size, size, size, 1, 1)) * element
    flop = 2.0 * size**3
    a_step = 2 * tile * depth * element
    frames = []
    for number in range(tiles * tiles * chunks):
        done, chunk = divmod(number, chunks)
        row, column = divmod(done, tiles)
        read = quantity((number + 1) * a_step, "B")
        last = ", which is done and is written" if chunk == chunks - 1 else ""
        frames.append(
            Frame(
                f"Tile {done + 1} of {tiles * tiles}, part {chunk + 1} of {chunks}{last}; {read} read so far.",
                _step(row, column, chunk, done, tiles, chunks),
            )
        )
    left, top = _SIDE + _GAP, _TOP + _SIDE + _GAP
    wide, high = 2 * _SIDE + _GAP + 250, top + _SIDE + 10
    words = left + _SIDE + 26
    notes = (
        text(words, top + 20, f"{quantity(moved, 'B')} in all, {flop / moved:.0f} FLOP a byte", bold=True),
        text(words, top + 38, f"each operand read {tiles} times", "muted"),
        text(words, top + 68, f"{quantity(alone, 'B')}, {flop / alone:.2g} FLOP a byte", bold=True),
        text(words, top + 86, f"without tiles: {size} times", "muted"),
    )
    return Figure(
        layer="hardware",
        title=f"Tiles of {tile} × {tile} read each operand {tiles} times instead of {size}: "
        f"{alone / moved:.0f} times fewer bytes",
        subtitle=f"A product of {size} × {size} matrices in {element:g}-byte elements, tile by tile; filled parts are "
        "in fast memory. To scale",
        source="Derived: aistack.hardware.blocking, which counts what the loop over tiles moves.",
        alt=f"Matrix A to the left, B above, their product between them, cut into {tiles} by {tiles} tiles. Step by "
        f"step one tile of the product takes {chunks} parts of its row of A and of its column of B; "
        f"{quantity(moved, 'B')} move in all.",
        chart=Diagram(wide, high, (*_outline(tiles, chunks), *notes), tuple(frames), still=len(frames) // 2),
        table=[
            {
                "tile": f"{side} × {side}",
                "bytes moved": quantity(float(estimate(size, size, size, side, side)) * element, "B"),
                "FLOP a byte": f"{flop / (float(estimate(size, size, size, side, side)) * element):.3g}",
            }
            for side in (1, 16, tile // 2, tile, size)
        ],
    )


def _outline(tiles: int, chunks: int) -> tuple[Shape, ...]:
    left, top = _SIDE + _GAP, _TOP + _SIDE + _GAP
    shapes: list[Shape] = []
    for x, y, rows, columns, name in (
        (0.0, top, tiles, chunks, "A"),
        (left, _TOP, chunks, tiles, "B"),
        (left, top, tiles, tiles, "A × B"),
    ):
        shapes.append(text(x + 2, y - 6, name, bold=True))
        shapes.append(rect(x, y, _SIDE, _SIDE, None, stroke="muted"))
        shapes += [
            line(x + _SIDE * c / columns, y, x + _SIDE * c / columns, y + _SIDE, "grid") for c in range(1, columns)
        ]
        shapes += [line(x, y + _SIDE * r / rows, x + _SIDE, y + _SIDE * r / rows, "grid") for r in range(1, rows)]
    return tuple(shapes)


def _step(row: int, column: int, chunk: int, done: int, tiles: int, chunks: int) -> tuple[Shape, ...]:
    left, top = _SIDE + _GAP, _TOP + _SIDE + _GAP
    tile, part = _SIDE / tiles, _SIDE / chunks
    finished = [
        rect(left + (each % tiles) * tile, top + (each // tiles) * tile, tile, tile, "ink", opacity=0.18)
        for each in range(done)
    ]
    return (
        *finished,
        rect(chunk * part, top + row * tile, part, tile, "hardware", opacity=0.55),
        rect(left + column * tile, _TOP + chunk * part, tile, part, "hardware", opacity=0.55),
        rect(left + column * tile, top + row * tile, tile, tile, "hardware", opacity=0.35 + 0.6 * (chunk + 1) / chunks),
    )
