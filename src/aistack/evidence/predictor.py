"""The planner's prediction for each question that published rows ask."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from aistack.catalog.architecture import GroupedQueryAttention, Mixer, ModelSpec
from aistack.catalog.fitted import Constant, constants
from aistack.errors import AistackError
from aistack.evidence import left_out as left_out_of_fit
from aistack.evidence.groups import configuration
from aistack.evidence.reading import Question
from aistack.hardware.chip import chip
from aistack.infrastructure.cluster import Cluster, cluster
from aistack.scenario.asked import rate_or_name
from aistack.training import calibration, device_memory, parallel_step
from aistack.training.engine import Engine, engine
from aistack.training.parallel import Plan, Plans
from aistack.training.parallel_step import Job, Resources

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """A question with all that does not depend on the engine's constants."""

    question: Question
    job: Job
    resources: Resources

    def seconds(self, fitted: Mapping[str, Constant] | None = None) -> float:
        """The predicted step, with the shipped constants unless `fitted` gives others."""
        arranged = replace(self.job, engine=used_engine(self.question, fitted))
        return float(parallel_step.arrange(arranged, self.resources).seconds[0])


def used_engine(question: Question, fitted: Mapping[str, Constant] | None = None) -> Engine:
    """The engine that a row names."""
    return replace(engine(question.engine, fitted), fused_attention=question.fused_attention)


def ask(question: Question) -> Asked:
    """Price what a question asks for."""
    job = _job(question)
    plan = _plan(question, job)
    return Asked(question, job, parallel_step.resources(job, Plans.of([plan]), plan.precision))


def _plan(question: Question, job: Job) -> Plan:
    """The plan; where a row does not state recomputation, the least with which it fits, since it ran."""
    if "recomputation" not in question.open or question.plan.recomputation == "full":
        return question.plan
    plan = replace(question.plan, recomputation="none")
    tried = [plan, replace(plan, recomputation="selective")]
    tried += [replace(plan, recomputation="full", recompute_share=share) for share in range(10, 101, 10)]
    fits = device_memory.estimate(job, Plans.of(tried)).total <= job.chip.memory
    return tried[int(np.argmax(fits))] if fits.any() else tried[-1]


def _job(question: Question) -> Job:
    return Job(
        spec=_packed(question.spec) if question.packed else question.spec,
        seq_len=question.seq_len,
        global_batch=question.global_batch,
        chip=chip(question.accelerator),
        cluster=system(question),
        engine=used_engine(question),
        lora_rank=question.lora_rank,
        predicted=question.prediction_heads,
    )


PACKED_SAMPLE = 256
"""Tokens of a sample where several share a sequence, as the question-answering sets that tuning is measured on have."""


def _packed(spec: ModelSpec) -> ModelSpec:
    """The model over sequences packed with short samples, which do not see each other."""

    def apart(mixer: Mixer | None) -> Mixer | None:
        if isinstance(mixer, GroupedQueryAttention) and mixer.window is None:
            return replace(mixer, window=PACKED_SAMPLE, chunked=True)
        return mixer

    return replace(spec, blocks=tuple(replace(block, mixer=apart(block.mixer)) for block in spec.blocks))


def system(question: Question) -> Cluster:
    """The cluster that a row ran on, as far as it says."""
    return cluster(
        question.chips,
        question.accelerator,
        network=rate_or_name(question.network),
        chips_per_host=question.chips_per_node,
    )


class Planner:
    """The planner as a predictor of published rows, with the shipped constants or those that leave a source out."""

    def __init__(self, left_out: Mapping[str, Mapping[str, Any]], parameters: Sequence[str], chips: Iterable[str]):
        self.sources: frozenset[str] = frozenset(left_out)
        self.accelerators: frozenset[str] = frozenset(chips)
        self._left_out = left_out
        self._parameters = parameters
        self._asked: dict[Hashable, Asked] = {}

    def predict(self, questions: Sequence[Question], left_out: str | None = None) -> tuple[Array, Array, Array]:
        """Seconds of each question's step with its 80% interval; with `left_out`, from constants that have not seen it.

        A question that the planner cannot answer has NaN.
        """
        known = constants("training")
        if left_out is not None:
            known = left_out_of_fit.known("training", self._parameters, self._left_out[left_out])
        seconds, low, high = (np.full(len(questions), np.nan) for _ in range(3))
        for place, question in enumerate(questions):
            try:
                seconds[place] = self._ask(question).seconds(known)
            except AistackError:
                continue
            low[place], high[place] = calibration.ends(known, question.engine, complete=question.complete)
        return seconds, seconds * low, seconds * high

    def _ask(self, question: Question) -> Asked:
        key = configuration(question)
        if key not in self._asked:
            self._asked[key] = ask(question)
        return self._asked[key]


def shipped() -> Planner:
    """The planner with the constants that come with the package."""
    kept = json.loads(files("aistack.evidence").joinpath("data/training_fit.json").read_text(encoding="utf-8"))
    return Planner(kept["sources"], kept["parameters"], kept["accelerators"])
