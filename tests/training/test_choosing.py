"""What a plan leaves open, against trying everything one by one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from jobs_to_plan import job

from aistack.errors import BadInput
from aistack.training import choosing, device_memory, legality, parallel_step
from aistack.training.parallel import Plan, Plans
from aistack.training.parallel_step import Job


def tried(asked: Job, given: Plan, left_open: tuple[str, ...]) -> list[tuple[Plan, float, float]]:
    """Every legal plan with what is open set, each evaluated alone: plan, seconds, bytes."""
    values: dict[str, Any] = {
        "micro_batch": range(1, 17),
        "interleave": range(1, 129),
        "recomputation": ("none", "selective", "full"),
    }
    found = []
    for chosen in itertools.product(*(values[name] if name in left_open else [None] for name in values)):
        changes = {name: value for name, value in zip(values, chosen, strict=True) if value is not None}
        plan = replace(given, **changes)
        try:
            legality.require(asked.spec, asked.seq_len, asked.global_batch, asked.cluster.chips, plan)
        except BadInput:
            continue
        alone = Plans.of([plan])
        found.append((plan, float(parallel_step.estimate(asked, alone).seconds[0]),
                      float(device_memory.estimate(asked, alone).total[0])))  # fmt: skip
    return found


CASES: list[tuple[Job, Plan, tuple[str, ...]]] = [
    (job("llama-3.1-8b", "64xh100-sxm5", 8192, 128), Plan(2, 1, 32), choosing.OPEN),
    (job("llama-3.1-70b", "64xh100-sxm5", 4096, 128), Plan(8, 4, 2), choosing.OPEN),
    (job("llama-3.1-70b", "64xh100-sxm5", 4096, 128), Plan(8, 4, 2, micro_batch=1), ("interleave",)),
    (job("llama-3.1-70b", "64xh100-sxm5", 4096, 128), Plan(4, 4, 4, interleave=5), ("micro_batch", "recomputation")),
    (job("llama-3.1-8b", "8xh100-sxm5", 8192, 64), Plan(data_parallel=8, zero="zero3"), ("recomputation",)),
    (job("gpt-oss-20b", "16xh100-sxm5", 4096, 64), Plan(2, 2, 4, expert_parallel=8), ("micro_batch", "recomputation")),
]


@pytest.mark.parametrize(("asked", "given", "left_open"), CASES)
def test_it_chooses_what_trying_everything_would(asked: Job, given: Plan, left_open: tuple[str, ...]) -> None:
    chosen = choosing.estimate(asked, given, left_open)
    everything = tried(asked, given, left_open)
    fitting = [each for each in everything if each[2] <= asked.chip.memory]
    assert fitting
    fastest = min(seconds for _, seconds, _ in fitting)
    kinds = ("none", "selective", "full")
    simplest = min(
        (kinds.index(plan.recomputation), plan.interleave, plan.micro_batch)
        for plan, seconds, _ in fitting
        if seconds <= 1.005 * fastest
    )
    assert (kinds.index(chosen.recomputation), chosen.interleave, chosen.micro_batch) == simplest
    kept = {name: getattr(given, name) for name in Plan.__dataclass_fields__ if name not in left_open}
    assert {name: getattr(chosen, name) for name in kept} == kept


def test_where_nothing_fits_it_is_what_needs_least_memory() -> None:
    asked = job("llama-3.1-70b", "8xh100-sxm5", 8192, 64)
    given = Plan(data_parallel=8)
    everything = tried(asked, given, choosing.OPEN)
    assert all(memory > asked.chip.memory for *_, memory in everything)
    chosen = choosing.estimate(asked, given, choosing.OPEN)
    least = float(device_memory.estimate(asked, Plans.of([chosen])).total[0])
    assert least == min(memory for *_, memory in everything)
    assert chosen.recomputation == "full" and chosen.micro_batch == 1


def test_where_nothing_is_legal_the_plan_stays_for_the_rules_to_name() -> None:
    asked = job("llama-3.1-8b", "64xh100-sxm5", 8192, 128)
    given = Plan(tensor_parallel=3, data_parallel=64)
    assert choosing.estimate(asked, given, choosing.OPEN) == given


def test_a_batch_smaller_than_the_replicas_is_left_to_the_rules() -> None:
    asked = job("llama-3.1-8b", "64xh100-sxm5", 8192, 32)
    given = Plan(data_parallel=64)
    assert choosing.estimate(asked, given, choosing.OPEN) == given
