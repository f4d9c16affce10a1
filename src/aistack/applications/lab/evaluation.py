"""Retrieval as it is: questions put to an index, ranks and times noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aistack.applications.lab.index import Index, Mode
from aistack.applications.questions import Question
from aistack.applications.retrieval import Ranks

DEPTH = 100
"""How many results of a search are looked at."""


@dataclass(frozen=True)
class Run:
    """The rank of each question's passage, infinity beyond `depth`, and the seconds each search took."""

    ranks: Ranks
    seconds: tuple[float, ...]
    depth: int


def measure(
    index: Index,
    questions: Sequence[Question],
    numbers: Sequence[int],
    mode: Mode,
    asked: Callable[[], None] = lambda: None,
) -> Run:
    """Search `index` for every question; `numbers` holds the number its passage has in this index. `asked` is called
    after each.
    """
    ranks, seconds = np.full(len(questions), np.inf), []
    for each, (question, number) in enumerate(zip(questions, numbers, strict=True)):
        start = time.perf_counter()
        found = index.search(question.text, DEPTH, mode)
        seconds.append(time.perf_counter() - start)
        ranks[each] = next((rank for rank, hit in enumerate(found, start=1) if hit.number == number), np.inf)
        asked()
    return Run(ranks, tuple(seconds), DEPTH)
