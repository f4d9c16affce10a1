"""Memory of a plan: published bytes of ZeRO, published and measured peaks, what must take more and what less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jobs_to_plan import job, random_plans

from aistack.catalog.models import spec
from aistack.frameworks import parts
from aistack.frameworks.parts import Sharding
from aistack.training import device_memory
from aistack.training.device_memory import Memory
from aistack.training.parallel import CHOICES, Plan, Plans
from aistack.training.parallel_step import Job

GB, GIB = 1e9, 2**30
STATES = ("weights", "gradients", "optimizer")


def of(asked: Job, *plans: Plan) -> Memory:
    return device_memory.estimate(asked, Plans.of(plans))


def states(memory: Memory) -> np.ndarray:
    return sum(memory.parts[name] for name in STATES)  # type: ignore[return-value]


def test_parts_are_the_total() -> None:
    asked = job()
    memory = device_memory.estimate(asked, random_plans(asked, 200, 8))
    np.testing.assert_allclose(sum(memory.parts.values()), memory.total, rtol=1e-12)
    assert all(np.all(held >= 0) for held in memory.parts.values())
    assert list(memory.parts) == [*STATES, "gathered", "activations", "transient", "runtime", "fragmentation"]


@pytest.mark.parametrize(("zero", "published"), [("none", 120), ("zero1", 31.4), ("zero2", 16.6), ("zero3", 1.9)])
@pytest.mark.parametrize("model", ["llama-3.1-8b", "gpt2-xl", "gpt-oss-20b"])
def test_states_are_those_of_zero(model: str, zero: Any, published: float) -> None:
    """Figure 1 of arXiv:1910.02054 has 7.5e9 parameters on 64 devices in GB, with 16-bit gradients."""
    asked = job(model, "64xh100-sxm5", 2048, 64, engine="fsdp")
    held = float(states(of(asked, Plan(data_parallel=64, zero=zero)))[0])
    assert held / asked.spec.parameters * 7.5 == pytest.approx(published, abs=0.06)


@pytest.mark.parametrize("group", [1, 2, 8, 32, 64])
def test_groups_that_shard_divide_by_their_size_alone(group: int) -> None:
    """HSDP: 16 bytes a parameter, 12 of them, 14 or all divided."""
    asked = job("llama-3.1-8b", "64xh100-sxm5", 2048, 64, engine="fsdp")
    held = states(of(asked, *(Plan(data_parallel=64, zero=zero, shard_group=group) for zero in CHOICES["zero"])))  # type: ignore[arg-type]
    whole = asked.spec.parameters
    np.testing.assert_allclose(held / whole, [16, 4 + 12 / group, 2 + 14 / group, 16 / group], rtol=1e-6)


def test_context_ranks_are_replicas_of_the_states() -> None:
    asked = job("llama-3.1-8b", "64xh100-sxm5", 2048, 64)
    one, other = states(of(asked, Plan(data_parallel=64), Plan(data_parallel=16, context_parallel=4)))
    assert one == pytest.approx(other)


def test_experts_are_divided_among_fewer() -> None:
    """Of Mixtral's 8 experts a layer, each rank of 8 holds one, and 8 of 64 ranks hold the same."""
    asked = job("mixtral-8x7b", "64xh100-sxm5", 2048, 64, engine="fsdp")
    experts = 32 * 8 * 3 * 4096 * 14336
    dense = asked.spec.parameters - experts
    held = states(of(asked, *(Plan(data_parallel=64, expert_parallel=8, zero=zero) for zero in CHOICES["zero"])))  # type: ignore[arg-type]
    own = dense + experts / 8
    divided = dense / 64 + experts / 64
    np.testing.assert_allclose(
        held, [16 * own, 4 * own + 12 * divided, 2 * own + 14 * divided, 16 * divided], rtol=1e-4
    )


def test_groups_that_shard_hold_the_same_experts_as_often() -> None:
    """In groups of 8, experts that no expert parallelism divides are divided by 8 like all else."""
    asked = job("mixtral-8x7b", "64xh100-sxm5", 2048, 64, engine="fsdp")
    held = states(of(asked, Plan(data_parallel=64, zero="zero3", shard_group=8)))
    assert float(held[0]) == pytest.approx(16 * asked.spec.parameters / 8, rel=1e-4)


def test_tensor_and_pipeline_ranks_divide_the_weights() -> None:
    asked = job("gpt-3-175b", "384xa100-sxm4-80gb", 2048, 1536)
    one = asked.spec.parameters
    held = of(asked, Plan(8, 12, 4), Plan(1, 1, 384), Plan(8, 1, 48), Plan(1, 12, 32)).parts["weights"] / 2
    # the ends have the table of tokens as well; norms and biases lie whole on every tensor rank
    table = 50257 * 12288
    assert held[1] == pytest.approx(one)
    assert held[2] == pytest.approx(one / 8, rel=0.005)
    assert held[3] == pytest.approx((one - table) / 12 + table, rel=0.01)
    assert held[0] == pytest.approx(held[3] / 8, rel=0.02)


def test_adapters_have_states_and_the_model_weights_alone() -> None:
    asked = job("llama-3.1-8b", "8xh100-sxm5", 2048, 8, lora_rank=16)
    memory = of(asked, Plan(data_parallel=8, zero="none"))
    weights = float(memory.parts["weights"][0]) / 2
    adapters = weights - asked.spec.parameters
    # rank x (in + out) of the attention's matrices, which arXiv:2106.09685 adapts: q, o, k and v
    expected = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
    assert adapters == pytest.approx(expected)
    assert float(memory.parts["gradients"][0]) == pytest.approx(4 * adapters)
    assert float(memory.parts["optimizer"][0]) == pytest.approx(12 * adapters)


def test_activations_of_gpt_are_korthikantis() -> None:
    """arXiv:2205.05198, table 2, without the scores that FlashAttention does not keep: 34 bytes a token and unit of
    width and layer, 2 with full recomputation, divided by tensor ranks under sequence parallelism; the first of p
    ranks holds p micro-batches of L / p layers."""
    asked = job("gpt-3-175b", "64xa100-sxm4-80gb", 2048, 64)
    one = 2048 * 12288 * 96
    plans = [
        Plan(8, 8, 1), Plan(8, 8, 1, recomputation="full"), Plan(8, 1, 8), Plan(8, 4, 2), Plan(8, 4, 2, micro_batch=4),
        Plan(8, 8, 1, interleave=3), Plan(8, 8, 1, recomputation="full", recompute_share=50),
    ]  # fmt: skip
    held = of(asked, *plans).parts["activations"] / one * 8
    np.testing.assert_allclose(held, [34, 2, 34, 34, 4 * 34, 34 * (1 + 7 / 24), 18], rtol=0.02)
    without = of(asked, replace(plans[0], sequence_parallel=False)).parts["activations"] / one
    assert float(without[0]) == pytest.approx(10 + 24 / 8, rel=0.03)


# Largest torch.cuda.max_memory_allocated over all ranks, GiB: Megatron-Core on one node of 8 B200, models cut to a few
# layers. MooreThreads/SimuMax, docs/b200/b200_release_v1.2_summary.md at 1b8ca90 (2026-05-01).
MEASURED: list[tuple[str, int, int, Plan, float]] = [
    ("llama-3-70b", 12, 4096, Plan(1, 2, 4), 66.55),
    ("llama-3-70b", 12, 4096, Plan(2, 1, 4), 60.68),
    ("llama-3-70b", 12, 4096, Plan(4, 1, 2), 39.07),
    ("llama-3-70b", 12, 4096, Plan(8, 1, 1), 28.29),
    ("llama-3.1-405b", 4, 4096, Plan(1, 2, 4), 87.08),
    ("llama-3.1-405b", 4, 4096, Plan(2, 1, 4), 81.59),
    ("llama-3.1-405b", 4, 4096, Plan(8, 1, 1), 38.57),
    ("llama-3-70b", 12, 32768, Plan(2, 1, 1, 4), 68.43),
    ("llama-3-70b", 12, 32768, Plan(1, 1, 1, 8), 104.51),
    ("llama-3.1-405b", 4, 131072, Plan(2, 1, 1, 4), 118.13),
]


@pytest.mark.parametrize(("name", "layers", "seq_len", "plan", "measured"), MEASURED)
def test_peaks_that_were_measured(name: str, layers: int, seq_len: int, plan: Plan, measured: float) -> None:
    whole = job(name, "8xb200", seq_len, 32)
    (block,) = whole.spec.blocks
    cut = replace(whole, spec=replace(whole.spec, blocks=(replace(block, count=layers),)))
    memory = of(cut, plan)
    allocated = memory.total - memory.parts["runtime"] - memory.parts["fragmentation"]
    assert float(allocated[0]) / GIB == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize(
    ("seq_len", "global_batch", "plan"),
    [
        (8192, 2048, Plan(8, 16, 64, zero="zero2")),
        (8192, 2048, Plan(8, 16, 128, interleave=8, zero="zero2")),
        (131072, 128, Plan(8, 16, 8, 16, interleave=8, zero="zero2", context_method="all-gather")),
    ],
)
def test_llama_3_405b_fits_as_it_was_trained(seq_len: int, global_batch: int, plan: Plan) -> None:
    """arXiv:2407.21783, table 4 and section 3.3.2, on H100s of 80 GB without recomputation.

    How many stages a rank had is not published. With 16 micro-batches none of any interleaving holds more than 16.
    """
    asked = job("llama-3.1-405b", f"{plan.chips}xh100-sxm5", seq_len, global_batch)
    plans = Plans.of([plan])
    assert asked.chip.memory <= 80 * GIB
    assert float(device_memory.estimate(asked, plans).total[0]) <= asked.chip.memory


def test_what_saves_memory_saves_memory() -> None:
    asked = job("llama-3.1-70b", "128xh100-sxm5", 4096, 256)
    base = Plan(4, 4, 8, micro_batch=2)

    def totals(**values: list[Any]) -> np.ndarray:
        ((name, listed),) = values.items()
        return of(asked, *(replace(base, **{name: value}) for value in listed)).total

    assert np.all(np.diff(totals(recomputation=["none", "selective", "full"])) < 0)
    assert np.all(np.diff(totals(zero=["none", "zero1"])) < 0)
    assert np.all(np.diff(totals(micro_batch=[1, 2, 4, 8])) > 0)
    assert np.all(np.diff(totals(sequence_parallel=[True, False])) > 0)
    assert np.all(np.diff(totals(shard_group=[1, 2, 4, 8])) < 0)
    assert np.all(np.diff(totals(interleave=[2, 4, 5, 10])) < 0)
    assert totals(schedule=["1f1b", "zero-bubble", "gpipe"]).tolist() == sorted(
        totals(schedule=["1f1b", "zero-bubble", "gpipe"])
    )
    full = replace(base, recomputation="full")
    shares = of(asked, *(replace(full, recompute_share=share) for share in (25, 50, 75, 100))).parts["activations"]
    np.testing.assert_allclose(np.diff(shares), np.diff(shares)[0])
    assert np.all(np.diff(shares) < 0)


def test_runtime_and_fragmentation_come_on_top() -> None:
    """What the driver, NCCL and cuBLAS take before training starts is some GB (PyTorch's CUDA semantics notes)."""
    memory = of(job(), Plan(data_parallel=64))
    assert 0.5 * GB < float(memory.parts["runtime"][0]) < 4 * GB
    rest = memory.total - memory.parts["runtime"] - memory.parts["fragmentation"]
    assert 0 < float((memory.parts["fragmentation"] / rest)[0]) < 0.1


def test_the_last_rank_counts_where_it_holds_the_logits() -> None:
    """A large vocabulary on few layers: the last rank needs more than the first, whose micro-batches in flight are
    small."""
    asked = job("gemma-2-2b", "4xh100-sxm5", 8192, 8)
    memory = of(asked, Plan(pipeline_parallel=2, data_parallel=2, recomputation="full"))
    head = parts.estimate(spec("gemma-2-2b"), 8192, Sharding(), loss="fused")[-1]
    logits = float(np.asarray(head.saved["none"] + head.transient))
    assert logits > 256000 * 8192 * 2
    assert float(memory.total[0]) > logits
    assert float(memory.parts["transient"][0]) == pytest.approx(logits)
