"""A priced replica against what is known without it: rooflines, published sizes, brute force, and its own limits."""

from dataclasses import replace

import numpy as np
import pytest

from aistack import catalog
from aistack.catalog.architecture import MixtureOfExperts
from aistack.errors import BadInput, UnknownName
from aistack.frameworks.served import Ranks, Served, fullest
from aistack.infrastructure.cluster import cluster
from aistack.serving import formats, replica_memory, steady_state
from aistack.serving.deployment import Deployment, Deployments, Speculation
from aistack.serving.step_time import Server, server


def replica(model: str, chips: int, accelerator: str, **plan: object) -> Server:
    return server(catalog.model(model).spec, cluster(chips, accelerator), Deployment(**plan))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "chips", "accelerator", "plan"),
    [
        ("llama-3.1-8b", 1, "h100-sxm5", {}),
        ("llama-3.1-8b", 1, "a100-sxm4-80gb", {"engine": "tensorrt-llm"}),
        ("llama-3.1-70b", 4, "h100-sxm5", {"tensor_parallel": 4, "precision": "fp8"}),
        ("llama-3.1-8b", 1, "rtx-4090", {"engine": "llama.cpp", "precision": "q4_k_m"}),
    ],
)
def test_one_stream_reads_the_weights_and_adds_less_than_that_again(model, chips, accelerator, plan):
    one = replica(model, chips, accelerator, **plan)
    read = one.memory()["weights"] - one.spec.vocab * one.spec.hidden * 2 / chips
    roofline = float(read) / one.chip.memory_bandwidth
    assert roofline < float(one.decode(1, 1)) < 2.5 * roofline


def test_a_long_prompt_is_bound_by_arithmetic():
    one = replica("llama-3.1-8b", 1, "h100-sxm5")
    flop = 2 * 7.5e9 * 8192
    assert 1.0 < float(one.prefill(8192)) / (flop / one.chip.rate("bf16")) < 2.5


def test_steps_take_longer_the_more_is_in_them():
    one = replica("mixtral-8x7b", 2, "h100-sxm5", tensor_parallel=2)
    batch = np.arange(1, 300)
    assert np.all(np.diff(one.decode(batch, batch * 1000.0)) > 0)
    assert np.all(np.diff(one.decode(64, np.arange(1, 100) * 6400.0)) > 0)
    assert np.all(np.diff(one.prefill(np.array([16, 128, 1024, 8192, 32768]))) > 0)
    assert np.all(one.mixed(8, 8000, np.array([1, 100, 1000])) > one.decode(8, 8000))


@pytest.mark.parametrize("model", ["llama-3.1-70b", "deepseek-v3", "qwen3-235b-a22b"])
def test_a_decode_step_is_affine_in_what_the_cache_holds(model):
    one = replica(model, 8, "h200-sxm", tensor_parallel=8, precision="fp8")
    batch = np.array([1.0, 7.0, 64.0])
    base, per_token = one.affine(batch)
    for context in (10.0, 3000.0, 60000.0):
        assert one.decode(batch, batch * context) == pytest.approx(base + per_token * batch * context, rel=1e-6)


def test_windows_keep_a_step_from_growing_with_the_context():
    windowed = replica("gpt-oss-120b", 1, "h100-sxm5", precision="mxfp4")
    _, near = windowed.affine(16, 64.0)
    _, far = windowed.affine(16, 4096.0)
    # every other layer sees 128 tokens alone
    assert far == pytest.approx(near / 2, rel=0.01)


@pytest.mark.parametrize(
    ("model", "kib"),
    [("llama-3-70b", 320.0), ("llama-3-8b", 128.0), ("deepseek-v3", 61 * 576 * 2 / 1024), ("qwen2.5-72b", 320.0)],
)
def test_bytes_of_a_cached_token_are_those_that_are_published(model, kib):
    one = replica(model, 1, "b200-sxm")
    assert float(replica_memory.per_token(one)) == kib * 1024


def test_key_value_heads_are_divided_until_each_rank_has_one_and_latents_are_not():
    def tokens(model: str, size: int) -> float:
        return float(replica_memory.per_token(replica(model, 16, "h200-sxm", tensor_parallel=size)))

    assert tokens("llama-3-70b", 8) == tokens("llama-3-70b", 1) / 8 == tokens("llama-3-70b", 16)
    assert tokens("deepseek-v3", 8) == tokens("deepseek-v3", 1)


def test_weights_are_as_large_as_their_published_files():
    # NVIDIA's Llama-3.1-70B in bf16 has 141 GB, openai/gpt-oss-120b 65.2 GB, DeepSeek-V3 in fp8 about 0.69 TB with the
    # module for multi-token prediction of 14 GB
    eight = {"tensor_parallel": 8}
    assert float(replica("llama-3.1-70b", 8, "h100-sxm5", **eight).memory()["weights"]) * 8 == pytest.approx(
        141e9, rel=0.02
    )
    assert float(replica("gpt-oss-120b", 1, "h100-sxm5", precision="mxfp4").memory()["weights"]) == pytest.approx(
        65.2e9, rel=0.03
    )
    # files for llama.cpp narrow the output matrix and the table of tokens too: 4.92 and 8.54 GB of Llama 3.1 8B
    # (huggingface.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF), 12.1 GB of gpt-oss 20B (ggml-org/gpt-oss-20b-GGUF)
    for model, precision, size in (
        ("llama-3.1-8b", "q4_k_m", 4.92e9),
        ("llama-3.1-8b", "q8_0", 8.54e9),
        ("gpt-oss-20b", "mxfp4_moe", 12.1e9),
    ):
        file = replica(model, 1, "rtx-4090", precision=precision, engine="llama.cpp")
        assert float(file.memory()["weights"]) == pytest.approx(size, rel=0.05), (model, precision)
    large = replica("deepseek-v3", 8, "h200-sxm", precision="fp8-block", **eight)
    assert float(large.memory()["weights"]) * 8 == pytest.approx(675e9, rel=0.05)


def test_memory_sums_to_the_accelerators_and_halves_of_the_cache_hold_twice():
    wide = replica("llama-3.1-8b", 1, "h100-sxm5")
    narrow = replica("llama-3.1-8b", 1, "h100-sxm5", kv_precision="fp8")
    assert sum(float(part) for part in wide.memory().values()) == pytest.approx(wide.chip.memory)
    assert float(narrow.kv_capacity) == pytest.approx(2 * float(wide.kv_capacity), rel=1e-4)
    assert float(replica("llama-3.1-405b", 1, "h100-sxm5").kv_capacity) == 0


def test_seventy_billion_weights_in_eight_bits_are_served_on_one_accelerator_of_80_gb():
    """TensorRT-LLM's fraction is of what the weights leave: NVIDIA publishes 3,128 tokens/s of 128 + 128 tokens there
    (TensorRT-LLM, docs/source/performance/perf-overview.md), which ten sequences at once are too few for."""
    one = replica("llama-3.3-70b", 1, "h100-sxm5", precision="fp8", kv_precision="fp8", engine="tensorrt-llm")
    assert float(one.kv_capacity) > 50 * 256
    assert float(replica("llama-3.3-70b", 1, "h100-sxm5", precision="fp8", kv_precision="fp8").kv_capacity) < 50 * 256


def test_launches_without_graphs_bound_small_steps_of_old_releases():
    """vLLM before graphs took 12 ms for five sequences of Llama 2 7B, and 10.5 ms with them
    (github.com/vllm-project/vllm, pull request 1440); eight accelerators then gained next to nothing over four."""
    spec = catalog.model("llama-2-70b").spec
    steps = {}
    for size in (2, 4, 8):
        plan = Deployment(tensor_parallel=size, precision="fp16", kv_precision="fp16", engine="vllm-v0")
        one = server(spec, cluster(8, "a100-sxm4-80gb"), plan)
        eager = one.with_engine(replace(one.engine, captured=0.0))
        assert float(eager.decode(64, 64_000)) >= float(one.decode(64, 64_000))
        steps[size] = float(eager.decode(1, 512)), float(one.decode(1, 512))
    assert steps[4][0] / steps[8][0] < 1.15 < steps[4][1] / steps[8][1]


def test_a_batch_reads_the_experts_that_its_rows_hit():
    spec = catalog.model("qwen3-235b-a22b").spec
    part = next(block.feed_forward for block in spec.blocks if isinstance(block.feed_forward, MixtureOfExperts))
    chance = np.random.default_rng(1)
    for rows in (1, 8, 64):
        hit = np.mean(
            [
                len({e for _ in range(rows) for e in chance.permutation(part.experts)[: part.experts_per_token]})
                for _ in range(200)
            ]
        )
        graph = Served(spec, np.array([float(rows)]), Ranks())
        piece = graph.matmul("experts up_proj", graph.rows * part.experts_per_token, 1, 1, experts=part.experts)
        assert piece.product is not None
        assert float(piece.product.groups[0]) == pytest.approx(hit, rel=0.03)


def test_the_fullest_of_some_ranks_is_as_full_as_when_rows_are_dealt_at_random():
    chance = np.random.default_rng(1)
    dealt = chance.multinomial(800, np.full(8, 1 / 8), size=2000).max(axis=1).mean()
    assert float(fullest(np.array(100.0), np.array(8.0))) == pytest.approx(dealt, rel=0.1)
    assert float(fullest(np.array(5.0), np.array(1.0))) == 5


def test_deployments_in_columns_are_priced_as_each_alone():
    plans = [Deployment(tensor_parallel=size, max_batch=most) for size, most in ((1, 8), (2, 64), (4, 256))]
    spec, system = catalog.model("qwen3-32b").spec, cluster(4, "h200-sxm")
    many = server(spec, system, Deployments.of(plans))
    together = steady_state.estimate(many, 1000, 200, concurrency=32)
    for place, plan in enumerate(plans):
        alone = steady_state.estimate(server(spec, system, plan), 1000, 200, concurrency=32)
        for name in ("throughput", "ttft", "tpot", "batch", "kv_occupancy"):
            assert float(getattr(together, name)[place]) == pytest.approx(float(getattr(alone, name)), rel=1e-9)


def test_narrow_weights_are_read_sooner_and_widened_ones_do_not_multiply_faster():
    narrow, wide = (replica("llama-3.1-8b", 1, "h100-sxm5", precision=name) for name in ("int4", "bf16"))
    assert float(narrow.decode(1, 1000)) < 0.7 * float(wide.decode(1, 1000))
    assert float(narrow.prefill(8192)) >= float(wide.prefill(8192))
    assert formats.weights("nvfp4").widened(wide.chip)
    assert not formats.weights("fp8").widened(wide.chip)


def test_a_pipeline_reads_one_prompt_no_faster_than_its_steps_allow_and_many_as_fast_as_all_ranks():
    whole, staged = (replica("llama-3.1-8b", 4, "h100-sxm5", pipeline_parallel=size, chunk=1024) for size in (1, 4))
    assert float(staged.prefill(1024)) == pytest.approx(float(whole.prefill(1024)), rel=0.05)
    assert float(staged.prefill(1024, 0, 400)) == pytest.approx(float(whole.prefill(1024, 0, 400)) / 4, rel=0.05)


def test_wrong_deployments_say_what_is_wrong():
    with pytest.raises(BadInput, match="tensor_parallel is 0"):
        Deployment(tensor_parallel=0)
    with pytest.raises(BadInput, match="precision is 'bf17'; it must be one of"):
        Deployment(precision="bf17")
    with pytest.raises(BadInput, match="Experts in 3 parts"):
        Deployment(tensor_parallel=4, expert_parallel=3)
    with pytest.raises(BadInput, match="in columns"):
        Deployments.of([Deployment(), Deployment(precision="fp8")])
    with pytest.raises(BadInput, match="does not fit in a cluster of 2"):
        replica("llama-3.1-8b", 2, "h100-sxm5", tensor_parallel=4)
    with pytest.raises(UnknownName):
        replica("llama-3.1-8b", 2, "h100-sxm5", engine="vlm")
    with pytest.raises(BadInput, match="from 0 to 1"):
        Speculation("mtp", 2, 1.5)
    with pytest.raises(BadInput, match="draft model is named"):
        Speculation("draft", 2, 0.5)
