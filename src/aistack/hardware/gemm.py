"""Matrix products on an accelerator, by shape: tiles, waves, pipeline fill, memory.

Symbols: G groups of an M x K times a K x N matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aistack.errors import UnknownName
from aistack.hardware.chip import ELEMENT_BYTES, Chip
from aistack.hardware.streaming import memory_time, overlapped

Array = npt.NDArray[np.float64]

TILES = ((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (64, 16), (16, 64))
"""Rows and columns of the output that libraries' kernels give one compute unit at a time."""

STAGE_BYTES = 128
"""Bytes along K of one stage of a tile's pipeline: a line of shared memory."""


def estimate(
    chip: Chip,
    m: npt.ArrayLike,
    n: npt.ArrayLike,
    k: npt.ArrayLike,
    precision: str = "bf16",
    groups: npt.ArrayLike = 1,
    stored: str | None = None,
) -> Array:
    """Seconds of `groups` equal products of an M x K by a K x N matrix, run as one kernel (batched or grouped).

    In words: the output falls into tiles, which the compute units work off in waves, the last one full or not. A tile
    takes K elements and the filling of its pipeline, each at the slowest of: its operations at the sustained peak, the
    feeding of its operands from on-chip memory, and the latency of a pipeline stage. The best of a few tile shapes
    counts (tile and wave quantisation: NVIDIA, "Matrix Multiplication Background User's Guide"). Operands and result
    pass through memory once, overlapped with all that; the launch comes on top.

    Arguments broadcast. `stored` is the precision in which the K x N operand lies in memory where that is narrower
    (weight-only quantisation). Raises `BadInput` where the chip has no peak in `precision`, `UnknownName` for `stored`.
    Left out: layouts and alignment, splitting along K, operands that come from memory twice, results that stay in a
    cache, and the quantising of operands (`aistack.hardware.quantise`).
    """
    computing, moving = sides(chip, m, n, k, precision, groups, stored)
    return chip.kernels.launch + overlapped(chip, computing, moving)


def sides(
    chip: Chip,
    m: npt.ArrayLike,
    n: npt.ArrayLike,
    k: npt.ArrayLike,
    precision: str = "bf16",
    groups: npt.ArrayLike = 1,
    stored: str | float | None = None,
    splits: Sequence[int] = (1,),
) -> tuple[Array, Array]:
    """Seconds that the products of `estimate` compute, and that they move bytes, were each alone.

    `stored` may also be the bytes of one element of the K x N operand, with its share of a block's scale; on-chip
    memory feeds it as it is stored. `splits` are parts along K that units may share (split-K), for few rows.
    """
    m, n, k, groups = (np.asarray(each, dtype=float) for each in (m, n, k, groups))
    if isinstance(stored, str) and stored not in ELEMENT_BYTES:
        raise UnknownName("precision", stored, ELEMENT_BYTES)
    held = stored if isinstance(stored, int | float) else ELEMENT_BYTES[stored or precision]
    constants = chip.kernels
    rate = chip.rate(precision) * constants.matmul[precision] / chip.units
    # chips without matrix engines reuse operands in registers
    feed = chip.half_peak * constants.feed / chip.units if {"bf16", "fp16"} & chip.peak.keys() else np.inf
    element = ELEMENT_BYTES[precision]
    latency = constants.stage[precision] * element / STAGE_BYTES

    computing = np.full(np.broadcast(m, n, k, groups).shape, np.inf)
    for rows, columns in TILES:
        step = max(2 * rows * columns / rate, (rows * element + columns * held) / feed, latency)
        tiles = groups * np.ceil(m / rows) * np.ceil(n / columns)
        for parts in splits:
            waves = np.ceil(tiles * parts / chip.units)
            computing = np.minimum(computing, waves * (k / parts + constants.fill) * step)
    # results of narrow operands have 16 bits
    moved = groups * (m * k * element + k * n * held + m * n * max(element, 2.0))
    return computing, memory_time(chip, moved)


def filled(m: npt.ArrayLike, n: npt.ArrayLike, units: npt.ArrayLike, tile: tuple[int, int]) -> Array:
    """Share of a chip's places, a compute unit in a wave each, that the elements of an M x N result fill.

    In words: the result falls into tiles of the given rows and columns, those at the edges cut; `units` of them make a
    wave. What is left empty are cut tiles (tile quantisation) and the end of the last wave (wave quantisation).
    Arguments broadcast.
    """
    m, n, units = (np.asarray(each, dtype=float) for each in (m, n, units))
    rows, columns = tile
    waves = np.ceil(np.ceil(m / rows) * np.ceil(n / columns) / units)
    share: Array = m * n / (waves * units * rows * columns)
    return share
