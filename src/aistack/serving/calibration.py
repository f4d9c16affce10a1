"""How far predictions of serving miss: the interval that eight of ten published values fell into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aistack.catalog.fitted import Constant, constants, fitted
from aistack.hardware.chip import Chip

Metric = Literal["throughput", "ttft", "tpot"]


def interval(metric: Metric, chip: Chip) -> tuple[float, float]:
    """Measured over predicted, the ends of what held eight of ten published values of sources that had no part in the
    fit. A prediction times both is its 80% interval; it is as wide as that of incomplete rows on a chip of whose kind
    fewer than two sources say how fast it reads."""
    known = constants("serving")
    return ends(known, metric, assumed={chip.name, chip.family}.isdisjoint(known["memory"].values))


def ends(known: Mapping[str, Constant], metric: Metric, *, assumed: bool) -> tuple[float, float]:
    """The same by the constants `known`, of rows that are complete or in which something was `assumed`."""
    key = f"{metric}/assumed" if assumed else metric
    return known["interval_low"][key], known["interval_high"][key]


def sources() -> tuple[str, ...]:
    """What the constants of the planner were fitted on."""
    return tuple(f"{name}: {fitted(name).fitted_on}" for name in ("kernels", "network", "serving"))
