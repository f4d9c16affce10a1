"""What replicas exchange: bytes counted by sending them, published volumes of ZeRO, and what hides behind what."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs_to_plan import job, one_switch, without_losses

from aistack.training import parallel_step
from aistack.training.engine import Engine
from aistack.training.parallel import CHOICES, Plan, Plans
from aistack.training.parallel_step import Job
from aistack.training.replicas import Exchange, expert_replicas, exposed

BANDWIDTH = 1e9
ASKED = job("llama-3.1-8b", "16xh100-sxm5", 2048, 64, engine="fsdp")


def flat(asked: Job = ASKED) -> Job:
    """One switch without latency, so that seconds are bytes over bandwidth; nothing hides."""
    return replace(asked, engine=without_losses(asked.engine), cluster=one_switch(asked.cluster, BANDWIDTH))


def moved(asked: Job, *plans: Plan) -> Exchange:
    return parallel_step.resources(asked, Plans.of(plans), "bf16").exchange


def sent_in_a_ring(parts: list[float], rounds: int) -> float:
    """Bytes that one of the ranks sends while every part goes from neighbour to neighbour, all ranks followed."""
    ranks = len(parts)
    sent = [0.0] * ranks
    for turn in range(rounds * (ranks - 1)):
        for rank in range(ranks):
            sent[rank] += parts[(rank - turn) % ranks]
    return max(sent)


def llama_matrices() -> list[float]:
    """Elements of each tensor of Llama 3.1 8B, from its published shape."""
    hidden, inner, key_value = 4096, 14336, 1024
    layer = [hidden * hidden] * 2 + [hidden * key_value] * 2 + [hidden * inner] * 3 + [hidden] * 2
    return [*(layer * 32), 128256 * hidden, 128256 * hidden]


@pytest.mark.parametrize("ranks", [2, 4, 16])
@pytest.mark.parametrize("zero", CHOICES["zero"])
def test_bytes_are_those_that_a_ring_sends(ranks: int, zero: Any) -> None:
    asked = flat(job("llama-3.1-8b", f"{ranks}xh100-sxm5", 2048, 64))
    parts = [sum(llama_matrices()) / ranks] * ranks
    found = moved(asked, Plan(data_parallel=ranks, zero=zero))
    # Megatron sums gradients in 32 bits; weights are gathered in 16
    gradients = sent_in_a_ring([4 * part for part in parts], 2 if zero == "none" else 1)
    weights = 0.0 if zero == "none" else sent_in_a_ring([2 * part for part in parts], 1)
    # the final norm's 4,096 elements apart
    assert float(found.reduce[0]) * BANDWIDTH == pytest.approx(gradients, rel=1e-5)
    assert float(found.gather[0]) * BANDWIDTH == pytest.approx(weights, rel=1e-5)
    assert float(found.across[0]) == 0


@pytest.mark.parametrize(("zero", "volumes"), [("none", 2), ("zero1", 2), ("zero2", 2), ("zero3", 3)])
def test_volumes_are_those_of_zero(zero: Any, volumes: int) -> None:
    """arXiv:1910.02054, section 7: two model sizes as without it, three where weights are divided as well."""
    asked = flat(job("llama-3.1-8b", "16xh100-sxm5", 2048, 16, engine="fsdp"))
    steps = parallel_step.estimate(asked, Plans.of([Plan(data_parallel=16, zero=zero)]))
    sizes = float(steps.shares["data-parallel communication"][0]) * BANDWIDTH / (2 * sum(llama_matrices()))
    assert sizes == pytest.approx(volumes * 15 / 16, rel=1e-4)


def test_how_often_each_level_exchanges() -> None:
    """Of 4 micro-batches: once, gradients each time, and weights twice as well each time."""
    asked = flat()
    plans = [Plan(data_parallel=16, zero=zero) for zero in CHOICES["zero"]]  # type: ignore[arg-type]
    found = moved(asked, *plans)
    shares = parallel_step.estimate(asked, Plans.of(plans)).shares["data-parallel communication"]
    expected = [
        found.reduce[0],
        found.reduce[1] + found.gather[1],
        4 * found.reduce[2] + found.gather[2],
        4 * (found.reduce[3] + 2 * found.gather[3]),
    ]
    np.testing.assert_allclose(shares, expected)


def test_groups_sum_among_themselves_first() -> None:
    """HSDP: each of the groups' parts is summed among the groups; an all-reduce of 1 / group of the gradients."""
    asked = flat()
    for group in (2, 4, 8):
        found = moved(asked, Plan(data_parallel=16, zero="zero3", shard_group=group))
        whole = 2 * sum(llama_matrices())
        outer = 16 // group
        assert float(found.reduce[0]) * BANDWIDTH == pytest.approx((group - 1) / group * whole, rel=1e-4)
        expected = sent_in_a_ring([whole / group / outer] * outer, 2)
        assert float(found.across[0]) * BANDWIDTH == pytest.approx(expected, rel=1e-4)


def test_model_ranks_share_what_is_exchanged() -> None:
    asked = flat()
    alone, tensor, pipeline, context = (
        float(moved(asked, plan).reduce[0]) for plan in (Plan(1, 1, 16), Plan(4, 1, 4), Plan(1, 4, 4), Plan(1, 1, 4, 4))
    )
    # of bytes, (n - 1) / n; context ranks are replicas, and the fullest of four stages has one end
    assert tensor == pytest.approx(alone / 4 * (3 / 4) / (15 / 16), rel=1e-3)
    assert context == pytest.approx(alone)
    table, layers = 128256 * 4096, sum(llama_matrices()[:-2])
    assert pipeline * BANDWIDTH == pytest.approx(3 / 4 * 2 * (layers / 4 + table), rel=1e-4)


def test_experts_are_summed_among_their_own_replicas() -> None:
    asked = flat(job("mixtral-8x7b", "16xh100-sxm5", 2048, 64, engine="fsdp"))
    experts = 32 * 8 * 3 * 4096 * 14336
    dense = asked.spec.parameters - experts
    found = moved(asked, Plan(data_parallel=16, expert_parallel=8), Plan(data_parallel=16))
    bytes_moved = found.reduce * BANDWIDTH
    expected = [2 * (15 / 16 * dense + 1 / 2 * experts / 8), 2 * 15 / 16 * (dense + experts)]
    np.testing.assert_allclose(bytes_moved, expected, rtol=1e-4)


def test_experts_are_summed_among_groups_as_well() -> None:
    asked = flat(job("mixtral-8x7b", "16xh100-sxm5", 2048, 64, engine="fsdp"))
    found = moved(asked, Plan(data_parallel=16, zero="zero3", shard_group=4))
    whole = 2 * asked.spec.parameters
    assert float(found.reduce[0]) * BANDWIDTH == pytest.approx(3 / 4 * whole, rel=1e-4)
    assert float(found.across[0]) * BANDWIDTH == pytest.approx(2 * 3 / 4 * whole / 4, rel=1e-4)


def test_groups_mean_nothing_where_nothing_is_divided() -> None:
    asked = job("llama-3.1-8b", "64xh100-sxm5", 2048, 64)
    plans = Plans.of([Plan(data_parallel=64, zero="none", shard_group=group) for group in (0, 8)])
    one, other = parallel_step.estimate(asked, plans).seconds
    assert one == other


@given(*(st.sampled_from([1, 2, 4, 8]) for _ in range(3)), st.sampled_from([1, 2, 4, 8]))
def test_replicas_of_an_expert_hold_it_once_each(t: int, c: int, d: int, e: int) -> None:
    """Experts x replicas of each fill the ranks of one pipeline stage."""
    if (t * c * d) % e:
        return
    replicas, stride = expert_replicas(Plans.of([Plan(t, 1, d, c, e)]))
    if e > 1:
        assert float(replicas[0]) * e == t * c * d and float(stride[0]) == e
    else:
        assert float(replicas[0]) == c * d and float(stride[0]) == t


def test_the_optimizer_walks_what_it_holds() -> None:
    """30 bytes a parameter that a rank holds states of."""
    asked = flat()
    plans = [Plan(data_parallel=16, zero=zero) for zero in CHOICES["zero"]]  # type: ignore[arg-type]
    launch = asked.chip.kernels.launch
    rate = asked.chip.memory_bandwidth * asked.chip.kernels.bandwidth
    held = np.array([1, 1 / 16, 1 / 16, 1 / 16]) * asked.spec.parameters
    np.testing.assert_allclose(moved(asked, *plans).optimizer, launch + 30 * held / rate, rtol=1e-4)


def test_adapters_alone_are_summed() -> None:
    asked = flat(job("llama-3.1-8b", "16xh100-sxm5", 2048, 64, engine="fsdp", lora_rank=16))
    adapters = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
    found = moved(asked, Plan(data_parallel=16), Plan(data_parallel=16, zero="zero3"))
    np.testing.assert_allclose(found.reduce * BANDWIDTH, 15 / 16 * 2 * adapters, rtol=1e-6)
    np.testing.assert_allclose(
        found.gather * BANDWIDTH, 15 / 16 * 2 * np.array([adapters, sum(llama_matrices())]), rtol=1e-4
    )


def waits(engine: Engine, plan: Plan, m: float, forward: float, backward: float, **seconds: float) -> float:
    exchange = Exchange(
        **{name: np.array([seconds.get(name, 0.0)]) for name in ("reduce", "gather", "across", "optimizer")}
    )
    each, once = exposed(Plans.of([plan]), engine, exchange, np.array([m]), np.array([forward]), np.array([backward]))
    return float((each + once)[0])


@pytest.mark.parametrize(
    ("plan", "m", "seconds", "expected"),
    [
        # overlap of one half, forward 2 s, backward 4 s: the last backward pass hides 2 s, a forward pass 1 s
        (Plan(zero="none"), 4, {"reduce": 5.0}, 3.0),
        (Plan(zero="zero1"), 4, {"reduce": 5.0, "gather": 3.0}, 3.0 + 2.0),
        # gradients of 3 micro-batches hide behind the next one's passes as well, those of the last do not
        (Plan(zero="zero2"), 4, {"reduce": 5.0}, 3 * 2.0 + 3.0),
        (Plan(zero="zero2"), 1, {"reduce": 5.0}, 3.0),
        (Plan(zero="zero3"), 4, {"reduce": 5.0, "gather": 3.0}, 4 * (2.0 + 6.0)),
        # two micro-batches pass through the other stages meanwhile
        (Plan(pipeline_parallel=2, interleave=2), 4, {"reduce": 5.0, "gather": 3.0}, 1.0 + 1.0),
        # groups that shard: what their own exchange leaves of the window hides the rest
        (Plan(zero="zero1", shard_group=2, data_parallel=4), 4, {"reduce": 1.5, "across": 1.0}, 0.5),
        (Plan(zero="zero3", shard_group=2, data_parallel=4), 1, {"reduce": 1.0, "gather": 0.5, "across": 1.0}, 0.5),
    ],
)
def test_what_is_left_to_wait_for_by_hand(plan: Plan, m: float, seconds: dict[str, float], expected: float) -> None:
    engine = replace(ASKED.engine, data_overlap=0.5)
    assert waits(engine, plan, m, 2.0, 4.0, **seconds) == pytest.approx(expected)


TIMES = st.floats(0, 10)


@settings(deadline=None)
@given(
    st.sampled_from(CHOICES["zero"]), st.sampled_from([1, 2, 4]), st.sampled_from([4, 8, 32]), TIMES, TIMES, TIMES,
    TIMES, TIMES, st.floats(0, 1), st.floats(1, 3),
)  # fmt: skip
def test_waiting_is_bounded_and_faster_work_never_takes_longer(
    zero: Any, interleave: int, m: float, forward: float, backward: float, reduce: float, gather: float, across: float,
    overlap: float, faster: float,
) -> None:  # fmt: skip
    plan = Plan(pipeline_parallel=4, interleave=interleave, data_parallel=8, zero=zero, shard_group=4)
    seconds = {"reduce": reduce, "gather": gather, "across": across}
    engine = replace(ASKED.engine, data_overlap=overlap)
    none = replace(ASKED.engine, data_overlap=0.0)
    wait = waits(engine, plan, m, forward, backward, **seconds)
    everything = waits(none, plan, m, forward, backward, **seconds)
    assert 0 <= wait <= everything + 1e-9
    quicker = waits(engine, plan, m, forward / faster, backward / faster, **seconds)
    before = m * (forward + backward) + wait
    assert m * (forward + backward) / faster + quicker <= before * (1 + 1e-9) + 1e-9
    for name, value in seconds.items():
        assert waits(engine, plan, m, forward, backward, **{**seconds, name: value / faster}) <= wait + 1e-9


def test_levels_wait_in_their_order() -> None:
    """With the network slow, dividing more exchanges more."""
    asked = flat()
    plans = Plans.of([Plan(data_parallel=16, zero=zero) for zero in ("zero1", "zero2", "zero3")])  # type: ignore[arg-type]
    shares = parallel_step.estimate(asked, plans).shares["data-parallel communication"]
    assert all(one < other for one, other in itertools.pairwise(shares))
