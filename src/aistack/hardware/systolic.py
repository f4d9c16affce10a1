"""A weight-stationary systolic array: cycles of a matrix product in closed form, and clock by clock.

Symbols: an M x K matrix of activations times a K x N matrix of weights, on R rows by C columns of cells that each hold
one weight. Activations enter at the left and move right, partial sums enter as zeros at the top and move down; each
cell multiplies, adds and passes on (Kung and Leiserson 1979; Jouppi et al., "In-datacenter performance analysis of a
tensor processing unit", ISCA 2017, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cycles:
    """Where the cycles of a product go; the parts add up to `total`. All fields broadcast."""

    load: Array
    """Shifting in weights while no activation enters."""
    stream: Array
    """Activations enter, a row of them a cycle."""
    drain: Array
    """The last activations cross the array, and nothing enters."""
    tiles: Array
    """Tiles of R x C weights that the K x N matrix falls into."""
    utilisation: Array
    """Multiply-adds of the product over those that all cells could do in `total` cycles."""

    @property
    def total(self) -> Array:
        """Cycles from the first weight that enters to the last sum that leaves."""
        return self.load + self.stream + self.drain


def estimate(
    m: npt.ArrayLike,
    n: npt.ArrayLike,
    k: npt.ArrayLike,
    rows: npt.ArrayLike = 128,
    columns: npt.ArrayLike = 128,
    double_buffered: bool = True,
) -> Cycles:
    """Cycles of an M x K by K x N product on an array of R rows by C columns. Arguments broadcast.

    In words: the weights fall into ceil(K/R) ceil(N/C) tiles. A tile's weights take R cycles to shift in, its
    activations M cycles to enter, and the last of them R + C - 2 more to cross the array. One tile alone takes
    M + 2R + C - 2 (Samajdar et al., ISPASS 2020, SCALE-Sim's runtime of a fold). With a second weight register in each
    cell (`double_buffered`) the next tile's weights shift in meanwhile and its activations follow at once, so only the
    first load, the last crossing, and what M falls short of R, are lost.

    Left out: memory that cannot keep up, and adding up the tiles along K, which accumulators below the array do in
    passing. Raises `BadInput` for a size below 1.
    """
    m, n, k, rows, columns = (np.asarray(each, dtype=float) for each in (m, n, k, rows, columns))
    if any((each < 1).any() for each in (m, n, k, rows, columns)):
        raise BadInput("A systolic array needs at least one row and one column, and a product at least one element.")
    tiles = np.ceil(k / rows) * np.ceil(n / columns)
    crossing = rows + columns - 2
    stream = tiles * m
    if double_buffered:
        load, drain = rows + (tiles - 1) * np.maximum(rows - m, 0), crossing + 0 * m
    else:
        load, drain = tiles * rows + 0 * m, tiles * crossing + 0 * m
    utilisation = m * n * k / ((load + stream + drain) * rows * columns)
    return Cycles(load, stream, drain, tiles, utilisation)


@dataclass(frozen=True)
class Moment:
    """What every cell holds at the end of one cycle; all arrays are R x C."""

    weights: Array
    """The weight that the cell multiplies by; zero where the tile is smaller than the array, or not yet there."""
    shifting: Array
    """The weight in the cell's spare register, on its way down."""
    activations: Array
    sums: Array
    busy: Mask
    """Whether the cell multiplied an element of the product."""


@dataclass(frozen=True)
class Run:
    """A product as the array computed it."""

    product: Array
    moments: tuple[Moment, ...]
    """One a cycle."""

    @property
    def cycles(self) -> int:
        """How many it took."""
        return len(self.moments)

    @property
    def utilisation(self) -> float:
        """The share of cells and cycles that multiplied an element of the product."""
        return float(np.mean([moment.busy for moment in self.moments]))


def simulate(activations: Array, weights: Array, rows: int, columns: int, double_buffered: bool = True) -> Run:
    """The M x K `activations` times the K x N `weights` on an R x C array, register by register, clock by clock.

    For small sizes: every moment is kept. A schedule that took a weight away too early would show as a wrong product.
    Raises `BadInput` where the matrices do not fit together.
    """
    if activations.ndim != 2 or weights.ndim != 2 or activations.shape[1] != weights.shape[0]:
        raise BadInput(f"Matrices of shapes {activations.shape} and {weights.shape} cannot be multiplied.")
    (m, k), n = activations.shape, weights.shape[1]
    corners = [(below, right) for right in range(0, n, columns) for below in range(0, k, rows)]
    period = max(m, rows) if double_buffered else rows + m + rows + columns - 2
    # activations of tile number i begin to enter at the top left cell in cycle starts[i]; its weights R cycles before
    starts = [rows + number * period for number in range(len(corners))]
    down, across = np.indices((rows, columns))
    delay = down + across

    tiles = [_padded(weights[a : a + rows, b : b + columns], rows, columns) for a, b in corners]
    entering = [_padded(activations[:, a : a + rows], m, rows) for a, _ in corners]
    useful = [_padded(np.ones_like(weights[a : a + rows, b : b + columns]), rows, columns) > 0 for a, b in corners]
    held, arriving, passing, sums = (np.zeros((rows, columns)) for _ in range(4))
    product = np.zeros((m, n))
    moments = []
    for now in range(starts[-1] + m + rows + columns - 2):
        passing = np.roll(passing, 1, axis=1)
        passing[:, 0] = 0
        sums = np.roll(sums, 1, axis=0)
        sums[0] = 0
        # the tile whose activations are in each cell, if any: they sweep from the top left to the bottom right
        working = np.full((rows, columns), -1)
        for number, start in enumerate(starts):
            first = start + delay
            working[(first <= now) & (now < first + m)] = number
            held = np.where(now == first, arriving, held)
            for row in range(rows):
                if start <= now - row < start + m:
                    passing[row, 0] = entering[number][now - row - start, row]
        sums = sums + held * passing
        # weights of the next tile shift down the spare registers, the last row's first, behind the sweep
        for number, start in enumerate(starts):
            shift = (start - rows + delay <= now) & (now < start + across)
            above = np.roll(arriving, 1, axis=0)
            entered = np.clip(rows - 1 - (now - (start - rows) - np.arange(columns)), 0, rows - 1)
            above[0] = tiles[number][entered, np.arange(columns)]
            arriving = np.where(shift, above, arriving)
        for column in range(columns):
            number = working[-1, column]
            if number >= 0 and corners[number][1] + column < n:
                row = now - starts[number] - (rows - 1) - column
                product[row, corners[number][1] + column] += sums[-1, column]
        busy = np.zeros((rows, columns), dtype=bool)
        for number in set(working[working >= 0].tolist()):
            busy |= (working == number) & useful[number]
        moments.append(Moment(held.copy(), arriving.copy(), passing.copy(), sums.copy(), busy))
    return Run(product, tuple(moments))


def _padded(part: Array, rows: int, columns: int) -> Array:
    whole = np.zeros((rows, columns))
    whole[: part.shape[0], : part.shape[1]] = part
    return whole
