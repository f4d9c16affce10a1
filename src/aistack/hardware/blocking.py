"""Bytes that a matrix product moves between a fast memory and a slow one: what its tiles move, and the least possible.

Symbols: an M x K by a K x N matrix product; tiles of TM x TN of the result; a fast memory of S elements.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput

Array = npt.NDArray[np.float64]


def estimate(
    m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, tile_m: npt.ArrayLike, tile_n: npt.ArrayLike
) -> Array:
    """Elements that a product moves whose results stay in fast memory tile by tile. Arguments broadcast.

    In words: every column of tiles reads the left matrix again, every row of tiles the right one, and results are
    written once: M K ceil(N/TN) + K N ceil(M/TM) + M N. Needs room for a tile of results, a column of the left operand
    and a row of the right (TM TN + TM + TN elements). Raises `BadInput` for a size below 1. Left out: caches that
    keep an operand from one tile to the next.
    """
    m, n, k, tile_m, tile_n = (np.asarray(each, dtype=float) for each in (m, n, k, tile_m, tile_n))
    if any((each < 1).any() for each in (m, n, k, tile_m, tile_n)):
        raise BadInput("A product and its tiles have at least one row and one column.")
    moved: Array = m * k * np.ceil(n / tile_n) + k * n * np.ceil(m / tile_m) + m * n
    return moved


def least(m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, fast: npt.ArrayLike) -> Array:
    """Elements that any order of the same multiplications moves at least, with a fast memory of S elements.

    2 M N K / sqrt(S) - 2 S (Smith, Lowery, Langou and van de Geijn, "A tight I/O lower bound for matrix
    multiplication", arXiv:1702.02017; of the order found by Hong and Kung, STOC 1981), and never less than reading both
    operands and writing the result once.
    """
    m, n, k, fast = (np.asarray(each, dtype=float) for each in (m, n, k, fast))
    once = m * k + k * n + m * n
    bound: Array = np.maximum(2 * m * n * k / np.sqrt(fast) - 2 * fast, once)
    return bound


def largest_tile(fast: npt.ArrayLike) -> Array:
    """Side of the largest square tile of results for which a fast memory of S elements has room: T² + 2 T <= S."""
    side: Array = np.floor(np.sqrt(np.asarray(fast, dtype=float) + 1) - 1)
    return side
