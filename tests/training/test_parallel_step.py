"""A step under a plan: the same alone and among many, sums, limits, and what must make it faster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs_to_plan import ideal, job, one_switch, random_plans, without_losses

from aistack.frameworks import parts
from aistack.frameworks.parts import Kernel, Sharding
from aistack.hardware import flash_attention, gemm, streaming
from aistack.scenario import sensitivity
from aistack.training import device_memory, parallel_step
from aistack.training.parallel import Plan, Plans
from aistack.training.parallel_step import SHARES, Job, Steps
from aistack.training.pipeline import makespan, timeline


@functools.cache
def cases() -> dict[str, tuple[Job, Plans]]:
    """Jobs of each kind, each with a thousand plans of every kind."""
    dense = job("llama-3.1-8b", "64xh100-sxm5", 4096, 256)
    routed = job("mixtral-8x7b", "64xh100-sxm5", 4096, 256)
    tuned = job("gpt2-xl", "32xa100-sxm4-80gb", 1024, 64, lora_rank=16)
    old = job("gpt2-xl", "32xv100-sxm2-32gb", 1024, 64, engine="megatron-deepspeed")
    few = job("llama-3.1-8b", "64xh100-sxm5", 2048, 32, engine="fsdp", network="100 Gbit/s")
    compiled = job("llama-3.1-8b", "64xtpu-v5p", 4096, 64)
    return {
        "dense": (dense, random_plans(dense, 1000, 1, ("bf16", "fp8"))),
        "experts": (routed, random_plans(routed, 1000, 2, ("bf16", "fp8"))),
        "adapters": (tuned, random_plans(tuned, 1000, 3)),
        "old engine": (old, random_plans(old, 1000, 4, ("fp16",))),
        "one micro-batch": (few, random_plans(few, 1000, 6)),
        "torus": (compiled, random_plans(compiled, 1000, 5)),
    }


NAMES = ("dense", "experts", "adapters", "old engine", "one micro-batch", "torus")


def columns(steps: Steps) -> dict[str, np.ndarray]:
    named = {field.name: getattr(steps, field.name) for field in fields(Steps) if field.name != "shares"}
    return named | dict(steps.shares)


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_alone_is_the_same_plan_among_a_thousand(name: str) -> None:
    """Bit for bit: alone, in another order, in pieces."""
    asked, plans = cases()[name]
    whole, memory = columns(parallel_step.estimate(asked, plans)), device_memory.estimate(asked, plans).total
    assert all(len(column) == len(plans) for column in whole.values())

    def same(places: np.ndarray) -> None:
        some = plans.take(places)
        for column, values in columns(parallel_step.estimate(asked, some)).items():
            np.testing.assert_array_equal(values, whole[column][places], err_msg=f"{column} {places}")
        np.testing.assert_array_equal(device_memory.estimate(asked, some).total, memory[places])

    for place in range(0, len(plans), 37):
        same(np.array([place]))
    same(np.random.default_rng(0).permutation(len(plans)))
    for piece in np.array_split(np.arange(len(plans)), 7):
        same(piece)


@pytest.mark.parametrize("name", NAMES)
def test_shares_are_the_step_and_none_is_negative(name: str) -> None:
    asked, plans = cases()[name]
    steps = parallel_step.estimate(asked, plans)
    assert list(steps.shares) == list(SHARES)
    np.testing.assert_allclose(sum(steps.shares.values()), steps.seconds, rtol=1e-9)
    assert np.all(np.isfinite(steps.seconds)) and np.all(steps.seconds > 0)
    for share, seconds in steps.shares.items():
        assert np.all(seconds >= -1e-9 * steps.seconds), share


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_there_only_where_their_cause_is(name: str) -> None:
    asked, plans = cases()[name]
    shares = parallel_step.estimate(asked, plans).shares
    replicas = plans.data_parallel * plans.context_parallel
    for share, absent in (
        ("recomputation", plans.is_("recomputation", "none")),
        ("tensor-parallel communication", plans.tensor_parallel == 1),
        ("context-parallel communication", plans.context_parallel == 1),
        ("expert-parallel communication", plans.expert_parallel == 1),
        ("pipeline bubble", plans.pipeline_parallel == 1),
        ("pipeline sends", plans.pipeline_parallel == 1),
        ("uneven stages", plans.pipeline_parallel == 1),
        ("data-parallel communication", (replicas == 1) & (plans.expert_parallel == 1)),
    ):
        assert absent.any() and np.allclose(shares[share][absent], 0, atol=1e-12), share
    assert np.all(shares["recomputation"][plans.is_("recomputation", "full")] > 0)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.sampled_from(list(sensitivity.BETTER)), st.integers(1, 80), st.integers(0, 50))
def test_a_better_machine_is_never_slower(name: str, resource: str, times: int, start: int) -> None:
    """Peaks, memory, links and latencies, from a little to about twice as good."""
    asked, plans = cases()[name]
    plans = plans.take(np.arange(start, len(plans), 50))
    better = asked
    for _ in range(times):
        better = sensitivity.BETTER[resource](better)
    before, after = (parallel_step.estimate(each, plans).seconds for each in (asked, better))
    worse = np.flatnonzero(after > before * (1 + 1e-9))
    assert not len(worse), (str(plans[int(worse[0])]), before[worse[0]], after[worse[0]])


def seconds_of(chip, kernel: Kernel) -> float:  # type: ignore[no-untyped-def]
    functions: dict[str, Callable[..., np.ndarray]] = {
        "gemm": gemm.estimate,
        "attention": flash_attention.estimate,
        "stream": streaming.estimate,
    }
    precision = {} if kernel.kind == "stream" else {"precision": kernel.precision}
    return float(np.sum(kernel.count * functions[kernel.kind](chip, **kernel.arguments, **precision)))


def layer_seconds(asked: Job, micro_batch: int, tensor: int = 1) -> dict[str, list[tuple[float, float, float]]]:
    """Forward, backward and light kernels of the embedding, each layer and the head, each kernel priced by itself."""
    found: dict[str, list[tuple[float, float, float]]] = {"embedding": [], "layer": [], "head": []}
    sharding = Sharding(tensor=tensor, micro_batch=micro_batch)
    for part in parts.estimate(asked.spec, asked.seq_len, sharding, "bf16"):
        sums = tuple(sum(seconds_of(asked.chip, each) for each in kernels)
                     for kernels in (part.forward, part.backward, part.light))  # fmt: skip
        found[part.name] += [sums] * max(part.layers, 1)  # type: ignore[list-item]
    return found


def optimizer(asked: Job, parameters: float) -> float:
    """Gradient, master copy and two moments are read, the latter three written, all in 32 bits; and 16-bit weights."""
    chip = asked.chip
    return 30 * parameters / (chip.memory_bandwidth * chip.kernels.bandwidth) + chip.kernels.launch


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gpt2-xl", "gpt-oss-20b", "gemma-2-2b"])
@pytest.mark.parametrize("recomputation", ["none", "selective", "full"])
def test_on_one_accelerator_a_perfect_engine_takes_its_kernels_and_the_optimizer(
    model: str, recomputation: str
) -> None:
    asked = ideal(job(model, "1xh100-sxm5", 1024, 8))
    layers = layer_seconds(asked, 2)
    once = sum(sum(each[:2]) for part in layers.values() for each in part)
    again = {"none": 0.0, "selective": sum(each[2] for each in layers["layer"]),
             "full": sum(each[0] for each in layers["layer"])}[recomputation]  # fmt: skip
    expected = 4 * (once + again) + optimizer(asked, asked.spec.parameters)
    steps = parallel_step.estimate(asked, Plans.of([Plan(micro_batch=2, recomputation=recomputation)]))  # type: ignore[arg-type]
    assert float(steps.seconds[0]) == pytest.approx(expected, rel=1e-6)


def test_with_free_communication_tensor_ranks_take_their_kernels() -> None:
    asked = ideal(job("llama-3.1-8b", "8xh100-sxm5", 2048, 8))
    layers = layer_seconds(asked, 1, tensor=8)
    steps = parallel_step.estimate(asked, Plans.of([Plan(tensor_parallel=8)]))
    kernels = float((steps.seconds - steps.shares["optimizer"])[0])
    assert kernels == pytest.approx(8 * sum(sum(each[:2]) for part in layers.values() for each in part), rel=1e-6)


@pytest.mark.parametrize(
    ("pipeline", "interleave", "micro_batches", "schedule"),
    [(1, 1, 8, "1f1b"), (2, 1, 8, "1f1b"), (4, 1, 16, "1f1b"), (8, 1, 4, "1f1b"), (4, 4, 8, "1f1b"), (8, 2, 16, "1f1b"),
     (4, 1, 16, "gpipe"), (8, 1, 8, "gpipe")],
)  # fmt: skip
def test_a_pipeline_is_its_timeline(pipeline: int, interleave: int, micro_batches: int, schedule: str) -> None:
    """Every stage's kernels on the schedule followed operation by operation."""
    asked = ideal(job("llama-3.1-8b", f"{pipeline}xh100-sxm5", 2048, micro_batches))
    priced = layer_seconds(asked, 1)
    stages = pipeline * interleave
    each = asked.spec.layers // stages
    forward = [sum(layer[0] for layer in priced["layer"][:each])] * stages
    backward = [sum(layer[1] for layer in priced["layer"][:each])] * stages
    for place, part in ((0, "embedding"), (-1, "head")):
        both = sum(priced[part][0][:2])
        forward[place] += both / 3
        backward[place] += both * 2 / 3
    exact = makespan(timeline(pipeline, interleave, micro_batches, schedule, forward, backward))  # type: ignore[arg-type]
    plan = Plan(pipeline_parallel=pipeline, interleave=interleave, schedule=schedule)  # type: ignore[arg-type]
    steps = parallel_step.estimate(asked, Plans.of([plan]))
    # the head of this model takes longer than a stage where stages interleave (see `pipeline.duration`)
    tolerance = 1e-6 if interleave == 1 else 1 / 12
    assert float((steps.seconds - steps.shares["optimizer"])[0]) == pytest.approx(exact, rel=tolerance)
    if pipeline == 1:
        assert float(steps.shares["pipeline bubble"][0]) == pytest.approx(0, abs=1e-9)


def test_the_bubble_is_its_published_share() -> None:
    """Of equal ranks, (p - 1) / (v m) of the ideal time (arXiv:2104.04473, section 2.2)."""
    asked = ideal(job("gpt-3-175b", "384xa100-sxm4-80gb", 2048, 1536))
    plans = Plans.of([Plan(8, 12, 4, interleave=v, micro_batch=b) for v in (1, 2, 4, 8) for b in (1, 2, 4)])
    steps = parallel_step.estimate(asked, plans)
    busy = steps.micro_batches * (steps.forward + steps.backward)
    expected = 11 / (plans.interleave * steps.micro_batches)
    # the head makes the last rank longer than the others, which shortens the share a little
    np.testing.assert_allclose(steps.shares["pipeline bubble"] / busy, expected, rtol=0.06)


def test_layers_that_do_not_divide_leave_the_ends_fewer() -> None:
    """Llama 3's 126 layers on 16 ranks: one layer fewer on the first and the last (arXiv:2407.21783, section 3.3.2),
    which takes the loss off the critical path."""
    asked = ideal(job("llama-3.1-405b", "128xh100-sxm5", 8192, 16))
    steps = parallel_step.estimate(asked, Plans.of([Plan(tensor_parallel=8, pipeline_parallel=16)]))
    priced = layer_seconds(asked, 1, tensor=8)
    layer, head = sum(priced["layer"][0][:2]), sum(priced["head"][0][:2])
    slowest = float((steps.forward + steps.backward)[0])
    assert slowest == pytest.approx(max(8 * layer, 7 * layer + head), rel=0.05)
    assert float(steps.shares["uneven stages"][0]) / 16 < (8 - 126 / 16) * layer + head


def test_sends_add_what_the_timeline_adds() -> None:
    asked = ideal(job("llama-3.1-8b", "4xh100-sxm5", 2048, 16))
    slow = replace(asked, cluster=one_switch(asked.cluster, 1e10, 1e-5))
    plans = Plans.of([Plan(pipeline_parallel=4), Plan(pipeline_parallel=4, interleave=4)])
    fast_steps, slow_steps = (parallel_step.estimate(each, plans) for each in (asked, slow))
    hop = 2 * 2048 * 4096 / 1e10 + 1e-5
    np.testing.assert_allclose(slow_steps.send, hop, rtol=1e-9)
    added = slow_steps.seconds - fast_steps.seconds
    for place, interleave in enumerate((1, 4)):
        forward, backward = (float(each[place]) for each in (fast_steps.forward, fast_steps.backward))
        exact = [makespan(timeline(4, interleave, 16, "1f1b", forward, backward, send)) for send in (0.0, hop)]
        assert float(added[place]) == pytest.approx(exact[1] - exact[0], rel=0.1)


def test_what_hides_all_leaves_nothing_and_what_hides_nothing_leaves_all() -> None:
    asked = job("llama-3.1-8b", "64xh100-sxm5", 8192, 256)
    bare = replace(asked, engine=without_losses(asked.engine))
    plans = Plans.of([Plan(2, 1, 16, 2), Plan(4, 1, 16), Plan(4, 2, 8, interleave=2)])
    names = ("tensor", "context", "data")
    hiding = replace(bare, engine=replace(bare.engine, **{f"{name}_overlap": 1.0 for name in names}))
    before, after = (parallel_step.estimate(each, plans) for each in (bare, hiding))
    assert np.all(after.seconds < before.seconds)
    resources = parallel_step.resources(bare, plans, "bf16")
    layers, way = resources.layers, resources.way
    share = before.micro_batches / plans.pipeline_parallel
    np.testing.assert_allclose(after.shares["tensor-parallel communication"], (share * 2 * layers.end_tensor[way]))
    np.testing.assert_allclose(
        before.shares["tensor-parallel communication"], share * (layers.tensor + 2 * layers.end_tensor)[way]
    )
    np.testing.assert_allclose(
        before.shares["context-parallel communication"],
        share * (layers.context_forward + layers.context_backward)[way],
    )


def test_stragglers_are_a_share_for_each_doubling_of_the_hosts() -> None:
    asked = job("llama-3.1-8b", "64xh100-sxm5", 4096, 256)
    straggling = replace(asked, engine=replace(asked.engine, straggling=0.01, step_overhead=0.0))
    steps = parallel_step.estimate(straggling, Plans.of([Plan(data_parallel=64)]))
    without = steps.seconds - steps.shares["stragglers"]
    assert float(steps.shares["stragglers"][0] / without[0]) == pytest.approx(0.01 * 3)


def test_prediction_modules_and_adapters_change_what_they_say() -> None:
    asked = job("deepseek-v3", "256xh100-sxm5", 4096, 1024)
    plans = Plans.of([Plan(1, 8, 32, 1, 32, precision="fp8")])
    plain, with_module = (
        float(parallel_step.estimate(replace(asked, predicted=count), plans).seconds[0]) for count in (0, 1)
    )
    assert plain < with_module < 1.15 * plain
    frozen = job("llama-3.1-8b", "8xh100-sxm5", 4096, 8, lora_rank=16)
    whole = job("llama-3.1-8b", "8xh100-sxm5", 4096, 8)
    one = Plans.of([Plan(data_parallel=8)])
    adapted, trained = (parallel_step.estimate(each, one) for each in (frozen, whole))
    # no products of weights' gradients: two of three are left
    ratio = adapted.shares["useful arithmetic at peak"] + adapted.shares["matrix products below peak"]
    ratio = ratio / (trained.shares["useful arithmetic at peak"] + trained.shares["matrix products below peak"])
    assert 0.6 < float(ratio[0]) < 0.75
    assert float(adapted.shares["optimizer"][0]) < 0.05 * float(trained.shares["optimizer"][0])
