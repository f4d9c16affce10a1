"""Which plans can exist: each rule broken alone, and all of them against a brute-force reading."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from jobs_to_plan import divisors, job

from aistack.errors import BadInput
from aistack.training.legality import Shape, key_value_heads, legal, require, rules
from aistack.training.parallel import Plan, Plans

DENSE = job("llama-3.1-8b", "64xh100-sxm5", 4096, 256)
EXPERTS = job("mixtral-8x7b", "64xh100-sxm5", 4096, 256)
FINE = Plan(tensor_parallel=2, pipeline_parallel=4, data_parallel=4, context_parallel=2, micro_batch=2)


def broken(asked, plan: Plan, **more) -> list[str]:  # type: ignore[no-untyped-def]
    seq_len, batch = more.get("seq_len", asked.seq_len), more.get("global_batch", asked.global_batch)
    chips = more.get("chips", asked.cluster.chips)
    found = list(rules(asked.spec, seq_len, batch, chips, Plans.of([plan])))
    count = sum(bool(mask[0]) for mask, _ in found)
    try:
        require(asked.spec, seq_len, batch, chips, plan)
    except BadInput as error:
        title, *lines = str(error).splitlines()
        assert title == f"{asked.spec.name} cannot be trained in this plan:"
        assert len(lines) == count and not any("{" in line for line in lines)
        return lines
    assert count == 0
    return []


def test_a_plan_that_breaks_nothing() -> None:
    assert broken(DENSE, FINE) == []
    assert broken(EXPERTS, replace(FINE, expert_parallel=8)) == []


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        ({}, {"chips": 128}, "tensor 2 x pipeline 4 x context 2 x data 4 accelerators are not 128."),
        ({"tensor_parallel": 64, "pipeline_parallel": 1, "data_parallel": 1, "context_parallel": 1}, {},
         "32 attention heads do not divide among 64 tensor-parallel ranks."),
        ({"tensor_parallel": 1, "pipeline_parallel": 64, "data_parallel": 1, "context_parallel": 1}, {},
         "32 layers do not fill 64 pipeline ranks x 1 stages."),
        ({"interleave": 3}, {},
         "32 layers (or 34, counting the embedding and the head) do not divide into 4 pipeline ranks x 3 stages."),
        ({"pipeline_parallel": 1, "data_parallel": 16, "interleave": 2}, {},
         "Stages interleave only among pipeline ranks; pipeline is 1."),
        ({"micro_batch": 3}, {}, "A global batch of 256 does not divide into 4 replicas x micro-batches of 3."),
        ({"interleave": 2, "micro_batch": 32}, {},
         "Interleaved stages need at least 4 micro-batches, as many as ranks."),
        ({"interleave": 2, "schedule": "zero-bubble"}, {}, "Only the schedule 1f1b interleaves stages."),
        ({"interleave": 2, "schedule": "gpipe"}, {}, "Only the schedule 1f1b interleaves stages."),
        ({}, {"seq_len": 4098},
         "A sequence of 4,098 does not divide into two equal parts for each of 2 context-parallel ranks."),
        ({"tensor_parallel": 8, "context_parallel": 8, "pipeline_parallel": 1, "data_parallel": 1,
          "context_method": "ulysses"}, {}, "Ulysses divides heads: 32 are not a multiple of tensor 8 x context 8."),
        ({"expert_parallel": 2}, {}, "A dense model has no experts to divide; expert parallelism is 2."),
        ({"recompute_share": 50}, {},
         "Full recomputation covers 1 to 100 percent of the layers, other kinds all of them; the share is 50."),
        ({"recompute_share": 101, "recomputation": "full"}, {},
         "Full recomputation covers 1 to 100 percent of the layers, other kinds all of them; the share is 101."),
        ({"shard_group": 3}, {}, "4 x 2 replicas do not divide into groups of 3 that shard."),
    ],
)  # fmt: skip
def test_each_rule_is_broken_alone_and_says_so(change, more, says: str) -> None:  # type: ignore[no-untyped-def]
    assert broken(DENSE, replace(FINE, **change), **more) == [f"  {says}"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expert_parallel": 16}, "8 experts do not divide among 16 expert-parallel ranks."),
        ({"expert_parallel": 8, "pipeline_parallel": 16, "data_parallel": 2, "context_parallel": 1},
         "Expert parallelism of 8 does not divide data 2 x context 1 x tensor 2."),
    ],
)  # fmt: skip
def test_each_rule_of_experts_is_broken_alone_and_says_so(change, says: str) -> None:  # type: ignore[no-untyped-def]
    assert broken(EXPERTS, replace(FINE, **change)) == [f"  {says}"]


def test_a_plan_that_cannot_exist_names_every_rule() -> None:
    plan = Plan(tensor_parallel=3, data_parallel=5, context_parallel=7, expert_parallel=2, interleave=5,
                schedule="gpipe", shard_group=4, recompute_share=30, micro_batch=99)  # fmt: skip
    said = broken(DENSE, plan)
    for words in ("are not 64", "attention heads", "do not divide into 1 pipeline", "Stages interleave only",
                  "global batch", "Only the schedule", "two equal parts", "no experts", "covers 1 to 100",
                  "groups of 4"):  # fmt: skip
        assert sum(words in line for line in said) == 1, words


def test_one_by_one_and_by_hand_over_all_small_plans() -> None:
    """The rules written again with plain integers, over every plan of two kinds of job."""
    for asked in (job("llama-3.1-8b", "8xh100-sxm5", 24, 16), job("mixtral-8x7b", "8xh100-sxm5", 24, 16)):
        layers, heads, chips, experts = 32, 32, 8, 8 if "mixtral" in asked.spec.name.lower() else 0
        grid = itertools.product(divisors(8), divisors(8), divisors(8), divisors(8), (1, 2, 8), (1, 2, 3, 5, 16, 17),
                                 (1, 4), ("1f1b", "gpipe"), ("ring", "ulysses"), (0, 2, 3))  # fmt: skip
        plans, expected = [], []
        for t, p, c, d, e, v, b, schedule, method, group in grid:
            if t * p * c * d not in (8, 16):
                continue
            plans.append(Plan(t, p, d, c, e, b, v, group, schedule=schedule, context_method=method))
            expected.append(
                t * p * c * d == chips
                and heads % t == 0
                and (v == 1 or (p > 1 and schedule == "1f1b" and 16 // (d * b) >= p))
                and p * v <= layers + 2
                and (v == 1 or layers % (p * v) == 0 or (layers + 2) % (p * v) == 0)
                and 16 % (d * b) == 0
                and (c == 1 or (24 % (2 * c) == 0 and (method == "ring" or heads % (t * c) == 0)))
                and (e == 1 if not experts else experts % e == 0 and (d * c * t) % e == 0)
                and (group == 0 or (d * c) % group == 0)
            )
        found = legal(asked.spec, 24, 16, 8, Plans.of(plans))
        assert found.tolist() == expected and 0 < sum(expected) < len(expected)


def test_shapes_are_those_of_the_published_models() -> None:
    assert Shape.of(job("llama-3.1-405b").spec) == Shape(126, 128, 0)
    assert key_value_heads(job("llama-3.1-405b").spec) == 8
    assert Shape.of(job("deepseek-v3").spec) == Shape(61, 128, 256)
    assert key_value_heads(job("deepseek-v3").spec) == 0
    # every other layer of gpt-oss sees a window; heads and experts are the same in all
    assert Shape.of(job("gpt-oss-120b").spec) == Shape(36, 64, 128)


def test_plans_that_ran_are_legal() -> None:
    """Llama 3 (arXiv:2407.21783, table 4) and GPT-3 (arXiv:2104.04473, table 2)."""
    spec = job("llama-3.1-405b").spec
    for chips, cp, dp, seq, batch in (
        (8192, 1, 64, 8192, 2048),
        (16384, 1, 128, 8192, 2048),
        (16384, 16, 8, 131072, 128),
    ):
        require(spec, seq, batch, chips, Plan(8, 16, dp, cp, zero="zero2", context_method="all-gather"))
    gpt3 = job("gpt-3-175b").spec
    require(gpt3, 2048, 1536, 384, Plan(8, 12, 4, interleave=8, precision="fp16", recomputation="full"))
