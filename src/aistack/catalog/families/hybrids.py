"""The families whose layers differ: recurrences among attention, wide and narrow attention, sparse attention.

Defaults for absent fields are those of the configuration classes of Hugging Face transformers (5.23).
"""

from __future__ import annotations

from dataclasses import replace

from aistack.catalog.architecture import (
    CompressedAttention,
    FeedForward,
    FeedForwardPart,
    GatedDeltaNet,
    GroupedQueryAttention,
    Indexer,
    Mamba2,
    Mixer,
    ModelSpec,
)
from aistack.catalog.families.building import Family, attention, decoder, routed, swiglu, windows
from aistack.catalog.families.fields import Fields


def _qwen_delta(fields: Fields) -> ModelSpec:
    """Gated delta nets, with gated attention in every `full_attention_interval`-th layer (Qwen3-Next, Qwen3.5)."""
    layers = fields.layers()
    every = fields.count("full_attention_interval", default=4)
    kinds = fields.items("layer_types", str, layers)
    full = [(i + 1) % every == 0 if kinds is None else kinds[i] == "full_attention" for i in range(layers)]
    recurrence = GatedDeltaNet(
        fields.count("linear_num_key_heads", default=16),
        fields.count("linear_num_value_heads", default=32),
        fields.count("linear_key_head_dim", default=128),
        fields.count("linear_value_head_dim", default=128),
        fields.count("linear_conv_kernel_dim", default=4),
    )
    part = attention(fields, bias=fields.flag("attention_bias", False), qk_norm="head", head_dim=256)
    # the query projection is twice as wide: its other half gates what the heads read
    part = replace(part, gate_width=part.heads * part.head_dim)
    feed_forward: FeedForwardPart = (
        routed(
            fields,
            "num_experts",
            "num_local_experts",
            width="moe_intermediate_size",
            shared_width=fields.count("shared_expert_intermediate_size"),
            shared_gate=True,
        )
        if "num_experts" in fields or "num_local_experts" in fields
        else swiglu(fields)
    )
    return decoder(fields, [(part if each else recurrence, feed_forward) for each in full])


_PATTERN = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
_BLOCK_TYPES = {"linear_attention": "mamba", "full_attention": "attention"}


def _nemotron_h(fields: Fields) -> ModelSpec:
    """A layer is one thing alone: Mamba-2, attention, a feed-forward or a mixture (Nemotron-H, arXiv:2504.03624)."""
    pattern = fields.word("hybrid_override_pattern", "")
    kinds = [_PATTERN.get(letter, letter) for letter in pattern] or fields.items("layers_block_type", str)
    if not kinds:
        raise fields.missing("hybrid_override_pattern")
    kinds = [_BLOCK_TYPES.get(kind, kind) for kind in kinds]
    if unknown := set(kinds) - set(_PATTERN.values()):
        raise fields.refuse("hybrid_override_pattern", pattern, f"{sorted(unknown)} is no kind of layer")
    if (stated := fields.maybe("num_hidden_layers")) not in {None, len(kinds)}:
        raise fields.refuse("num_hidden_layers", stated, f"the pattern has {len(kinds)} layers")
    bias = fields.flag("mlp_bias", False)
    parts: dict[str, tuple[Mixer | None, FeedForwardPart | None]] = {}
    if "mamba" in kinds:
        recurrence = Mamba2(
            fields.count("mamba_num_heads", default=128),
            fields.count("mamba_head_dim", default=64),
            fields.count("n_groups", default=8),
            fields.count("ssm_state_size", default=128),
            fields.count("conv_kernel", default=4),
            fields.flag("use_conv_bias", True),
            fields.flag("mamba_proj_bias", False),
        )
        parts["mamba"] = recurrence, None
    if "attention" in kinds:
        part = attention(fields, bias=fields.flag("attention_bias", False), head_dim=128)
        parts["attention"] = part, None
    if "mlp" in kinds:
        parts["mlp"] = None, FeedForward(fields.count("intermediate_size"), gated=False, bias=bias)
    if "moe" in kinds:
        shared = fields.count("moe_shared_expert_intermediate_size") * fields.count("n_shared_experts", default=1)
        parts["moe"] = (
            None,
            routed(
                fields,
                "n_routed_experts",
                "num_local_experts",
                width="moe_intermediate_size",
                shared_width=shared,
                gated=False,
                bias=bias,
                latent=fields.maybe("moe_latent_size"),
            ),
        )
    return decoder(fields, [parts[kind] for kind in kinds], norms=1, rotary=False)


def _gemma4(fields: Fields) -> ModelSpec:
    """Global layers have wider heads whose values may be their keys; experts stand beside a dense feed-forward."""
    layers, hidden = fields.layers(), fields.count("hidden_size")
    for key in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if (given := fields.count(key, default=256 if key[0] == "h" else 0, least=0)) != 0:
            raise fields.refuse(key, given, "only Gemma 4 models without it are supported")
    bias = fields.flag("attention_bias", False)
    each = windows(fields, layers, fields.count("sliding_window", default=512), lambda i: (i + 1) % 6 != 0)
    each[-1] = None
    local = attention(fields, bias=bias, qk_norm="head", head_dim=256)
    wide = fields.count("global_head_dim", default=512)
    shared = fields.flag("attention_k_eq_v", False)
    groups = (fields.maybe("num_global_key_value_heads") if shared else None) or local.kv_heads
    globally = replace(local, kv_heads=groups, head_dim=wide, value_projection=not shared, norm_parameters=2 * wide)
    feed_forward: FeedForwardPart = swiglu(fields)
    norms, scales = 4, 0
    if fields.flag("enable_moe_block", False):
        dense = fields.count("intermediate_size")
        experts = routed(fields, "num_experts", width="moe_intermediate_size", shared_width=dense)
        # norms before and after the experts and after the dense part; the router scales its input and each expert
        feed_forward, norms, scales = experts, 7, hidden + experts.experts
    parts = [(globally if seen is None else replace(local, window=seen), feed_forward) for seen in each]
    return decoder(fields, parts, tied=True, norms=norms, more_a_layer=scales)


def _mimo(fields: Fields) -> ModelSpec:
    """Local layers have twice the key-value heads, and sinks; the first layer has no experts (MiMo-V2-Flash)."""
    layers = fields.layers()
    pattern = fields.items("hybrid_layer_pattern", int, layers)
    window = fields.count("sliding_window", "sliding_window_size", default=128)
    each = windows(fields, layers, window, lambda i: bool(pattern[i]) if pattern else i != 0 and (i + 1) % 6 != 0)
    sparse = fields.items("moe_layer_freq", int, layers) or [0] + [1] * (layers - 1)
    whole = attention(fields, bias=fields.flag("attention_bias", False), output_bias=False, head_dim=192)
    whole = replace(whole, value_dim=fields.count("v_head_dim", default=128))
    local = replace(
        whole,
        kv_heads=fields.count("swa_num_key_value_heads", default=2 * whole.kv_heads),
        window=window,
        sinks=fields.flag("add_swa_attention_sink_bias", True),
    )
    experts = routed(fields, "n_routed_experts", "num_local_experts", width="moe_intermediate_size")
    return decoder(
        fields,
        [
            (whole if seen is None else local, experts if routed_here else swiglu(fields))
            for seen, routed_here in zip(each, sparse, strict=True)
        ],
    )


def _minimax_m3(fields: Fields) -> ModelSpec:
    """Layers that read what an indexer picks, among layers that read everything; experts, or one dense part."""
    layers = fields.layers()
    sparse = fields.section("sparse_attention_config") or Fields({}, fields.where, fields.name)
    picked = sparse.items("sparse_attention_freq", int, layers) or [0] * layers
    routed_in = fields.items("moe_layer_freq", int, layers) or [1] * layers
    width = fields.count("index_head_dim", default=sparse.count("sparse_index_dim", default=128))
    block = fields.count("index_block_size", default=sparse.count("sparse_block_size", default=128))
    blocks = fields.count("index_topk_blocks", default=sparse.count("sparse_topk_blocks", default=16))
    heads = fields.count("index_n_heads", default=sparse.count("sparse_num_index_heads", default=4))
    indexer = Indexer(heads, width, blocks * block, None, weighted=False, norm_parameters=2 * width)
    whole = attention(fields, qk_norm="head", head_dim=128)
    picking = replace(whole, indexer=indexer)
    dense = FeedForward(fields.count("dense_intermediate_size", default=12288))
    experts = routed(
        fields,
        "num_local_experts",
        width="intermediate_size",
        shared_width=fields.count("shared_intermediate_size", default=3072),
    )
    return decoder(
        fields, [(picking if a else whole, experts if b else dense) for a, b in zip(picked, routed_in, strict=True)]
    )


def _nemotron_nas(fields: Fields) -> ModelSpec:
    """Each layer's attention and feed-forward were searched for: present, narrower, or left out (arXiv:2411.19146)."""
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    blocks = fields.items("block_configs", dict, fields.layers())
    if blocks is None:
        raise fields.missing("block_configs")
    parts: list[tuple[Mixer | None, FeedForwardPart | None]] = []
    norms = 0
    for i, block in enumerate(blocks):
        inside = Fields(block, f"{fields.where}, block_configs[{i}]", fields.name)
        first, second = inside.section("attention"), inside.section("ffn")
        for part in (first, second):
            if part is None or part.flag("replace_with_linear", False):
                raise inside.refuse(
                    "block_configs", block, "each layer needs `attention` and `ffn`, and no linear stands in"
                )
        assert first is not None and second is not None
        mixer = feed_forward = None
        if not first.flag("no_op", False):
            mixer = GroupedQueryAttention(
                heads, heads // first.count("n_heads_in_group"), fields.head_dim(hidden, heads)
            )
        if not second.flag("no_op", False):
            width = int(2 * second.number("ffn_mult", 4.0) * hidden / 3)
            feed_forward = FeedForward(-(-width // 256) * 256)
        norms += (mixer is not None) + (feed_forward is not None)
        parts.append((mixer, feed_forward))
    spec = decoder(fields, parts, norms=0)
    return replace(
        spec,
        blocks=tuple(
            replace(each, norm_parameters=hidden * ((each.mixer is not None) + (each.feed_forward is not None)))
            for each in spec.blocks
        ),
    )


def _step(fields: Fields) -> ModelSpec:
    """Local layers have more query heads; a gate on each head; the first layers' feed-forward is dense (Step 3.5)."""
    layers = fields.layers()
    each = windows(fields, layers, fields.maybe("sliding_window"), lambda _: False)
    other = fields.section("attention_other_setting") or Fields({}, fields.where, fields.name)
    whole = attention(fields, bias=fields.flag("attention_bias", False), qk_norm="head", head_dim=128)
    heads = fields.count("num_sliding_attention_heads", default=other.count("num_attention_heads", default=whole.heads))
    local = replace(whole, heads=heads, gate_width=heads)
    whole = replace(whole, gate_width=whole.heads)
    first = fields.count("first_k_dense_replace", default=3, least=0)
    experts = routed(
        fields,
        "num_experts",
        "n_routed_experts",
        width="moe_intermediate_size",
        shared_width=fields.count("share_expert_dim", default=1280),
    )
    parts = [
        (whole if seen is None else replace(local, window=seen), swiglu(fields) if i < first else experts)
        for i, seen in enumerate(each)
    ]
    return decoder(fields, parts)


def _deepseek_v4(fields: Fields) -> ModelSpec:
    """Windows and compressed tokens, and a residual stream of several lanes (hyper-connections)."""
    layers, hidden, heads = fields.layers(), fields.count("hidden_size"), fields.count("num_attention_heads")
    ratios = fields.items("compress_ratios", int)
    if ratios is None:
        raise fields.missing("compress_ratios")
    # the published lists go on over the layers for multi-token prediction
    if len(ratios) < layers:
        raise fields.refuse("compress_ratios", ratios, f"the model has {layers} layers")
    head_dim, rank = fields.count("head_dim", default=512), fields.count("q_lora_rank", default=1024)
    indexer = Indexer(
        fields.count("index_n_heads", default=64),
        fields.count("index_head_dim", default=128),
        fields.count("index_topk", default=512),
        rank,
    )

    def part(ratio: int) -> CompressedAttention:
        return CompressedAttention(
            heads,
            head_dim,
            fields.count("qk_rope_head_dim", default=64),
            rank,
            fields.count("o_lora_rank", default=1024),
            fields.count("o_groups", default=8),
            fields.count("sliding_window", default=128),
            ratio,
            # light compression leaves many entries, so an indexer picks among them
            indexer if 0 < ratio <= 4 else None,
        )

    width = fields.count("moe_intermediate_size")
    shared = width * fields.count("n_shared_experts", default=1)
    experts = routed(fields, "n_routed_experts", width="moe_intermediate_size", shared_width=shared)
    lanes = fields.count("hc_mult", default=4)
    connections = (2 + lanes) * lanes * (lanes * hidden + 1) + 3
    spec = decoder(fields, [(part(ratio), experts) for ratio in ratios[:layers]], more_a_layer=2 * connections)
    return replace(spec, final_parameters=hidden + lanes * (lanes * hidden + 1) + 1)


FAMILIES: dict[str, Family] = {
    "qwen3_next": _qwen_delta,
    "qwen3_5": _qwen_delta,
    "qwen3_5_text": _qwen_delta,
    "qwen3_5_moe": _qwen_delta,
    "qwen3_5_moe_text": _qwen_delta,
    "nemotron_h": _nemotron_h,
    "gemma4": _gemma4,
    "gemma4_text": _gemma4,
    "mimo_v2_flash": _mimo,
    "minimax_m3": _minimax_m3,
    "minimax_m3_vl": _minimax_m3,
    "minimax_m3_vl_text": _minimax_m3,
    "nemotron-nas": _nemotron_nas,
    "step3p5": _step,
    "step3p7": _step,
    "deepseek_v4": _deepseek_v4,
}
