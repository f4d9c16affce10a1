"""Failures and goodput of published fleets, against what `infrastructure.reliability` and `goodput` predict.

The one fitted rate is the geometric mean of the fleets marked as fitted; each of them is predicted here from the
others. Fleets differ in what they count: some only what hardware does, some every restart. Goodput rests on no fitted
row: the times of detection and restart come from two publications, the failures from the fleet itself where it states
them.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, cast

import numpy as np

from aistack.infrastructure import checkpointing, goodput, reliability

_HOUR = 3600.0
_CHECKPOINT = 400e9 * checkpointing.STATE_BYTES["mixed"]
"""Bytes of a large model's; none of the fleets states its own, and a second more or less of loading changes nothing."""

Bound = Literal["", "at least", "at most", "above"]


@dataclass(frozen=True)
class FleetRow:
    """One published number of one fleet."""

    id: str
    fleet: str
    accelerator: str
    """Its catalog id; empty where it is not stated."""
    accelerators: int | None
    hours: float | None
    """How long they were watched."""
    quantity: str
    """`interruptions` (a count), `goodput` (a share), `detection`, `localization`, `catching up` (seconds)."""
    value: float
    bound: Bound
    """What the source says of the value, where it is not the value itself."""
    fitted: bool
    note: str
    source: str
    where: str

    @property
    def rate(self) -> float:
        """Interruptions for each hour of each accelerator."""
        assert self.accelerators is not None and self.hours is not None
        return self.value / (self.accelerators * self.hours)


@dataclass(frozen=True)
class Failures:
    """The mean time between interruptions of one fleet, in seconds."""

    row: FleetRow
    published: float
    predicted: float
    low: float
    high: float
    """Four in five fleets should lie between them."""
    left_out: bool
    """Whether the fleet was one of the fitted ones, and was left out to predict it."""

    @property
    def ratio(self) -> float:
        """Predicted over published."""
        return self.predicted / self.published

    @property
    def inside(self) -> bool:
        """Whether the published time lies in the interval, or a bound on it leaves a part of the interval open."""
        if self.row.bound == "at least":  # so many interruptions or more: so much time between them or less
            return self.low <= self.published
        return self.published <= self.high if self.row.bound == "at most" else self.low <= self.published <= self.high


@dataclass(frozen=True)
class Productive:
    """The goodput of one fleet."""

    row: FleetRow
    predicted: float
    low: float
    high: float
    own_rate: bool
    """Whether the fleet states its failures; otherwise they are predicted, with their interval."""


@dataclass(frozen=True)
class Report:
    """Everything that was predicted, and what could not be."""

    failures: tuple[Failures, ...]
    goodput: tuple[Productive, ...]
    refused: tuple[tuple[FleetRow, str], ...]

    @property
    def median_factor(self) -> float:
        """By what factor left-out fleets were missed, the median."""
        return float(np.exp(np.median([abs(np.log(each.ratio)) for each in self.failures if each.left_out])))

    @property
    def coverage(self) -> float:
        """Share of the left-out fleets inside their interval."""
        return float(np.mean([each.inside for each in self.failures if each.left_out]))


@functools.cache
def rows() -> tuple[FleetRow, ...]:
    """Every row that ships with the package."""
    text = (files("aistack.evidence") / "data" / "reliability.csv").read_text(encoding="utf-8")
    return tuple(_row(each) for each in csv.DictReader(text.splitlines()))


def fit(fleets: Sequence[FleetRow]) -> tuple[float, float]:
    """Interruptions for each accelerator-hour, the geometric mean over fleets, and the spread of its logarithm."""
    logs = np.log([each.rate for each in fleets])
    return float(np.exp(logs.mean())), float(logs.std(ddof=1))


def evaluate(fleets: Sequence[FleetRow] | None = None) -> Report:
    """Predict every row of failures and of goodput; `fleets` are the package's unless given."""
    known = rows() if fleets is None else tuple(fleets)
    counted = [each for each in known if each.quantity == "interruptions"]
    shares = [each for each in known if each.quantity == "goodput"]
    return Report(
        failures=tuple(_failures(each, counted) for each in counted),
        goodput=tuple(_productive(each, counted) for each in shares if each.accelerators),
        refused=tuple(
            (each, "the number of accelerators is not published") for each in shares if not each.accelerators
        ),
    )


def _failures(row: FleetRow, counted: Sequence[FleetRow]) -> Failures:
    rate, _ = fit([each for each in counted if each.fitted and each is not row])
    expected = reliability.estimate(float(row.accelerators or 1), rate)
    return Failures(
        row,
        published=_HOUR / (row.rate * float(row.accelerators or 1)),
        predicted=float(expected.mean_time_between_failures),
        low=float(expected.low),
        high=float(expected.high),
        left_out=row.fitted,
    )


def _productive(row: FleetRow, counted: Sequence[FleetRow]) -> Productive:
    assert row.accelerators is not None
    own = next((each.rate for each in counted if each.fleet == row.fleet and not each.bound), None)
    expected = reliability.estimate(float(row.accelerators), own)
    checkpoint = checkpointing.estimate(_CHECKPOINT, row.accelerators, checkpointing.storage(row.accelerators))
    times = (
        [expected.mean_time_between_failures] * 3
        if own
        else [expected.low, expected.mean_time_between_failures, expected.high]
    )
    low, predicted, high = goodput.estimate(np.array(times), reliability.recovery(checkpoint)).useful
    return Productive(row, float(predicted), float(low), float(high), own_rate=own is not None)


def _row(cells: dict[str, str]) -> FleetRow:
    return FleetRow(
        id=cells["id"],
        fleet=cells["fleet"],
        accelerator=cells["accelerator"],
        accelerators=int(cells["accelerators"]) if cells["accelerators"] else None,
        hours=float(cells["hours"]) if cells["hours"] else None,
        quantity=cells["quantity"],
        value=float(cells["value"]),
        bound=cast(Bound, cells["bound"]),
        fitted=cells["fitted"] == "yes",
        note=cells["note"],
        source=cells["source"],
        where=cells["where"],
    )
