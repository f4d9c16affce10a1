"""Retrieval as it is: a collection indexed, questions put to it, ranks and times noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aistack.applications.lab.index import Encoder, Index, Mode, build
from aistack.applications.passages import Passage
from aistack.applications.questions import Question
from aistack.applications.retrieval import Ranks

DEPTH = 100
"""How many results of a search are looked at."""


@dataclass(frozen=True)
class Run:
    """The rank of each question's passage, infinity beyond `DEPTH`, and what the searches took."""

    ranks: Ranks
    seconds: tuple[float, ...]
    """Wall time of each search."""
    cpu_seconds: float
    """Processor time of all searches."""


@dataclass(frozen=True)
class Trial:
    """What indexing and searching one collection took and found."""

    passages: int
    characters: int
    build_seconds: float
    build_cpu_seconds: float
    bytes: int
    runs: Mapping[Mode, Run]

    @property
    def distractors(self) -> int:
        """Passages that are not the right one."""
        return self.passages - 1


def measure(
    path: Path,
    passages: Sequence[Passage],
    numbers: Sequence[int],
    questions: Sequence[Question],
    modes: Sequence[Mode] = ("lexical",),
    vectors: Mapping[int, NDArray[np.float32]] | None = None,
    encoder: Encoder | None = None,
    asked: Callable[[], None] = lambda: None,
) -> Trial:
    """Index the `passages` with these `numbers` at `path` and search for every question in every mode.

    The passage of each question must be among them; `vectors` go by the passages' numbers. `asked` is called after
    each search. The file stays.
    """
    place = {number: position for position, number in enumerate(numbers)}
    chosen = [passages[number] for number in numbers]
    placed = {place[number]: vector for number, vector in (vectors or {}).items() if number in place}
    start, used = time.perf_counter(), time.process_time()
    build(path, chosen, placed)
    took, used = time.perf_counter() - start, time.process_time() - used
    with Index.open(path, encoder) as index:
        runs = {mode: _ask(index, questions, place, mode, asked) for mode in modes}
    return Trial(len(chosen), sum(len(each.text) for each in chosen), took, used, path.stat().st_size, runs)


def _ask(
    index: Index, questions: Sequence[Question], place: Mapping[int, int], mode: Mode, asked: Callable[[], None]
) -> Run:
    ranks, seconds, used = np.full(len(questions), np.inf), [], time.process_time()
    for each, question in enumerate(questions):
        start = time.perf_counter()
        found = index.search(question.text, DEPTH, mode)
        seconds.append(time.perf_counter() - start)
        target = place[question.target]
        ranks[each] = next((rank for rank, hit in enumerate(found, start=1) if hit.number == target), np.inf)
        asked()
    return Run(ranks, tuple(seconds), time.process_time() - used)
