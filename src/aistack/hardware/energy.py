"""Where the joules of a matrix product go: arithmetic, and bytes moved at each level of the memory.

Energies of single operations and accesses are the catalog's, of 7 nm silicon (Jouppi et al., ISCA 2021, table 2); those
of high-bandwidth memory are what an A100's board was seen to draw. So results hold for chips of that age; newer
silicon computes for less, and moves bytes for little less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from aistack import catalog
from aistack.catalog import Record
from aistack.errors import UnknownName
from aistack.hardware.blocking import estimate as tile_traffic

Array = npt.NDArray[np.float64]

OPERATIONS = MappingProxyType(
    {
        "fp32": ("fp32-multiply", "fp32-add", 4),
        "fp16": ("fp16-multiply", "fp32-add", 2),
        "bf16": ("bf16-multiply", "fp32-add", 2),
        "int8": ("int8-multiply", "int32-add", 1),
    }
)
"""Format -> the catalog's operations that make one multiply-add of it, and the bytes of an operand."""

LEVELS = ("shared memory", "L2 cache", "HBM")
"""Where bytes are read from, nearest first."""

WARP_TILE, BLOCK_TILE = (64, 64), (128, 256)
"""Rows and columns of the result for which shared memory, and L2, are read once: usual tiles of one warp and of one
thread block."""

_ACCESS = 8
"""Bytes of one access of the catalog's SRAM."""


@dataclass(frozen=True)
class Rung:
    """One operation, or one move of 64 bits."""

    name: str
    low: float
    """J; equal to `high` where one value is stated."""
    high: float
    moves: bool
    """Whether it moves bits rather than computes."""

    @property
    def middle(self) -> float:
        """J; the geometric mean of the ends."""
        return float(np.sqrt(self.low * self.high))


_ARITHMETIC: Mapping[str, str] = {
    "int8-multiply": "multiply INT8",
    "bf16-multiply": "multiply BF16",
    "fp16-multiply": "multiply FP16",
    "fp32-add": "add FP32",
    "fp32-multiply": "multiply FP32",
}
_ACCESSES: Mapping[str, str] = {
    "sram-read-8-kb-64-bit": "read from SRAM of 8 KB",
    "sram-read-1-mb-64-bit": "read from SRAM of 1 MB",
}
_MOVES: tuple[tuple[str, str, str], ...] = (
    ("technology", "wire-on-chip", "1 mm of wire on the die (30 nm)"),
    ("link-energy", "ucie-advanced-package-3-nm", "die to die in a package (UCIe)"),
    ("link-energy", "nvlink", "to the next GPU (NVLink 4)"),
    ("link-energy", "pcie-gen5", "to the host (PCIe 5)"),
    ("memory-energy", "hbm2-access-energy", "read from HBM2, the device alone"),
    ("memory-energy", "a100-hbm-total", "read from HBM, A100 board measured"),
    ("memory-energy", "ddr3-4-access", "read from DDR4"),
    ("link-energy", "co-packaged-optics", "through optics beside the switch"),
    ("link-energy", "pluggable-optics", "through pluggable optics"),
)


def per_flop(format: str) -> float:
    """Joules a FLOP of a multiply-add, the sum in wider numbers. Raises `UnknownName`."""
    if format not in OPERATIONS:
        raise UnknownName("number format", format, OPERATIONS)
    multiply, add, _ = OPERATIONS[format]
    return (_operation(multiply) + _operation(add)) / 2


def per_byte() -> Mapping[str, float]:
    """Joules a byte at each of `LEVELS`: SRAM of 32 KB, SRAM of 1 MB, an A100's HBM with its controllers."""
    hbm = catalog.record("memory-energy", "a100-hbm-total").value.si
    shared, cache = (_operation(name) / _ACCESS for name in ("sram-read-32-kb-64-bit", "sram-read-1-mb-64-bit"))
    return dict(zip(LEVELS, (shared, cache, hbm), strict=True))


def traffic(m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, format: str) -> dict[str, Array]:
    """Bytes of an M x K by K x N product at each of `LEVELS`; HBM moves operands and result once."""
    if format not in OPERATIONS:
        raise UnknownName("number format", format, OPERATIONS)
    m, n, k = (np.asarray(each, dtype=float) for each in (m, n, k))
    size = OPERATIONS[format][2]
    tiles: tuple[tuple[npt.ArrayLike, npt.ArrayLike], ...] = (WARP_TILE, BLOCK_TILE, (m, n))
    return {
        level: tile_traffic(m, n, k, rows, columns) * size for level, (rows, columns) in zip(LEVELS, tiles, strict=True)
    }


def estimate(m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, format: str = "bf16") -> dict[str, Array]:
    """Joules of an M x K by K x N product, by where they go: arithmetic, then `LEVELS`. Arguments broadcast.

    In words: 2 M N K FLOP at the energy of a multiply-add, and the bytes that pass each level at that level's energy a
    byte. Raises `UnknownName`. Left out: registers, instructions, clocks and leakage, which a whole board draws as
    well (an A100 at its peak draws about three times the sum).
    """
    m, n, k = (np.asarray(each, dtype=float) for each in (m, n, k))
    costs = per_byte()
    moved = traffic(m, n, k, format)
    return {"arithmetic": 2 * m * n * k * per_flop(format)} | {each: moved[each] * costs[each] for each in LEVELS}


def ladder() -> tuple[Rung, ...]:
    """What operations, accesses and moves of 64 bits cost, cheapest first.

    Arithmetic and SRAM are of 7 nm, all else as its source states it. Each value has its source in the catalog's
    tables of operation, memory and link energy.
    """
    rungs = [
        Rung(words, _operation(name), _operation(name), moves)
        for table, moves in ((_ARITHMETIC, False), (_ACCESSES, True))
        for name, words in table.items()
    ]
    for kind, name, words in _MOVES:
        low, high = _ends(catalog.record(kind, name))
        # J/B, and for wires J/B/m over one millimetre
        length = 1e-3 if kind == "technology" else 1.0
        rungs.append(Rung(words, low * _ACCESS * length, high * _ACCESS * length, True))
    return tuple(sorted(rungs, key=lambda rung: rung.middle))


def _ends(record: Record) -> tuple[float, float]:
    values = record.values
    if "low" in values:
        return values["low"].si, values["high"].si
    return record.value.si, record.value.si


def _operation(name: str) -> float:
    return catalog.record("operation-energy", name).values["7nm"].si
