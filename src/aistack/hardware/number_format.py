"""What a number format makes of numbers: the values it has, rounding to them, and the error of quantised weights.

Floating formats have a sign, E exponent bits and M mantissa bits; block formats share a scale among neighbours (OCP
Microscaling Formats (MX) Specification v1.0, 2023; NVIDIA's NVFP4 adds a scale a tensor). Widths, biases and largest
values are the catalog's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistack import catalog
from aistack.catalog import NumberFormat
from aistack.errors import BadInput

Array = npt.NDArray[np.float64]

_LISTED_BYTES = 2
"""The widest formats whose values are listed one by one; also the narrowest that need no scale."""


@dataclass(frozen=True)
class Grid:
    """The finite values of a format: sign times mantissa times a power of two."""

    name: str
    mantissa_bits: int
    least_exponent: int
    """Of the smallest normal numbers; subnormal ones keep their spacing."""
    largest: float
    overflow: float
    """What becomes of what is too large where nothing saturates: infinite, not a number, or the largest value."""

    @property
    def step(self) -> float:
        """The spacing next to zero, which is the smallest positive value."""
        return float(2.0 ** (self.least_exponent - self.mantissa_bits))


def grid(name: str) -> Grid:
    """The values that one element of the format of this name can take, scales left out.

    Raises `UnknownName`, and `BadInput` for formats that are no grid of binary fractions (posits, look-up tables).
    """
    entry = catalog.number_format(name)
    if entry.mantissa_bits is None:
        raise BadInput(f"{entry.id} has no fixed mantissa, so its rounding is not known here.")
    mantissa, largest = _bits(entry.mantissa_bits.si), entry.max_finite.si
    if not mantissa:
        raise BadInput(f"{entry.id} holds scales, not values.")
    overflow = np.inf if entry.has_inf.value else np.nan if entry.has_nan.value else largest
    # fixed point has a bias of none: all its values are subnormal, multiples of the smallest
    least = 1 - entry.bias.si if entry.bias else np.log2(entry.min_normal.si) + mantissa
    return Grid(entry.id, mantissa, int(least), largest, overflow)


def values(name: str) -> Array:
    """All finite values of the format that are not negative, in order, in its own scale.

    Raises `BadInput` for formats of more than 16 bits, and as `grid` does.
    """
    own = grid(name)
    if catalog.number_format(name).storage_bits.si > _LISTED_BYTES:
        raise BadInput(f"{own.name} has too many values to list.")
    mantissas = np.arange(2.0**own.mantissa_bits)
    found = [mantissas * own.step]
    while found[-1][-1] < own.largest:
        found.append((2.0**own.mantissa_bits + mantissas) * own.step * 2.0 ** (len(found) - 1))
    every = np.concatenate(found)
    listed: Array = every[every <= own.largest]
    return listed


def rounded(name: str, numbers: npt.ArrayLike, saturate: bool = True) -> Array:
    """Each number as the nearest value of the format, halfway cases to an even mantissa, in the format's own scale.

    What is too large becomes the largest value, or, unless `saturate`, infinite or not a number, as the format has it
    (IEEE 754, section 4.3.1; the OCP 8-bit Floating Point Specification allows both). Exact up to 32 bits.
    """
    own = grid(name)
    numbers = np.asarray(numbers, dtype=float)
    size = np.abs(numbers)
    _, exponent = np.frexp(size)
    spacing = 2.0 ** (np.maximum(exponent - 1, own.least_exponent) - own.mantissa_bits)
    # an infinite number has no spacing
    nearest = np.where(np.isfinite(size), np.rint(np.where(np.isfinite(size), size, 0) / spacing) * spacing, size)
    over = nearest > own.largest
    result: Array = np.copysign(np.where(over, own.largest if saturate else own.overflow, nearest), numbers)
    return result


def encoded(name: str, number: float) -> tuple[str, str, str]:
    """The bits of sign, exponent and mantissa that stand for a number, rounded to the format and kept in its range.

    Whole numbers (no exponent) are in two's complement. Raises what `grid` raises, and `BadInput` for no finite number.
    """
    if not np.isfinite(number):
        raise BadInput(f"{number} has no bits of its own here. Give a finite number.")
    own, entry = grid(name), catalog.number_format(name)
    exponent_bits = _bits(entry.exponent_bits.si) if entry.exponent_bits else 0
    value = float(rounded(name, number))
    steps = round(abs(value) / own.step)
    sign = "1" if value < 0 else "0"
    if not exponent_bits:
        code = format((-steps if value < 0 else steps) % 2 ** (own.mantissa_bits + 1), f"0{own.mantissa_bits + 1}b")
        return code[0], "", code[1:]
    # a binade above the subnormal numbers doubles the step
    exponent = max(0, steps.bit_length() - own.mantissa_bits)
    mantissa = (steps >> max(0, exponent - 1)) % 2**own.mantissa_bits
    return sign, format(exponent, f"0{exponent_bits}b"), format(mantissa, f"0{own.mantissa_bits}b")


def quantised(name: str, weights: npt.ArrayLike, block: int | None = None) -> Array:
    """`weights` as they read after a stay in the format, its scales applied and taken off again.

    In words: formats of 16 bits and more round as they are. Narrower ones are first scaled so that the largest value
    of a group lies at the format's largest: the group is the tensor, or `block` neighbours along the last axis. MX
    formats scale each 32 by a power of two, 2^(floor(log2(largest)) - the format's greatest exponent) (MX
    specification, conversion); NVFP4 each 16 by an e4m3 number, itself scaled by one number a tensor. Raises
    `BadInput` where the last axis is no multiple of the block, and as `grid` does.
    """
    entry = catalog.number_format(name)
    weights = np.asarray(weights, dtype=float)
    if entry.block_size is not None:
        block = int(entry.block_size.si)
    if entry.storage_bits.si >= _LISTED_BYTES and block is None:
        return rounded(name, weights)
    if block is not None and (weights.ndim == 0 or weights.shape[-1] % block):
        raise BadInput(f"{weights.shape} does not fall into blocks of {block}; the last axis must be a multiple.")
    groups = weights.reshape(-1, block) if block else weights.reshape(1, -1)
    scales = _scales(entry, np.abs(groups).max(axis=1, keepdims=True))
    divided = np.divide(groups, scales, out=np.zeros_like(groups), where=scales > 0)
    back: Array = (rounded(name, divided) * scales).reshape(weights.shape)
    return back


def estimate(name: str, weights: npt.ArrayLike, block: int | None = None) -> float:
    """Signal over noise of `weights` in the format: their sum of squares over that of the errors, a plain ratio.

    Ten times its logarithm are decibels (SQNR); each bit of mantissa adds 6. Infinite where nothing is lost. Left out:
    calibration, outlier handling and error compensation, which quantisers add (GPTQ, AWQ).
    """
    weights = np.asarray(weights, dtype=float)
    noise = float(np.sum((quantised(name, weights, block) - weights) ** 2))
    return float(np.sum(weights**2)) / noise if noise else np.inf


def _scales(entry: NumberFormat, largest: Array) -> Array:
    top = entry.max_finite.si
    kind = str(entry.block_scale.value) if entry.block_scale else ""
    if kind.startswith("E8M0"):
        greatest = np.floor(np.log2(top))
        exponents = np.floor(np.log2(largest, out=np.full_like(largest, -127.0), where=largest > 0)) - greatest
        powers: Array = 2.0 ** np.clip(exponents, -127, 127)
        return powers
    if kind.startswith("E4M3"):
        reach = grid("fp8_e4m3fn").largest
        tensor = float(largest.max()) / (top * reach)
        blocks: Array = rounded("fp8_e4m3fn", largest / top / tensor) * tensor if tensor else largest
        return blocks
    plain: Array = largest / top
    return plain


def _bits(in_bytes: float) -> int:
    return round(in_bytes * 8)
