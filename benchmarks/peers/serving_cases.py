"""Which published serving rows are compared: trusted ones, in groups of re-measurements, as many of each source."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from aistack import catalog
from aistack.evidence.groups import Group
from aistack.evidence.serving_groups import configurations
from aistack.evidence.serving_reading import Metric, Question, read
from aistack.evidence.serving_rows import shipped

MOST = 200
"""Configurations of one source; of a source with more, that many are drawn, so that a run takes minutes."""
SEED = 20261122


@dataclass(frozen=True)
class Case:
    """One served configuration, measured once or again."""

    groups: Mapping[Metric, Group]
    question: Question
    """What its first row asks."""

    @property
    def id(self) -> str:
        """Its first row's."""
        return self.question.row.id

    @property
    def source(self) -> str:
        """Who measured it."""
        return self.question.row.source


def trusted() -> list[Case]:
    """Configurations of complete rows of tier A and B, decoded token by token, as `aistack evidence serving` has them.

    Those of chips whose peak no data sheet states are left out, since nobody could be told it.
    """
    questions = [each for each in map(read, shipped()) if isinstance(each, Question)]
    found = [Case(each.groups, questions[each.places[0]]) for each in configurations(questions)]
    return [case for case in found if case.question.trusted and catalog.accelerator(case.question.accelerator).peaks]


def sample(cases: list[Case]) -> list[Case]:
    """At most `MOST` of each source, drawn evenly, in the order of the rows."""
    by_source: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_source[case.source].append(case)
    drawn = random.Random(SEED)
    kept = {
        case.id
        for source in sorted(by_source)
        for case in drawn.sample(by_source[source], min(MOST, len(by_source[source])))
    }
    return [case for case in cases if case.id in kept]
