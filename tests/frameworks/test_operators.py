"""The operator graph against PyTorch's own counter, against published counts, and against brute force."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.catalog.architecture import Block, FeedForward, GroupedQueryAttention, ModelSpec, llama
from aistack.catalog.configuration import spec_of
from aistack.catalog.models import KIND, spec
from aistack.frameworks.operators import (
    Kind,
    cache_bytes_per_token,
    counted_flop,
    flops_per_token,
    forward,
    training_step,
)

# GFLOP of training a token, as published throughput tables imply them: attention in full, and halved by the mask.
ANCHORS = [
    ("llama-3-8b", 8192, 57.9, 51.5),
    ("llama-3-70b", 8192, 481.4, 449.2),
    ("llama-3.1-405b", 8192, 2625, 2524),
    ("gpt-3-175b", 2048, 1076, None),
]


@pytest.mark.parametrize(("name", "seq_len", "full", "halved"), ANCHORS)
def test_published_flop_of_a_token(name: str, seq_len: int, full: float, halved: float | None) -> None:
    rounding = 0.05 if full < 1000 else 0.5
    assert flops_per_token(spec(name), seq_len) / 1e9 == pytest.approx(full, abs=rounding)
    if halved is not None:
        assert flops_per_token(spec(name), seq_len, "causal") / 1e9 == pytest.approx(halved, abs=rounding)


COUNTABLE = [KIND.load(name) for name in KIND.names() if not KIND.load(name).missing]


@pytest.mark.parametrize("name", [model.id for model in COUNTABLE])
def test_every_model_costs_two_flop_a_multiplying_parameter(name: str) -> None:
    model = spec(name)
    tokens = 64
    table = 0 if model.tied_embeddings else model.vocab * model.hidden
    multiplying = model.active_parameters - table - model.embedding_parameters
    counted = counted_flop(forward(model, 1, tokens, convention="parameters")) / tokens
    # norms, biases, convolutions and hyper-connections hold parameters but no matrix: under 0.6% everywhere
    assert counted <= 2 * multiplying
    assert counted == pytest.approx(2 * multiplying, rel=0.006)


@pytest.mark.parametrize("name", ["llama-3.1-70b", "deepseek-v3", "qwen3.5-27b", "gemma-3-27b", "gpt-oss-120b"])
def test_decoding_one_token_reads_every_active_weight_once(name: str) -> None:
    model = spec(name)
    table = 0 if model.tied_embeddings else model.vocab * model.hidden
    weights = 2 * (model.active_parameters - table)
    read = sum(each.total_bytes for each in forward(model, 1, 1, cached=1, element_bytes=2) if each.kind == "matmul")
    assert read == pytest.approx(weights, rel=0.02)


def _attending(window: int | None, chunked: bool) -> ModelSpec:
    part = GroupedQueryAttention(4, 2, 8, window=window, chunked=chunked)
    return ModelSpec("it", 32, 50, (Block(3, part, FeedForward(40), 64),), True, 512)


def _attention_flop(model: ModelSpec, seq_len: int, cached: int = 0) -> float:
    operators = forward(model, 2, seq_len, cached=cached, convention="causal")
    return sum(each.total_flop for each in operators if each.kind == "attention")


@given(st.integers(1, 70), st.integers(0, 70), st.none() | st.integers(1, 40), st.booleans())
def test_pairs_are_those_that_a_mask_lets_through(seq_len: int, cached: int, window: int | None, chunked: bool) -> None:
    chunked = chunked and window is not None

    def sees(query: int, key: int) -> bool:
        if key > query:
            return False
        if window is None:
            return True
        return query // window == key // window if chunked else query - key < window

    pairs = sum(sees(query, key) for query in range(cached, cached + seq_len) for key in range(cached + seq_len))
    flop = 3 * 2 * 2 * 4 * (8 + 8) * pairs  # layers, batch, FLOP a multiply-add, heads, widths of query and value
    assert _attention_flop(_attending(window, chunked), seq_len, cached) == flop


@given(st.integers(1, 60), st.integers(1, 60), st.none() | st.integers(1, 40), st.booleans())
def test_a_prefill_in_two_pieces_costs_what_it_costs_in_one(
    first: int, second: int, window: int | None, chunked: bool
) -> None:
    model = _attending(window, chunked and window is not None)
    whole = counted_flop(forward(model, 2, first + second, convention="causal"))
    pieces = counted_flop(forward(model, 2, first, convention="causal")) + counted_flop(
        forward(model, 2, second, cached=first, convention="causal")
    )
    assert whole == pieces


def test_cache_of_published_models() -> None:
    # Llama-2-7B keeps 512 KiB a token in 16 bits, Llama-3-8B a quarter of it; DeepSeek-V3 70,272 bytes (its report's
    # 576 elements a layer)
    assert cache_bytes_per_token(spec("llama-2-7b")) == 512 * 1024
    assert cache_bytes_per_token(spec("llama-3-8b")) == 128 * 1024
    assert cache_bytes_per_token(spec("deepseek-v3")) == 61 * 576 * 2


def test_training_step_holds_forward_backward_and_optimizer() -> None:
    model = llama("it", hidden=64, layers=3, heads=8, kv_heads=2, feed_forward=160, vocab=1000, max_context=256)
    step = training_step(model, 4, 32)
    matmul = sum(each.total_flop for each in step if each.kind == "matmul")
    ahead = sum(each.total_flop for each in forward(model, 4, 32) if each.kind == "matmul")
    assert matmul == 3 * ahead
    kinds: set[Kind] = {each.kind for each in step}
    assert kinds == {"matmul", "attention", "elementwise", "lookup", "optimizer"}
    mixed = training_step(model, 4, 32, element_bytes=2)
    assert counted_flop(mixed) == counted_flop(step)
    assert sum(each.total_bytes for each in mixed if each.kind == "matmul") == 0.5 * sum(
        each.total_bytes for each in step if each.kind == "matmul"
    )
    fused = training_step(model, 4, 32, fused=True)
    assert counted_flop(fused) == counted_flop(step)
    assert sum(each.total_bytes for each in fused) < sum(each.total_bytes for each in step)
    assert sum(each.count for each in fused) < sum(each.count for each in step)


_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 96,
    "vocab_size": 128,
    "max_position_embeddings": 64,
}
_EXPERTS = {"moe_intermediate_size": 48, "num_experts_per_tok": 2}
_LATENT = {
    **_SMALL,
    **_EXPERTS,
    "num_key_value_heads": 4,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 10,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "first_k_dense_replace": 2,
    "n_group": 1,
    "topk_group": 1,
}
del _LATENT["head_dim"]
# the index lets all 24 tokens through: transformers masks what it leaves out, and computes it nevertheless
_INDEXED = {**_LATENT, "index_n_heads": 4, "index_head_dim": 16, "index_topk": 24}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": _SMALL,
    "qwen2": _SMALL,
    "qwen3": _SMALL,
    "olmo2": _SMALL,
    "gemma2": _SMALL,
    "gemma3_text": _SMALL,
    "nemotron": _SMALL,
    "mixtral": {**_SMALL, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2_moe": {**_SMALL, **_EXPERTS, "num_experts": 8, "shared_expert_intermediate_size": 40},
    "qwen3_moe": {**_SMALL, **_EXPERTS, "num_experts": 8, "mlp_only_layers": [1]},
    "deepseek_v2": _LATENT,
    "deepseek_v3": _LATENT,
    "deepseek_v32": _INDEXED,
    "glm_moe_dsa": {**_INDEXED, "index_topk_freq": 4, "index_skip_topk_offset": 3},
    "glm4_moe": {**_SMALL, **_EXPERTS, "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1},
    "gpt_oss": {**_SMALL, "num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 64, "vocab_size": 128},
    "opt": {**_SMALL, "ffn_dim": 90, "word_embed_proj_dim": 64},
    "gpt_neox": _SMALL,
    "bloom": {"hidden_size": 64, "n_layer": 3, "n_head": 4, "vocab_size": 128},
    "falcon": {key: value for key, value in _SMALL.items() if key != "head_dim"},
}
RECURRENT: dict[str, dict[str, Any]] = {
    "qwen3_5_text": _SMALL,
    "qwen3_5_moe_text": {**_SMALL, **_EXPERTS, "num_experts": 8, "shared_expert_intermediate_size": 40},
    "nemotron_h": {
        **_SMALL,
        **_EXPERTS,
        "hybrid_override_pattern": "ME*-ME",
        "n_routed_experts": 4,
        "moe_shared_expert_intermediate_size": 30,
        "moe_latent_size": 32,
        "mamba_num_heads": 4,
        "mamba_head_dim": 32,
        "n_groups": 2,
        "ssm_state_size": 16,
    },
}


def _counted_by_pytorch(model_type: str, values: dict[str, Any], batch: int, seq_len: int) -> dict[str, int]:
    """FLOP by operation of one forward pass of the model that transformers builds."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from torch.utils.flop_counter import FlopCounterMode

    logging.getLogger("transformers").setLevel(logging.ERROR)
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.CONFIG_MAPPING[model_type](**values), attn_implementation="eager", experts_implementation="eager"
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.randint(0, 128, (batch, seq_len)), use_cache=False)
    return {str(operation).split(".")[-1]: flop for operation, flop in counter.get_flop_counts()["Global"].items()}


def _ours(model_type: str, values: dict[str, Any], kind: Kind) -> float:
    model = spec_of({**values, "model_type": model_type}, model_type, model_type)
    return sum(each.total_flop for each in forward(model, 2, 24) if each.kind == kind)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_forward_is_exactly_what_pytorch_counts_in_transformers(model_type: str) -> None:
    values = FAMILIES[model_type]
    counted = _counted_by_pytorch(model_type, values, 2, 24)
    assert _ours(model_type, values, "matmul") == counted.get("mm", 0) + counted.get("addmm", 0)
    assert _ours(model_type, values, "attention") == counted.get("bmm", 0) + counted.get("baddbmm", 0)


@pytest.mark.parametrize("model_type", RECURRENT)
def test_projections_of_recurrent_models_are_exactly_what_pytorch_counts(model_type: str) -> None:
    # the recurrences themselves are counted token by token here, while transformers' fallback works in padded chunks
    values = RECURRENT[model_type]
    counted = _counted_by_pytorch(model_type, values, 2, 24)
    assert _ours(model_type, values, "matmul") == counted.get("mm", 0) + counted.get("addmm", 0)
