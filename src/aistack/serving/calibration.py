"""How far predictions of serving miss: the interval that eight of ten published values fell into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aistack.catalog.fitted import Constant, constants, fitted

Metric = Literal["throughput", "ttft", "tpot"]


def interval(metric: Metric, engine: str) -> tuple[float, float]:
    """Measured over predicted, its 10th and 90th percentile, on sources that had no part in the fit; of the engine
    where it was measured often enough. A prediction times both is its 80% interval."""
    return ends(constants("serving"), metric, engine)


def ends(known: Mapping[str, Constant], metric: Metric, of: str) -> tuple[float, float]:
    """The same by the constants `known`, `of` an engine or of rows in which something was "assumed"."""
    low, high = (known[f"interval_{end}"].nearest(f"{metric}/{of}", metric)[1] for end in ("low", "high"))
    return low, high


def sources() -> tuple[str, ...]:
    """What the constants of the planner were fitted on."""
    return tuple(f"{name}: {fitted(name).fitted_on}" for name in ("kernels", "network", "serving"))
