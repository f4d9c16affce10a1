"""The search over plans, against every plan made one by one."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from jobs_to_plan import divisors, job

from aistack.errors import BadInput
from aistack.training import device_memory, parallel_step, search
from aistack.training.legality import Shape, key_value_heads, legal
from aistack.training.parallel import Plan, Plans
from aistack.training.parallel_step import Job
from aistack.training.search import RECOMPUTATIONS

SMALL = {
    "dense": job("llama-3.1-8b", "4xh100-sxm5", 2048, 4),
    "across hosts": job("gpt2-xl", "16xa100-sxm4-80gb", 1024, 2),
    "experts": job("gpt-oss-20b", "2xh200-sxm", 2048, 2, lora_rank=8),
    "too large": job("llama-3.1-70b", "2xh100-sxm5", 2048, 2),
}


def every_plan(asked: Job) -> Iterator[Plan]:
    """All that the search says it looks at, in plain loops."""
    chips, shape = asked.cluster.chips, Shape.of(asked.spec)
    groups = key_value_heads(asked.spec)
    for t, p, c in itertools.product(divisors(chips), repeat=3):
        if chips % (t * p * c) or groups % t:
            continue
        d = chips // (t * p * c)
        hosts = asked.cluster.chips_per_host // t
        for e, b, v, (kept, share), zero, group, schedule, method in itertools.product(
            divisors(shape.experts) if shape.experts else [1],
            divisors(asked.global_batch),
            range(1, shape.layers // p + 1),
            RECOMPUTATIONS,
            ("none", "zero1", "zero2", "zero3"),
            {0, hosts} if 1 < hosts < d * c else {0},
            ("1f1b", "zero-bubble"),
            ("ring", "all-gather", "ulysses"),
        ):
            if asked.global_batch % (d * b) == 0:
                yield Plan(t, p, d, c, e, b, v, group, share, kept, zero, schedule, "bf16", method)  # type: ignore[arg-type]


@functools.cache
def brute(name: str) -> tuple[Plans, np.ndarray, np.ndarray]:
    """Legal plans with seconds and bytes."""
    asked = SMALL[name]
    plans = Plans.of(every_plan(asked))
    plans = plans.take(legal(asked.spec, asked.seq_len, asked.global_batch, asked.cluster.chips, plans))
    return plans, parallel_step.estimate(asked, plans).seconds, device_memory.estimate(asked, plans).total


@pytest.mark.parametrize("name", SMALL)
def test_it_finds_what_trying_everything_finds(name: str) -> None:
    asked = SMALL[name]
    found = search.search(asked, best=5)
    _, seconds, memory = brute(name)
    fits = memory <= asked.chip.memory
    assert found.smallest.memory == memory.min()
    pairs = sorted(set(zip(seconds[fits].tolist(), memory[fits].tolist(), strict=True)))
    if name == "too large":
        assert not pairs and found.best == found.frontier == () and found.fit == 0 < found.considered
        return
    assert (found.best[0].seconds, found.best[0].memory) == pairs[0]
    frontier = [
        pair
        for pair in pairs
        if not any(other[0] <= pair[0] and other[1] <= pair[1] and other != pair for other in pairs)
    ]
    assert [(each.seconds, each.memory) for each in found.frontier] == frontier
    assert list(found.best) == sorted(found.best, key=lambda each: (each.seconds, each.memory))
    assert len({each.plan for each in found.best}) == 5


@pytest.mark.parametrize("name", SMALL)
def test_each_plan_is_looked_at_once_and_those_left_out_are_others_again(name: str) -> None:
    """Where nothing is staged, replicated or split, all choices of how are one; all else is there."""
    asked = SMALL[name]
    pieces = list(search.candidates(asked))
    looked_at = [piece[place] for piece in pieces for place in range(len(piece))]
    assert len(looked_at) == len(set(looked_at))
    plans, seconds, memory = brute(name)
    everything = {plans[place]: place for place in range(len(plans))}
    assert set(looked_at) <= everything.keys()

    def stands_for(plan: Plan) -> Plan:
        alone = plan.data_parallel * plan.context_parallel == 1
        return replace(
            plan,
            schedule=plan.schedule if plan.pipeline_parallel > 1 else "1f1b",
            zero="none" if alone else plan.zero,
            shard_group=0 if plan.zero == "none" or alone else plan.shard_group,
            context_method=plan.context_method if plan.context_parallel > 1 else "ring",
        )

    assert {stands_for(plan) for plan in everything} == set(looked_at)
    places = [everything[stands_for(plan)] for plan in everything]
    kept = np.array(list(everything.values()))
    # a plan that divides nothing among its one replica takes as long, and never needs less memory
    np.testing.assert_allclose(seconds[kept], seconds[places], rtol=1e-12)
    assert np.all(memory[kept] >= memory[places] * (1 - 1e-12))


def test_asking_memory_first_changes_nothing() -> None:
    asked = SMALL["dense"]
    plans, seconds, memory = brute("dense")
    judged, needed = search.evaluate(asked, plans)
    fits = memory <= asked.chip.memory
    assert 0 < fits.sum() < len(plans)
    np.testing.assert_array_equal(needed, memory)
    np.testing.assert_array_equal(judged, np.where(fits, seconds, np.inf))


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = SMALL["across hosts"]
    whole = search.search(asked)
    monkeypatch.setattr(search, "CHUNK", 97)
    assert search.search(asked) == whole


def test_more_precisions_are_more_plans() -> None:
    asked = SMALL["dense"]
    one, two = (search.search(asked, precisions) for precisions in (("bf16",), ("bf16", "fp8")))
    assert two.considered == 2 * one.considered
    assert two.best[0].seconds <= one.best[0].seconds


def test_every_candidate_is_legal() -> None:
    asked = job("deepseek-v3", "64xh100-sxm5", 4096, 64)
    for plans in itertools.islice(search.candidates(asked), 4):
        assert legal(asked.spec, asked.seq_len, asked.global_batch, 64, plans).all()
        assert all(len(getattr(plans, field.name)) == len(plans) for field in fields(Plans))


def test_more_accelerators_find_nothing_slower() -> None:
    """Strong scaling: the best plan on twice the accelerators."""
    best = [search.search(job("llama-3.1-8b", f"{chips}xh100-sxm5", 2048, 16)).best[0].seconds for chips in (4, 8, 16)]
    assert best[0] > best[1] > best[2]


def test_what_cannot_be_searched_says_why() -> None:
    with pytest.raises(BadInput, match=r"No plan of .* on 13 accelerators is legal: nothing divides"):
        search.search(job("gpt2", "13xh100-sxm5", 1024, 4))
    with pytest.raises(BadInput, match="combinations are more than the 10,000,000 that are looked at"):
        search.search(job("deepseek-v3", "100800xh100-sxm5", 201600, 6451200))


def test_405b_on_16384_accelerators_is_over_a_million_plans_in_seconds() -> None:
    """Of one core's time, whoever else works on this machine."""
    asked = job("llama-3.1-405b", "16384xh100-sxm5", 8192, 2048)
    begun = time.process_time()
    found = search.search(asked, ("bf16", "fp8"))
    took = time.process_time() - begun
    assert found.considered > 1_000_000 and 0 < found.fit < found.considered
    assert took < 10
    published = Plans.of([Plan(8, 16, 128, interleave=8, zero="zero2")])
    assert found.best[0].seconds <= float(parallel_step.estimate(asked, published).seconds[0])
