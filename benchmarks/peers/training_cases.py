"""Which published rows are compared, in groups of re-measurements that count once."""

from __future__ import annotations

from dataclasses import dataclass

from aistack.evidence.groups import Group, groups
from aistack.evidence.reading import Question, read
from aistack.evidence.training_rows import shipped

SEARCH = "BigScience tr11-176B"
"""How the title begins of a source that measured many plans for one cluster."""


@dataclass(frozen=True)
class Case:
    """One plan of one job, measured once or again."""

    group: Group
    question: Question
    """What its first row asks."""

    @property
    def id(self) -> str:
        """Its first row's."""
        return self.question.row.id

    @property
    def complete(self) -> bool:
        """Whether its row states all that moves the work or its division."""
        return self.question.complete

    @property
    def of_the_search(self) -> bool:
        """Whether it is one of the plans of `SEARCH`."""
        return self.question.row.source.startswith(SEARCH)


def cases() -> list[Case]:
    """Rows with a complete configuration, and all of the search. LoRA is left out: the peers train all weights."""
    read_rows = [read(row) for row in shipped()]
    questions = [each for each in read_rows if isinstance(each, Question) and not each.lora_rank]
    found = [Case(group, questions[group.members[0]]) for group in groups(questions)]
    return [case for case in found if case.complete or case.of_the_search]
