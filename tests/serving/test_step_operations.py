"""A step's operations one by one: together they are the step, and what they move and compute is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from aistack import catalog
from aistack.infrastructure.cluster import cluster
from aistack.serving import step_operations
from aistack.serving.deployment import Deployment
from aistack.serving.step_operations import Operation
from aistack.serving.step_time import Server, server

CASES = {
    "dense": ("llama-3.1-8b", "1xh100-sxm5", Deployment()),
    "split": ("llama-3.1-70b", "4xh100-sxm5", Deployment(tensor_parallel=4, precision="fp8")),
    "stages": ("llama-3.1-70b", "4xh100-sxm5", Deployment(tensor_parallel=2, pipeline_parallel=2)),
    "experts": ("qwen3-30b-a3b", "1xh100-sxm5", Deployment()),
    "latent": ("deepseek-v3", "8xh200-sxm", Deployment(tensor_parallel=8, precision="fp8")),
}


def _served(name: str) -> Server:
    model, on, plan = CASES[name]
    count, _, chip = on.partition("x")
    return server(catalog.model(model).spec, cluster(int(count), chip), plan, context=1024)


def _sum(operations: Sequence[Operation], what: str) -> float:
    return float(sum(np.sum(getattr(each, what)) for each in operations))


@pytest.mark.parametrize("name", CASES)
def test_operations_together_are_the_step(name: str) -> None:
    one = _served(name)
    bare = one.with_engine(replace(one.engine, communication=0.0, step_overhead=0.0, sequence_overhead=0.0))
    for batch in (1.0, 32.0):
        decode = step_operations.decode(one, batch, batch * 1024)
        # tokens are chosen beside, and what overlaps in sum overlaps a little less one by one
        assert _sum(decode, "seconds") == pytest.approx(float(bare.decode(batch, batch * 1024)), rel=0.05)
    stages = float(one.stages)
    for prompt in (700.0, 9000.0):
        prefill = step_operations.prefill(one, prompt)
        whole = float(bare.prefill(prompt))
        steps = np.ceil(prompt / float(one.chunk))
        # the pipeline fills first, and a prompt alone leaves it empty but for one part
        expected = whole * steps * stages / (steps + stages - 1)
        assert _sum(prefill, "seconds") == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", ["dense", "split"])
def test_what_is_read_and_computed_is_what_the_model_has(name: str) -> None:
    one = _served(name)
    spec, ranks, batch, context = one.spec, float(one.chips), 8.0, 1024.0
    size = {"bf16": 2.0, "fp8": 1.0}[one.deployments.common.precision]
    decode = step_operations.decode(one, batch, batch * context)
    products = [each for each in decode if each.name.endswith(("projection", "projections"))]
    matrices = spec.parameters - 2 * spec.vocab * spec.hidden
    # a row multiplies with every weight once, and all rows read them once
    assert _sum(products, "flop") == pytest.approx(2 * batch * matrices / ranks, rel=1e-3)
    assert _sum(products, "bytes") == pytest.approx(size * matrices / ranks, rel=0.03)
    (attention,) = (each for each in decode if each.name == "attention")
    heads, kv_heads, wide = {"dense": (32, 8, 128), "split": (64, 8, 128)}[name]
    # the new token's among them, keys and values of 16 bits; each query head meets each key and each value
    pairs = batch * (context + 1)
    assert float(attention.bytes) == pytest.approx(pairs * 2 * kv_heads * wide * 2 * spec.layers / ranks)
    assert float(attention.flop) == pytest.approx(4 * pairs * heads * wide * spec.layers / ranks, rel=1e-6)


def test_a_prompt_computes_what_its_tokens_do() -> None:
    one = _served("dense")
    short, long = (step_operations.prefill(one, tokens) for tokens in (1000.0, 8000.0))
    of = [_sum([each for each in found if each.name != "attention"], "flop") for found in (short, long)]
    assert of[1] == pytest.approx(8 * of[0], rel=0.02)
    quadratic = [float(next(each.flop for each in found if each.name == "attention")) for found in (short, long)]
    assert quadratic[1] == pytest.approx(64 * quadratic[0], rel=0.01)
    # what the cache holds is attended to, not computed
    held = step_operations.prefill(one, 1000.0, 7000.0)
    rest = [each for each in held if each.name != "attention"]
    assert _sum(rest, "flop") == pytest.approx(of[0])


def test_more_at_once_compute_more_on_each_byte() -> None:
    one = _served("experts")
    batch = np.array([1.0, 4.0, 16.0, 64.0])
    operations = step_operations.decode(one, batch, 1024 * batch)
    flop, moved = (sum(getattr(each, what) for each in operations) for what in ("flop", "bytes"))
    assert np.all(np.diff(flop / moved) > 0)
    # a larger batch touches more experts, never more than there are
    experts = next(each for each in operations if each.name.startswith("experts gate"))
    assert np.all(np.diff(experts.bytes) > 0) and experts.bytes[-1] < 64 * experts.bytes[0]
