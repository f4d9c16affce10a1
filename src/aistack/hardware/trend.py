"""Exponential growth fitted to dated values: how much a year, how long to double, how sure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_NINE_TENTHS = 1.645
"""Standard errors on either side of the middle nine tenths of a normal distribution."""


@dataclass(frozen=True)
class Trend:
    """value = level · growth^(year - middle)."""

    growth: float
    """Factor a year."""
    low: float
    """Factor a year at the lower end of nine tenths."""
    high: float
    level: float
    """The value at `middle`."""
    middle: float
    """The mean year."""
    count: int

    @property
    def doubling(self) -> float:
        """Years to double; negative where values shrink, infinite where they stand still."""
        return float(np.log(2) / np.log(self.growth)) if self.growth != 1 else float("inf")

    def at(self, year: float) -> float:
        """The trend's value in a year."""
        return float(self.level * self.growth ** (year - self.middle))


def estimate(years: npt.ArrayLike, values: npt.ArrayLike) -> Trend:
    """The exponential nearest to `values` by least squares of their logarithms, with an interval of nine tenths.

    Raises `ValueError` for fewer than three points, values that are not positive or years that are all the same. The
    interval is that of independent scatter; products of one maker and one process are not independent, so it is narrow.
    """
    time, size = np.asarray(years, dtype=float), np.asarray(values, dtype=float)
    if len(time) < 3 or (size <= 0).any() or np.ptp(time) == 0:
        raise ValueError("A trend needs at least three positive values of different years.")
    middle = float(time.mean())
    away, logs = time - middle, np.log(size)
    spread = float(np.sum(away**2))
    slope = float(np.sum(away * logs)) / spread
    residual = logs - logs.mean() - slope * away
    error = float(np.sqrt(np.sum(residual**2) / (len(time) - 2) / spread))
    low, growth, high = (float(np.exp(slope + side * _NINE_TENTHS * error)) for side in (-1, 0, 1))
    return Trend(growth, low, high, float(np.exp(logs.mean())), middle, len(time))
