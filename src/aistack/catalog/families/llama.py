"""How each family of Llama's descendants is built: from its configuration's fields to a `ModelSpec`.

A family is a value of `model_type`. Defaults for absent fields are those of the configuration classes of Hugging Face
transformers (5.23), since a config.json leaves out what equals them. Heads for multi-token prediction and encoders
for images are not part of the language model and are not counted.
"""

from __future__ import annotations

from dataclasses import replace

from aistack.catalog.architecture import (
    FeedForward,
    FeedForwardPart,
    GroupedQueryAttention,
    Indexer,
    Mixer,
    MixtureOfExperts,
    ModelSpec,
    MultiHeadLatentAttention,
)
from aistack.catalog.families.building import Family, QueryKeyNorm, attention, decoder, routed, swiglu, windows
from aistack.catalog.families.fields import Fields


def _dense(fields: Fields) -> ModelSpec:
    """The Llama skeleton: RMS norms, rotary positions, gated feed-forward."""
    family, layers = fields.word("model_type", "llama"), fields.layers()
    bias = fields.flag("attention_bias", False) if family in {"llama", "qwen3", "olmo2"} else False
    if family in {"qwen2", "mimo"}:
        bias = True
    norm: QueryKeyNorm = {"qwen3": "head", "olmo2": "all"}.get(family, "none")  # type: ignore[assignment]
    window = fields.maybe("sliding_window")
    if family in {"qwen2", "mimo", "qwen3"} and not fields.flag("use_sliding_window", False):
        window = None
    if family in {"llama", "olmo2", "gemma"}:
        window = None
    part = attention(
        fields,
        bias=bias,
        output_bias=bias and family not in {"qwen2", "mimo"},
        qk_norm=norm,
        head_dim={"gemma": 256, "qwen3": 128}.get(family),
        window=window,
    )
    block = (part, swiglu(fields, fields.flag("mlp_bias", False) if family == "llama" else False))
    return decoder(fields, [block] * layers, tied=family == "gemma")


def _gemma(fields: Fields) -> ModelSpec:
    """Four norms a layer, local layers between global ones: every second (Gemma 2) or five of six (Gemma 3)."""
    third = fields.word("model_type", "") != "gemma2"
    layers = fields.layers()
    every = fields.count("sliding_window_pattern", "_sliding_window_pattern", default=6 if third else 2)
    window = fields.count("sliding_window", default=512 if third else 4096)
    each = windows(fields, layers, window, lambda i: (i + 1) % every != 0)
    qk_norm: QueryKeyNorm = "head" if third else "none"
    parts = [(attention(fields, qk_norm=qk_norm, head_dim=256, window=seen), swiglu(fields)) for seen in each]
    return decoder(fields, parts, tied=True, norms=4, vocab=262208 if third else None)


def _nemotron(fields: Fields) -> ModelSpec:
    """Layer norms with bias and a plain feed-forward of squared ReLU (Nemotron-4, arXiv:2402.16819)."""
    bias = fields.flag("mlp_bias", False)
    block = (
        attention(fields, bias=fields.flag("attention_bias", False)),
        FeedForward(fields.count("intermediate_size"), gated=False, bias=bias),
    )
    return decoder(fields, [block] * fields.layers(), norm="layer", norm_bias=True)


def _mixtral(fields: Fields) -> ModelSpec:
    """Every layer a mixture of experts as wide as `intermediate_size`."""
    family = fields.word("model_type", "")
    part = attention(
        fields,
        qk_norm="all" if family == "minimax_m2" and fields.flag("use_qk_norm", True) else "none",
        head_dim=128 if family == "minimax_m2" else None,
        window=fields.maybe("sliding_window"),
    )
    block = (part, routed(fields, "num_local_experts", "num_experts", width="intermediate_size"))
    return decoder(fields, [block] * fields.layers(), tied=family == "grok-1", norms=4 if family == "grok-1" else 2)


def _qwen_moe(fields: Fields) -> ModelSpec:
    """Experts in every `decoder_sparse_step`-th layer but those of `mlp_only_layers`; Qwen 2 has a gated shared one."""
    second = fields.word("model_type", "") == "qwen2_moe"
    step = fields.count("decoder_sparse_step", default=1)
    dense = set(fields.items("mlp_only_layers", int) or ())
    shared = fields.count("shared_expert_intermediate_size", least=0) if second else 0
    experts = routed(
        fields,
        "num_experts",
        "num_local_experts",
        width="moe_intermediate_size",
        shared_width=shared,
        shared_gate=second,
    )
    bias = second or fields.flag("attention_bias", False)
    part = attention(fields, bias=bias, output_bias=bias and not second, qk_norm="none" if second else "head")
    layers: list[tuple[Mixer, FeedForwardPart]] = [
        (part, experts if i not in dense and (i + 1) % step == 0 else swiglu(fields)) for i in range(fields.layers())
    ]
    return decoder(fields, layers)


def _deepseek(fields: Fields) -> ModelSpec:
    """Latent attention, the first layers dense, then routed and shared experts (DeepSeek-V3, arXiv:2412.19437)."""
    family = fields.word("model_type", "")
    rank = fields.maybe("q_lora_rank")
    part = MultiHeadLatentAttention(
        fields.count("num_attention_heads"),
        rank,
        fields.count("kv_lora_rank"),
        fields.count("qk_nope_head_dim"),
        fields.count("qk_rope_head_dim"),
        fields.count("v_head_dim"),
        bias=fields.flag("attention_bias", False),
    )
    mixers = [part] * fields.layers()
    if family in {"deepseek_v32", "glm_moe_dsa"}:
        width = fields.count("index_head_dim", default=128)
        # the key's norm is a layer norm: weight and bias
        indexer = Indexer(
            fields.count("index_n_heads"), width, fields.count("index_topk"), rank, norm_parameters=2 * width
        )
        mixers = [replace(part, indexer=indexer if own else replace(indexer, shared=True)) for own in _picks(fields)]
    return decoder(fields, zip(mixers, _first_dense(fields), strict=True))


def _picks(fields: Fields) -> list[bool]:
    """Whether each layer has an indexer of its own or takes what the one before it picked (GLM-5.2)."""
    layers = fields.layers()
    if (kinds := fields.items("indexer_types", str, layers)) is not None:
        return [kind == "full" for kind in kinds]
    every, after = fields.count("index_topk_freq", default=1), fields.count("index_skip_topk_offset", default=2)
    return [max(i - after + 1, 0) % every == 0 for i in range(layers)]


def _glm(fields: Fields) -> ModelSpec:
    """Grouped-query attention over DeepSeek's pattern of layers."""
    part = attention(
        fields,
        bias=fields.flag("attention_bias", False),
        output_bias=False,
        qk_norm="head" if fields.flag("use_qk_norm", False) else "none",
    )
    return decoder(fields, [(part, each) for each in _first_dense(fields)])


def _first_dense(fields: Fields) -> list[FeedForwardPart]:
    width = fields.count("moe_intermediate_size")
    shared = width * fields.count("n_shared_experts", default=0, least=0)
    experts = routed(fields, "n_routed_experts", "num_experts", width="moe_intermediate_size", shared_width=shared)
    layers = fields.layers()
    first = fields.count("first_k_dense_replace", default=0, least=0)
    if first > layers:
        raise fields.refuse("first_k_dense_replace", first, f"the model has {layers:,} layers")
    return [swiglu(fields)] * first + [experts] * (layers - first)


def _gpt_oss(fields: Fields) -> ModelSpec:
    """Biases everywhere, sinks in the softmax, every other layer local."""
    bias = fields.flag("attention_bias", True)
    experts = routed(fields, "num_local_experts", "num_experts", width="intermediate_size", bias=True, router_bias=True)
    each = windows(fields, fields.layers(), fields.count("sliding_window", default=128), lambda i: i % 2 == 0)
    parts = [(attention(fields, bias=bias, head_dim=64, window=seen, sinks=True), experts) for seen in each]
    return decoder(fields, parts)


def _llama4(fields: Fields) -> ModelSpec:
    """One shared and one routed expert in every `interleave_moe_layer_step`-th layer; three of four layers local."""
    width = fields.count("intermediate_size")
    step = fields.count("interleave_moe_layer_step", default=1)
    listed = fields.items("moe_layers", int)
    experts = routed(fields, "num_local_experts", width="intermediate_size", shared_width=width)
    chunk, dense = fields.maybe("attention_chunk_size"), fields.maybe("intermediate_size_mlp")
    bias = fields.flag("attention_bias", False)

    def layer(i: int) -> tuple[Mixer, FeedForwardPart]:
        local = chunk is not None and (i + 1) % 4 != 0
        part = attention(fields, bias=bias, head_dim=128, window=chunk if local else None, chunked=local)
        routed_here = i in listed if listed is not None else (i + 1) % step == 0
        if not routed_here and dense is None:
            raise fields.missing("intermediate_size_mlp")
        return part, experts if routed_here or dense is None else FeedForward(dense)

    return decoder(fields, [layer(i) for i in range(fields.layers())])


def _dbrx(fields: Fields) -> ModelSpec:
    """DBRX has names of its own, and layer norms without bias."""
    inner, outer = fields.section("attn_config"), fields.section("ffn_config")
    if inner is None or outer is None:
        raise fields.missing("attn_config" if inner is None else "ffn_config")
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    part = GroupedQueryAttention(heads, inner.count("kv_n_heads", default=1), fields.head_dim(hidden, heads))
    experts = MixtureOfExperts(
        outer.count("moe_num_experts", default=4), outer.count("moe_top_k", default=1), outer.count("ffn_hidden_size")
    )
    return decoder(fields, [(part, experts)] * fields.layers(), norm="layer")


FAMILIES: dict[str, Family] = {
    "llama": _dense,
    "mistral": _dense,
    "phi3": _dense,
    "olmo2": _dense,
    "qwen2": _dense,
    "mimo": _dense,
    "qwen3": _dense,
    "gemma": _dense,
    "gemma2": _gemma,
    "gemma3": _gemma,
    "gemma3_text": _gemma,
    "nemotron": _nemotron,
    "mixtral": _mixtral,
    "minimax_m2": _mixtral,
    "grok-1": _mixtral,
    "qwen3_moe": _qwen_moe,
    "qwen2_moe": _qwen_moe,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "deepseek_v32": _deepseek,
    "kimi_k2": _deepseek,
    "glm_moe_dsa": _deepseek,
    "glm4_moe": _glm,
    "gpt_oss": _gpt_oss,
    "llama4": _llama4,
    "llama4_text": _llama4,
    "dbrx": _dbrx,
}
