"""Every way to serve a scenario: accelerators, formats, divisions and pools, judged at once; the best in full."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aistack.errors import BadInput
from aistack.infrastructure import price as prices
from aistack.scenario import plain
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.asked import system
from aistack.scenario.serving import ServedPrecision, ServingScenario
from aistack.scenario.serving_answer import Goal, ServingAnswer
from aistack.scenario.serving_respond import answer_of
from aistack.serving import pool_capacity
from aistack.serving import search as plans
from aistack.serving.capacity import replicas
from aistack.serving.deployment import Deployment
from aistack.serving.search import Judged, Question

_HOUR = 3600.0


@dataclass(frozen=True)
class Option:
    """A deployment under a load, on the frontier."""

    accelerator: str
    deployment: Deployment
    clients: float
    """Concurrent requests of a replica."""
    interactivity: float
    """Tokens a second that one user sees, on average."""
    tokens_per_second_per_accelerator: float
    tokens_per_dollar: float
    """Output tokens; NaN where no price is known."""
    ttft: float
    """Mean seconds to the first token."""


@dataclass(frozen=True)
class Divided:
    """Pools that read prompts and decode apart; in the closed form."""

    accelerator: str
    prefill: Deployment
    decode: Deployment
    prefill_replicas: int
    decode_replicas: int
    accelerators: int
    rate: float
    """Requests a second that they carry within the goals."""
    ttft: float
    """At the goals' percentile and that rate, as is the next."""
    tpot: float


@dataclass(frozen=True)
class ServingFound:
    """What a search saw."""

    plans: tuple[ServingAnswer, ...]
    """Those that meet the goals, cheapest first (fewest accelerators where a price is missing); of a load that is not
    given, those that carry most. Empty where none does."""
    options: tuple[Option, ...]
    """Of each kind of accelerator in each format, loads that no other of its own beats."""
    frontier: tuple[Option, ...]
    """Loads that no other beats in both interactivity and tokens a second of each accelerator, fastest first."""
    frontier_per_dollar: tuple[Option, ...]
    """The same with tokens for a dollar."""
    divided: Divided | None
    """Pools instead of replicas that do everything, where they need fewer accelerators (or carry more)."""
    considered: int
    fit: int
    seconds: float
    goals: tuple[Goal, ...]
    """Each goal with the nearest to it that any of all deployments comes; `reached` is that of the best plan."""
    binding: str
    """Where no deployment meets all goals: the one that keeps them from it; else empty."""


@dataclass(frozen=True)
class _Kind:
    scenario: ServingScenario
    question: Question
    judged: Judged
    price: float
    """US dollars an accelerator-second; NaN where none is known."""

    @property
    def room(self) -> plans.Array:
        """Replicas that there are accelerators for."""
        return np.floor(self.question.cluster.chips / self.judged.deployments.chips)

    @property
    def total(self) -> plans.Array:
        """Requests a second within the goals on all accelerators."""
        return self.room * self.judged.rate


def search(
    scenario: ServingScenario,
    also: Sequence[str] = (),
    precisions: Sequence[ServedPrecision] = (),
    best: int = 5,
) -> ServingFound:
    """Judge every deployment on the scenario's accelerators and on those of `also` ("8xb200-sxm"), in its precision and
    in those of `precisions`; what the scenario says of a replica's division is not kept.

    Raises `BadInput` where no division is possible.
    """
    begun = time.perf_counter()
    kinds, considered = _kinds(scenario, (scenario.on, *also), (scenario.precision, *precisions))
    ranked = sorted(
        (order, number, place) for number, kind in enumerate(kinds) for order, place in _best_of(kind, best)
    )
    options = [option for kind in kinds for option in _options(kind)]
    seconds = time.perf_counter() - begun
    answers = []
    for _, number, place in ranked[:best]:
        planned = _planned(kinds[number], kinds[number].judged.deployments[place])
        answer = answer_of(planned, deployments.server(planned))
        if answer.meets:
            answers.append(answer)
    goals, binding = _goals(scenario, kinds)
    # the simulation has the last word on how many replicas it takes
    answers.sort(key=_worth)
    return ServingFound(
        plans=tuple(answers),
        options=tuple(options),
        frontier=_frontier(options, "tokens_per_second_per_accelerator"),
        frontier_per_dollar=_frontier([each for each in options if each.tokens_per_dollar > 0], "tokens_per_dollar"),
        divided=_divided(kinds, min((each.accelerators for each in answers), default=math.inf)),
        considered=considered,
        fit=sum(len(kind.judged.deployments) for kind in kinds),
        seconds=seconds,
        goals=goals,
        binding="" if answers else binding,
    )


def _worth(answer: ServingAnswer) -> tuple[bool, float, float]:
    """What plans are ordered by: dollars for a given load, else what they carry."""
    if answer.scenario.rate is None:
        return False, -answer.most, answer.accelerators
    paid = answer.cost.usd_per_hour
    return math.isnan(paid), answer.accelerators if math.isnan(paid) else paid, -answer.most


def to_json(found: ServingFound) -> dict[str, Any]:
    """What was found as plain values, as `aistack.scenario.to_json` has answers."""
    values: dict[str, Any] = plain.values(found)
    return {
        **values,
        "plans": [plain.to_json(each) for each in found.plans],
        "deployments_per_second": found.considered / found.seconds,
    }


def _kinds(scenario: ServingScenario, on: Sequence[str], precisions: Sequence[str]) -> tuple[list[_Kind], int]:
    """Each kind of accelerator in each format, judged, those on which anything fits; and how many were looked at."""
    found, considered = [], 0
    for place in dict.fromkeys(on):
        for precision in dict.fromkeys(precisions):
            asked = ServingScenario.model_validate({**scenario.model_dump(), "on": place, "precision": precision})
            chips, accelerator = system(place)
            question = Question(
                spec=asked.spec,
                cluster=asked.cluster(chips),
                common=deployments.deployment(asked, {}),
                work=deployments.workload(asked),
                goals=deployments.goals(asked),
                context=asked.context,
            )
            judged = plans.judge(question)
            considered += judged.considered if judged else len(plans.candidates(question))
            if judged is not None:
                found.append(_Kind(asked, question, judged, _price(asked, accelerator)))
    return found, considered


def _price(scenario: ServingScenario, accelerator: str) -> float:
    if scenario.price is not None:
        return scenario.price / _HOUR
    try:
        return prices.rent(accelerator, scenario.date).usd_per_chip_second
    except BadInput:
        return math.nan


def _best_of(kind: _Kind, best: int) -> list[tuple[tuple[float, float, float], int]]:
    """Places of the best deployments, one for each division, with what they are ordered by."""
    judged, rate = kind.judged, kind.scenario.rate
    chips = judged.deployments.chips.astype(float)
    each = np.where(judged.rate > 0, judged.rate, np.nan)
    if rate is None:
        order, possible = -kind.total, judged.rate > 0
    else:
        needed = replicas(rate, judged.rate)
        possible = needed <= kind.room
        paid = 1.0 if math.isnan(kind.price) else kind.price
        order = needed * chips * paid
    ordered = np.lexsort((-(each / chips), np.where(possible, order, np.inf)))
    found: dict[tuple[int, ...], tuple[tuple[float, float, float], int]] = {}
    for place in map(int, ordered[: int(possible.sum())]):
        one = judged.deployments[place]
        division = (one.tensor_parallel, one.pipeline_parallel, one.data_parallel, one.expert_parallel)
        # where one price is missing dollars and accelerators do not compare: kinds without one come last
        rank = (float(math.isnan(kind.price)), float(order[place]), -float(each[place] / chips[place]))
        found.setdefault(division, (rank, place))
        if len(found) == best:
            break
    return list(found.values())


def _planned(kind: _Kind, one: Deployment) -> ServingScenario:
    """The scenario with this deployment."""
    return ServingScenario.model_validate(
        {
            **kind.scenario.model_dump(),
            "tensor_parallel": one.tensor_parallel,
            "pipeline_parallel": one.pipeline_parallel,
            "expert_parallel": one.expert_parallel,
            "data_parallel": one.data_parallel,
            "max_batch": one.max_batch,
            "chunk": one.chunk,
        }
    )


def _options(kind: _Kind) -> list[Option]:
    """The frontier of one kind of accelerator in one format."""
    swept = plans.sweep(kind.question)
    if swept is None:
        return []
    every, points = swept
    best = points.take(plans.frontier(points))
    accelerator = kind.question.cluster.chip
    return [
        Option(
            accelerator=accelerator,
            deployment=every[int(best.place[row])],
            clients=float(best.clients[row]),
            interactivity=float(best.interactivity[row]),
            tokens_per_second_per_accelerator=float(best.per_accelerator[row]),
            tokens_per_dollar=float(best.per_accelerator[row]) / kind.price,
            ttft=float(best.ttft[row]),
        )
        for row in range(len(best.place))
    ]


def _frontier(options: list[Option], worth: str) -> tuple[Option, ...]:
    """Those that no other beats in both interactivity and `worth`, fastest first."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda each: (-each.interactivity, -getattr(each, worth))):
        if not kept or getattr(option, worth) > getattr(kept[-1], worth):
            kept.append(option)
    return tuple(kept)


def _divided(kinds: list[_Kind], fewest: float) -> Divided | None:
    """The pools that carry most with each accelerator, where they need less than the `fewest` that replicas which do
    everything need for the load, or, without one, carry more than those."""
    found = []
    for kind in kinds:
        rate = kind.scenario.rate
        pools = plans.pools(kind.question, rate)
        if pools is None:
            continue
        chips = int(pools.chips)
        carried = pool_capacity.estimate(pools, kind.question.work, kind.question.goals)
        better = carried.rate > kind.total.max() if rate is None else chips < fewest
        if better:
            found.append(
                Divided(
                    accelerator=kind.question.cluster.chip,
                    prefill=pools.prefill.deployments[0],
                    decode=pools.decode.deployments[0],
                    prefill_replicas=pools.prefill_replicas,
                    decode_replicas=pools.decode_replicas,
                    accelerators=chips,
                    rate=carried.rate,
                    ttft=carried.ttft,
                    tpot=carried.tpot,
                )
            )
    return max(found, key=lambda each: each.rate / each.accelerators, default=None)


def _goals(scenario: ServingScenario, kinds: list[_Kind]) -> tuple[tuple[Goal, ...], str]:
    """Each goal with the nearest that any deployment comes to it, and the one that keeps all from meeting them."""
    if not kinds:
        return (), "memory"
    nearest = {
        "ttft": min(float(kind.judged.idle_ttft.min()) for kind in kinds),
        "tpot": min(float(kind.judged.idle_tpot.min()) for kind in kinds),
    }
    nearest["latency"] = min(
        float((kind.judged.idle_ttft + (scenario.output - 1) * kind.judged.idle_tpot).min()) for kind in kinds
    )
    found = [
        Goal(name, asked, nearest[name], nearest[name] <= asked, nearest[name])
        for name, asked in scenario.goals.items()
    ]
    most = max(float(kind.total.max()) for kind in kinds)
    if scenario.rate is not None:
        found.append(Goal("rate", scenario.rate, most, most >= scenario.rate, most))
    missed = [goal for goal in found if not goal.met]
    # each may be met alone by some deployment while none meets all: then the one that leaves least room binds
    binding = missed[0] if missed else max(found, key=lambda goal: goal.used, default=None)
    return tuple(found), binding.name if binding else ""
