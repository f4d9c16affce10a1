"""This planner, behind the same face as its peers' adapters."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from training_cases import Case

from aistack import catalog
from aistack.errors import AistackError
from aistack.evidence.predictor import ask, shipped
from aistack.evidence.reading import Question
from aistack.hardware.chip import chip
from aistack.infrastructure.cluster import cluster
from aistack.training import device_memory
from aistack.training.engine import engine
from aistack.training.parallel_step import Job
from aistack.training.search import search

SPACE = "Llama 3.1 405B on 16,384 H100s"


class AtOnce:
    """Every plan of one job, as a search evaluates them: candidates made, memory before time, ranked."""

    def __init__(self) -> None:
        spec, chips = catalog.model("llama-3.1-405b").spec, 16384
        fleet = cluster(chips, "h100-sxm5")
        self._job = Job(spec, 8192, 2048, chip("h100-sxm5"), fleet, engine("megatron"))

    def rate(self) -> float:
        """Plans a second."""
        started = time.perf_counter()
        considered = search(self._job).considered
        return considered / (time.perf_counter() - started)


class Ours:
    """Answers jobs by their ids, one plan after another as its peers do."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._questions = {case.id: case.question for case in cases}

    def ask(self, jobs: Sequence[dict[str, Any]], efficiency: float | None = None) -> tuple[dict[str, Any], float]:
        """Answers by the jobs' ids, and the seconds that it took; an efficiency is not among its inputs."""
        assert efficiency is None
        started = time.perf_counter()
        answers = {asked["id"]: self._answer(self._questions[asked["id"]]) for asked in jobs}
        return answers, time.perf_counter() - started

    @staticmethod
    def _answer(question: Question) -> dict[str, Any]:
        try:
            asked = ask(question)
            memory = device_memory.estimate(asked.job, asked.resources.plans).total[0]
            return {"seconds": asked.seconds(), "bytes": float(memory), "capacity": asked.job.chip.memory}
        except AistackError as error:
            return {"refusal": str(error)}


def left_out(cases: Sequence[Case], answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The answers again, each source's with constants that were fitted without it; memory is as it was."""
    planner = shipped()
    found = {}
    for case in cases:
        source = case.group.source if case.group.source in planner.sources else None
        seconds = planner.predict([case.question], source)[0][0]
        found[case.id] = {**answers[case.id], "seconds": float(seconds)} if np.isfinite(seconds) else answers[case.id]
    return found
