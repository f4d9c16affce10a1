"""Fit physical constants, none of them negative, to measured times, every time counting by its relative error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def fit_times(
    columns: Sequence[Sequence[float]], seconds: Sequence[float], least: Sequence[float] | None = None
) -> tuple[float, ...]:
    """The x for which the sum of x_i times column i is nearest to `seconds`, in relative terms.

    `columns` holds one sequence a constant, each with one value a measurement; no constant comes out below its `least`
    value, or below zero. The sum of |sum / measured - 1| is
    minimised, so that a microsecond off in ten counts like a second off in ten million, and a measurement that
    something disturbed pulls no harder than any other (least absolute deviations by iterated reweighting:
    Schlossmacher, JASA 68, 1973). Raises `ValueError` where there are fewer measurements than constants.
    """
    measured = np.asarray(seconds, dtype=float)
    design = np.asarray(columns, dtype=float).T / measured[:, None]
    floor = np.zeros(design.shape[1]) if least is None else np.asarray(least, dtype=float)
    if len(measured) < design.shape[1]:
        raise ValueError(f"{len(measured)} measurements cannot settle {design.shape[1]} constants.")
    # columns differ by many orders of magnitude (FLOP beside ones); on one scale the solver keeps its precision
    scale = np.maximum(np.abs(design).max(axis=0), np.finfo(float).tiny)
    design = design / scale
    target = 1 - design @ (floor * scale)
    weights = np.ones_like(measured)
    solution = np.zeros(design.shape[1])
    for _ in range(60):
        solution = _nonnegative_least_squares(design, target, weights)
        residual = np.abs(design @ solution - target)
        weights = 1 / np.sqrt(np.maximum(residual, 1e-4))
    return tuple(float(value) for value in floor + solution / scale)


def _nonnegative_least_squares(design: Array, target: Array, weights: Array) -> Array:
    """Minimise |weights · (design x - target)|² over x >= 0 by trying every set of constants that are not zero.

    The sets are few (a handful of constants), and unlike an iteration this cannot stall.
    """
    count = design.shape[1]
    best, least = np.zeros(count), float(np.sum((weights * target) ** 2))
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            part = list(chosen)
            values = np.linalg.lstsq(design[:, part] * weights[:, None], weights * target, rcond=None)[0]
            if (values < 0).any():
                continue
            error = float(np.sum((weights * (design[:, part] @ values - target)) ** 2))
            if error < least:
                least, best = error, np.zeros(count)
                best[part] = values
    return best


def interval(predicted: float, ratios: Sequence[float]) -> tuple[float, float]:
    """Where a prediction's measurement should lie: `predicted` times the middle nine tenths of `ratios`.

    `ratios` are measured over fitted, one a measurement that the constants were fitted to. New measurements scatter
    at least that much, so the interval is on the narrow side.
    """
    low, high = np.quantile(np.asarray(ratios, dtype=float), (0.05, 0.95))
    return predicted * min(float(low), 1.0), predicted * max(float(high), 1.0)
