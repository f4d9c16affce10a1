"""A matrix product: what it computes, what it moves, and the constants that its measured times imply.

Symbols: an M x K matrix times a K x N matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aistack.errors import BadInput, UnknownName
from aistack.hardware.fit import fit_times
from aistack.hardware.machine import MatmulRate

ELEMENT_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one element of each number format that a dense product is priced in."""


@dataclass(frozen=True)
class Product:
    """An M x K by K x N matrix product in one number format, operands and result alike."""

    m: int
    n: int
    k: int
    dtype: str

    def __post_init__(self) -> None:
        if min(self.m, self.n, self.k) < 1:
            raise BadInput(f"A product of {self.m} x {self.k} by {self.k} x {self.n} has nothing to multiply.")
        if self.dtype not in ELEMENT_BYTES:
            raise UnknownName("number format", self.dtype, ELEMENT_BYTES)

    @property
    def flop(self) -> float:
        """A multiplication and an addition for each of M·N·K."""
        return 2.0 * self.m * self.n * self.k

    @property
    def bytes(self) -> float:
        """Both operands and the result, each moved once."""
        return float(self.m * self.k + self.k * self.n + self.m * self.n) * ELEMENT_BYTES[self.dtype]

    @property
    def intensity(self) -> float:
        """FLOP a byte."""
        return self.flop / self.bytes

    @property
    def by_vector(self) -> bool:
        """Whether one side is a single row or column, so that nothing is used twice and nothing repacked."""
        return min(self.m, self.n) == 1

    def __str__(self) -> str:
        return f"{self.m} x {self.k} by {self.k} x {self.n}, {self.dtype}"


def fit(seconds: Mapping[Product, float], launch_overhead: float) -> MatmulRate:
    """The constants of one number format that come nearest to the measured `seconds` of its products.

    The times are taken to be: a fixed part, plus FLOP over the peak, plus bytes over the bandwidth, where a product
    by a matrix pays something extra a byte for repacking. No rate comes out at more than twice the best that any of
    the products showed, however much the times were disturbed. Measure products that differ in all of these: by
    vectors, by few rows, and large. `ValueError` where they are fewer than the four constants.
    """
    products = list(seconds)
    columns = (
        [product.flop for product in products],
        [product.bytes for product in products],
        [0.0 if product.by_vector else product.bytes for product in products],
        [1.0 for _ in products],
    )
    best_flop_rate = max(product.flop / taken for product, taken in seconds.items())
    best_bandwidth = max(product.bytes / taken for product, taken in seconds.items())
    least = (1 / (2 * best_flop_rate), 1 / (2 * best_bandwidth), 0.0, 0.0)
    per_flop, per_byte, repacking, fixed = fit_times(columns, list(seconds.values()), least)
    return MatmulRate(
        peak=1 / per_flop,
        operand_bandwidth=1 / (per_byte + repacking),
        vector_bandwidth=1 / per_byte,
        overhead=max(0.0, fixed - launch_overhead),
    )
