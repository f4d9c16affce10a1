"""The serving planner's prediction for each question that published rows ask.

Questions that one replica answers are asked of it together: it is priced once, and arrays of loads go through it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from aistack.catalog.fitted import Constant, constants
from aistack.errors import AistackError
from aistack.evidence import left_out as left_out_of_fit
from aistack.evidence import serving_releases
from aistack.evidence.serving_plan import Pool
from aistack.evidence.serving_reading import METRICS, Metric, Question
from aistack.infrastructure.cluster import cluster
from aistack.serving import calibration, steady_pools, steady_state
from aistack.serving.deployment import Deployment
from aistack.serving.engines import DEFAULTS, ServingEngine, keys
from aistack.serving.engines import engine as engine_of
from aistack.serving.pools import Pools
from aistack.serving.step_time import Server, server

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

ROUNDS = 10.0
"""Requests that each client sends in benchmarks with a fixed concurrency (InferenceX: num_prompts is ten times it)."""


UNFUSED = {"XiongjieDai GPU-Benchmarks"}
"""Sources of llama.cpp's rows that are older than fused attention in it: snapshots of May 2024, without -fa."""


@dataclass(frozen=True)
class Asked:
    """Questions that one replica answers, priced but for the engine's constants."""

    questions: tuple[Question, ...]
    places: Places
    """Where each stands among all questions."""
    replica: Server
    prefill: Server | None
    """Of disaggregated instances, those that read prompts."""

    def predict(self, fitted: Mapping[str, Constant] | None = None) -> Mapping[Metric, Array]:
        """Throughput, TTFT and TPOT of each question, with the shipped constants unless `fitted` gives others."""
        return {metric: values[:, 0] for metric, values in self.predict_each([fitted]).items()}

    def predict_each(self, fitted: Sequence[Mapping[str, Constant] | None]) -> Mapping[Metric, Array]:
        """The same, [question, set of constants], with each of several sets of constants."""
        engines = [self._engine(each) for each in fitted]
        replica = self.replica.with_engines(engines)
        first = self.questions[0]
        prompt, output, held = (self._column(name) for name in ("prompt", "output", "held"))
        instances = first.pool.instances
        if self.prefill is not None and first.prefill is not None:
            return self._apart(replica, self.prefill.with_engines(engines), first.prefill.instances)
        if first.scenario == "static":
            load = np.maximum(self._column("concurrency") / instances, 1.0)
            state = steady_state.static(replica, prompt, output, load, held)
        else:
            sizes = {"concurrency": "concurrency", "rate": "rate"}
            given = {
                name: self._column(column) / instances
                for name, column in sizes.items()
                if getattr(first, column) is not None
            }
            if "concurrency" in given:
                given["concurrency"] = np.maximum(given["concurrency"], 1.0)
            rounds = ROUNDS if _mean(first) else math.inf
            state = steady_state.estimate(replica, prompt, np.maximum(output, 1.0), **given, rounds=rounds)
        return {"throughput": state.throughput * instances, "ttft": state.ttft, "tpot": state.tpot}

    def _apart(self, replica: Server, prefill: Server, instances: int) -> Mapping[Metric, Array]:
        """Where others read prompts; the first requests wait for them all at once."""
        first = self.questions[0]
        prompt, output = self._column("prompt"), np.maximum(self._column("output"), 1.0)
        load: dict[str, Any] = {
            name: self._column(name) for name in ("concurrency", "rate") if getattr(first, name) is not None
        }
        channel = prefill.cluster.levels[-1].bulk
        pools = Pools(prefill, replica, instances, first.pool.instances, channel)
        state = steady_pools.estimate(pools, prompt, output, **load)
        ttft = state.ttft
        if "concurrency" in load:
            wave = prefill.prefill(prompt, 0.0, np.maximum(load["concurrency"] / instances, 1.0)) / 2
            ttft = ttft + np.maximum(wave - ttft, 0.0) / ROUNDS
        return {"throughput": state.throughput, "ttft": ttft, "tpot": state.tpot}

    def key(self, constant: str, fitted: Mapping[str, Constant]) -> str:
        """Whose value of a constant of the engine these questions take."""
        first = self.questions[0]
        if constant == "request_overhead" and behind_triton(first):
            return "triton"
        return fitted[constant].nearest(*keys(profile(first), self.replica.chip))[0]

    def _engine(self, fitted: Mapping[str, Constant] | None) -> ServingEngine:
        first = self.questions[0]
        found = engine_of(profile(first), self.replica.chip, fitted)
        if behind_triton(first):
            known = constants("serving") if fitted is None else fitted
            found = replace(found, request_overhead=known["request_overhead"]["triton"])
        return replace(found, captured=0.0) if _eager(first) else found

    def _column(self, name: str) -> Array:
        """One value for each question, as the first of two axes."""
        return np.array([[getattr(question, name)] for question in self.questions], dtype=float)


def ask(questions: Sequence[Question]) -> tuple[Asked, ...]:
    """Price what questions ask for, those of one replica together; what the planner cannot price is left out."""
    together: dict[Hashable, list[int]] = {}
    for place, question in enumerate(questions):
        together.setdefault(_key(question), []).append(place)
    found = []
    for places in together.values():
        try:
            found.append(_asked([questions[place] for place in places], places))
        except AistackError:
            continue
    return tuple(found)


def profile(question: Question) -> str:
    """The engine of ours that a row's is: old releases have profiles of their own."""
    if question.engine.profile == "vllm" and serving_releases.of(question.row) < serving_releases.V1:
        return "vllm-v0"
    return "llama.cpp-2024" if question.row.source in UNFUSED else question.engine.profile


def behind_triton(question: Question) -> bool:
    """Whether NVIDIA's Triton takes the requests, in C++, and not the engine's own server."""
    return "triton" in question.row.engine_version.lower()


def _eager(question: Question) -> bool:
    return question.engine.profile == "vllm" and serving_releases.of(question.row) < serving_releases.GRAPHS


def _key(question: Question) -> Hashable:
    return (
        question.spec,
        question.accelerator,
        question.pool,
        question.prefill,
        profile(question),
        _eager(question),
        behind_triton(question),
        question.formats.weights,
        question.formats.kv,
        question.scenario,
        question.concurrency is None,
        question.rate is None,
        question.chunked_prefill,
        question.chunk,
        question.requests,
        _mean(question),
    )


def _mean(question: Question) -> bool:
    """Whether times to the first token are means, which the first requests, that come all at once, move."""
    return "ttft" in question.measured and question.measured["ttft"].statistic == "mean"


def _asked(questions: Sequence[Question], places: Sequence[int]) -> Asked:
    first = questions[0]
    most = math.ceil(max((question.concurrency or 0) for question in questions) / first.pool.instances)
    # fewer clients than places wait for none
    replica = _replica(first, first.pool, max(most, DEFAULTS[profile(first)][0]) if first.prefill else most)
    prefill = _replica(first, first.prefill, 64) if first.prefill else None
    return Asked(tuple(questions), np.array(places, dtype=np.int64), replica, prefill)


def _replica(question: Question, pool: Pool, most: int) -> Server:
    """One instance of a pool."""
    one = replace(pool, instances=1)
    plan: dict[str, Any] = {
        "tensor_parallel": one.tensor_parallel,
        "pipeline_parallel": one.pipeline_parallel,
        "data_parallel": one.data_parallel,
        "expert_parallel": one.expert_parallel,
    }
    sequences, chunk = DEFAULTS[profile(question)]
    if question.requests is not None:
        sequences = min(sequences, math.ceil(question.requests / pool.instances))
    deployment = Deployment(
        **plan,
        precision=question.formats.weights,
        kv_precision=question.formats.kv,
        max_batch=most or sequences,
        chunk=question.chunk or chunk,
        engine=profile(question),
    )
    return server(question.spec, cluster(one.chips, question.accelerator), deployment)


class Planner:
    """The planner as a predictor of published rows, with the shipped constants or those that leave a source, or an
    accelerator, out."""

    def __init__(self, kept: Mapping[str, Any]):
        self.sources: frozenset[str] = frozenset(kept["sources"])
        self.accelerators: frozenset[str] = frozenset(kept["accelerators"])
        self._left_out: Mapping[str, Mapping[str, Any]] = kept["left_out"]
        self._parameters: Sequence[str] = kept["parameters"]

    def predict(
        self, questions: Sequence[Question], left_out: str | None = None
    ) -> Mapping[Metric, tuple[Array, Array, Array]]:
        """Of each quantity, its value for every question and the ends of its 80% interval; NaN without an answer."""
        known = constants("serving")
        if left_out is not None:
            known = left_out_of_fit.known("serving", self._parameters, self._left_out[left_out])
        found: dict[Metric, tuple[Array, Array, Array]] = {
            metric: tuple(np.full(len(questions), np.nan) for _ in range(3))  # type: ignore[misc]
            for metric in METRICS
        }
        for asked in ask(questions):
            values = asked.predict(known)
            for metric, columns in found.items():
                columns[0][asked.places] = values[metric]
        for metric, (value, low, high) in found.items():
            ends = [calibration.ends(known, metric, assumed=not question.trusted) for question in questions]
            low[:] = value * np.array([each[0] for each in ends])
            high[:] = value * np.array([each[1] for each in ends])
        return found


def shipped() -> Planner:
    """The planner with the constants that come with the package."""
    return Planner(json.loads(files("aistack.evidence").joinpath("data/serving_fit.json").read_text(encoding="utf-8")))
