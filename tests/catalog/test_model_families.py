"""Every family against Hugging Face transformers: models built on the meta device, counted exactly."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from aistack.catalog.configuration import spec_of
from aistack.catalog.models import KIND

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 128,
    "max_position_embeddings": 64,
}
_GPT = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 50, "vocab_size": 128}
_EXPERTS = {"moe_intermediate_size": 48, "num_experts_per_tok": 2}
_LATENT = {
    **_SMALL,
    **_EXPERTS,
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
_INDEX = {"index_n_heads": 4, "index_head_dim": 16, "index_topk": 8}
_MAMBA = {
    **_SMALL,
    **_EXPERTS,
    "hybrid_override_pattern": "ME*-ME",
    "n_routed_experts": 4,
    "moe_shared_expert_intermediate_size": 30,
    "mamba_num_heads": 4,
    "mamba_head_dim": 32,
    "n_groups": 2,
    "ssm_state_size": 16,
}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _SMALL),
    "llama with biases, tied": (
        "llama",
        {**_SMALL, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 20},
    ),
    "mistral": ("mistral", _SMALL),
    "phi3": ("phi3", {**_SMALL, "pad_token_id": 0}),
    "olmo2": ("olmo2", _SMALL),
    "qwen2": ("qwen2", _SMALL),
    "qwen3": ("qwen3", _SMALL),
    "gemma": ("gemma", _SMALL),
    "gemma2": ("gemma2", _SMALL),
    "gemma3": ("gemma3_text", _SMALL),
    "nemotron": ("nemotron", _SMALL),
    "mixtral": ("mixtral", {**_SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "minimax_m2": ("minimax_m2", {**_SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen3_moe": (
        "qwen3_moe",
        {**_SMALL, **_EXPERTS, "num_experts": 8, "mlp_only_layers": [1], "decoder_sparse_step": 2},
    ),
    "qwen2_moe": ("qwen2_moe", {**_SMALL, **_EXPERTS, "num_experts": 8, "shared_expert_intermediate_size": 40}),
    "deepseek_v2": ("deepseek_v2", _LATENT),
    "deepseek_v3": ("deepseek_v3", _LATENT),
    "deepseek_v3 without query rank": ("deepseek_v3", {**_LATENT, "q_lora_rank": None, "attention_bias": True}),
    "deepseek_v32": ("deepseek_v32", {**_LATENT, **_INDEX}),
    "glm_moe_dsa": ("glm_moe_dsa", {**_LATENT, **_INDEX}),
    "glm_moe_dsa sharing": ("glm_moe_dsa", {**_LATENT, **_INDEX, "index_topk_freq": 4, "index_skip_topk_offset": 3}),
    "glm4_moe": (
        "glm4_moe",
        {
            **_SMALL,
            **_EXPERTS,
            "n_routed_experts": 8,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "use_qk_norm": True,
            "attention_bias": True,
        },
    ),
    "gpt_oss": ("gpt_oss", {**_SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "llama4": (
        "llama4_text",
        {
            **_SMALL,
            "num_local_experts": 4,
            "num_experts_per_tok": 1,
            "intermediate_size_mlp": 100,
            "interleave_moe_layer_step": 2,
        },
    ),
    "gpt2": ("gpt2", _GPT),
    "opt": ("opt", {**_SMALL, "ffn_dim": 90, "word_embed_proj_dim": 64}),
    "gpt_neox": ("gpt_neox", _SMALL),
    "gptj": ("gptj", {**_GPT, "rotary_dim": 8}),
    "phi": ("phi", _SMALL),
    "bloom": ("bloom", {"hidden_size": 64, "n_layer": 3, "n_head": 4, "vocab_size": 128}),
    "falcon": ("falcon", _SMALL),
    "falcon grouped": ("falcon", {**_SMALL, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "qwen3_5": ("qwen3_5_text", _SMALL),
    "qwen3_5_moe": (
        "qwen3_5_moe_text",
        {**_SMALL, **_EXPERTS, "num_experts": 8, "shared_expert_intermediate_size": 40},
    ),
    "qwen3_next": ("qwen3_next", {**_SMALL, **_EXPERTS, "num_experts": 8, "shared_expert_intermediate_size": 40}),
    "nemotron_h": ("nemotron_h", _MAMBA),
    "nemotron_h with a latent": ("nemotron_h", {**_MAMBA, "moe_latent_size": 32}),
    "gemma4": ("gemma4_text", {**_SMALL, "hidden_size_per_layer_input": 0}),
    "gemma4 with experts": (
        "gemma4_text",
        {
            **_SMALL,
            "hidden_size_per_layer_input": 0,
            "enable_moe_block": True,
            "num_experts": 8,
            "top_k_experts": 2,
            "moe_intermediate_size": 40,
            "attention_k_eq_v": True,
            "num_global_key_value_heads": 1,
        },
    ),
    "mimo_v2_flash": ("mimo_v2_flash", {**_SMALL, **_EXPERTS, "n_routed_experts": 8}),
    "minimax_m3": (
        "minimax_m3_vl_text",
        {
            **_SMALL,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "dense_intermediate_size": 100,
            "shared_intermediate_size": 50,
            "moe_layer_freq": [0, 0, 1, 1, 1, 1],
            "sparse_attention_config": {
                "sparse_attention_freq": [0, 0, 0, 1, 1, 1],
                "sparse_index_dim": 24,
                "sparse_num_index_heads": 3,
            },
        },
    ),
    "deepseek_v4": (
        "deepseek_v4",
        {
            **_SMALL,
            **_EXPERTS,
            "intermediate_size": 48,
            "num_key_value_heads": 1,
            "n_routed_experts": 8,
            "q_lora_rank": 24,
            "o_lora_rank": 12,
            "o_groups": 2,
            "head_dim": 16,
            "qk_rope_head_dim": 4,
            "index_n_heads": 3,
            "index_head_dim": 10,
            "hc_mult": 3,
            "compress_ratios": [0, 0, 4, 128, 4, 128, 0],
        },
    ),
}

REAL = (
    "llama-3.1-405b",
    "qwen2.5-72b",
    "qwen3-30b-a3b",
    "mixtral-8x22b",
    "deepseek-v3",
    "deepseek-v3.2",
    "gpt-oss-20b",
    "gemma-2-27b",
    "gemma-3-12b",
    "llama-4-maverick",
    "glm-4.5",
    "bloom-7b1",
    "falcon-40b",
    "gpt2-xl",
    "opt-66b",
    "pythia-12b",
    "phi-2",
    "nemotron-4-15b",
    "qwen3.5-27b",
    "qwen3.5-35b-a3b",
    "nemotron-h-56b",
    "nemotron-3-nano-30b-a3b",
    "gemma-4-26b-a4b",
    "mimo-v2-flash",
    "minimax-m2.5",
    "deepseek-v4-flash",
)


def _count(model_type: str, values: dict[str, Any]) -> int:
    """Parameters of the model that transformers builds, without memory for any of them."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    configuration = transformers.CONFIG_MAPPING[model_type](**values)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(configuration)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("case", CASES)
def test_family_counts_as_transformers_does(case: str) -> None:
    model_type, values = CASES[case]
    assert spec_of({**values, "model_type": model_type}, case, case).parameters == _count(model_type, values)


@pytest.mark.parametrize("name", REAL)
def test_published_model_counts_as_transformers_does(name: str) -> None:
    model = KIND.load(name)
    values = {key: value for key, value in model.config.items() if key not in {"model_type", "quant_method"}}
    assert model.spec.parameters == _count(model.config["model_type"], values)
