"""How far predictions lie from what was published, and how good they are for choosing between plans.

Errors are |predicted / published - 1| of groups of re-measurements, each counting once.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from aistack.evidence.groups import Group, job
from aistack.evidence.reading import Question

Some = TypeVar("Some", bound="Compared")

TIE = 0.02
"""Step times of two plans that differ by less are a tie: published values are rounded to about as much."""


class Compared:
    """What was published of a group, beside its prediction."""

    group: Group
    predicted: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """Predicted over published."""
        return self.predicted / self.group.published

    @property
    def error(self) -> float:
        """|predicted / published - 1|."""
        return abs(self.ratio - 1)

    @property
    def inside(self) -> bool:
        """Whether what was published lies in the interval."""
        return self.low <= self.group.published <= self.high


@dataclass(frozen=True)
class Failure:
    """One of the worst predictions, and why it likely is."""

    id: str
    source: str
    model: str
    accelerator: str
    plan: str
    published: float
    predicted: float
    cause: str


@dataclass(frozen=True)
class Point(Compared):
    """One group of training rows with its prediction."""

    group: Group
    question: Question
    """The group's first."""
    predicted: float
    low: float
    high: float
    """The 80% interval, s."""


@dataclass(frozen=True)
class Errors:
    """Of some points: fractions, all of |predicted / published - 1| but the ratio."""

    of: str
    rows: int
    groups: int
    median: float
    mean: float
    percentile_90: float
    ratio: float
    """Median of predicted / published."""
    inside: float
    """Share of the groups inside the 80% interval."""


@dataclass(frozen=True)
class Ordering:
    """How well predictions choose between measured plans for one job."""

    jobs: int
    """With at least two plans whose step times differ by more than a tie."""
    pairs: int
    ties: int
    """Pairs left out since their published step times differ by less than `TIE` or than their own re-measurements."""
    right: int
    regret_median: float
    regret_mean: float
    regret_worst: float
    """How much longer a step takes in the plan with the least predicted time than in the fastest measured one."""

    @property
    def share(self) -> float | None:
        """Of pairs ordered rightly."""
        return self.right / self.pairs if self.pairs else None


def errors(of: str, points: Sequence[Compared]) -> Errors | None:
    """The errors of some points; None for none."""
    if not points:
        return None
    off = np.array([point.error for point in points])
    return Errors(
        of=of,
        rows=sum(len(point.group.members) for point in points),
        groups=len(points),
        median=float(np.median(off)),
        mean=float(off.mean()),
        percentile_90=float(np.percentile(off, 90)),
        ratio=float(np.median([point.ratio for point in points])),
        inside=float(np.mean([point.inside for point in points])),
    )


def by(points: Iterable[Some], key: Callable[[Some], str]) -> tuple[Errors, ...]:
    """The errors of points that share `key`, largest first."""
    sorted_in: dict[str, list[Some]] = defaultdict(list)
    for point in points:
        sorted_in[key(point)].append(point)
    found = [errors(of, members) for of, members in sorted_in.items()]
    return tuple(sorted((each for each in found if each), key=lambda each: (-each.rows, each.of)))


def ordering(points: Iterable[Point]) -> Ordering | None:
    """Pairs and regret over all jobs of which several plans were measured; None where there is none.

    Only plans that their rows state take part, since of the others it is not known what was measured; runs of one plan
    that differ in software are no choice of plans.
    """
    jobs: dict[Hashable, list[Point]] = defaultdict(list)
    for point in points:
        if point.question.plan_stated:
            jobs[job(point.question)].append(point)
    pairs = ties = right = 0
    regrets: list[float] = []
    for plans in jobs.values():
        chosen = [(a, b) for a, b in itertools.combinations(plans, 2) if a.question.plan != b.question.plan]
        decided = [pair for pair in chosen if not _tied(*pair)]
        ties += len(chosen) - len(decided)
        pairs += len(decided)
        right += sum((a.predicted < b.predicted) == (a.group.published < b.group.published) for a, b in decided)
        if decided:
            picked = min(plans, key=lambda point: point.predicted)
            regrets.append(picked.group.published / min(point.group.published for point in plans) - 1)
    if not regrets:
        return None
    return Ordering(
        jobs=len(regrets),
        pairs=pairs,
        ties=ties,
        right=right,
        regret_median=float(np.median(regrets)),
        regret_mean=float(np.mean(regrets)),
        regret_worst=float(max(regrets)),
    )


def _tied(a: Point, b: Point) -> bool:
    apart = max(a.group.published, b.group.published) / min(a.group.published, b.group.published) - 1
    return apart < max(TIE, a.group.spread, b.group.spread)
