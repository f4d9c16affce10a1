"""The families before Llama: layer norms with biases, plain feed-forward parts, learned positions or ALiBi.

Defaults for absent fields are those of the configuration classes of Hugging Face transformers (5.23).
"""

from __future__ import annotations

from typing import Any

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, ModelSpec
from aistack.catalog.families.building import Family, attention, decoder
from aistack.catalog.families.fields import Fields


def _gpt2(fields: Fields) -> ModelSpec:
    """Learned positions, biases everywhere, a tied head (GPT-2; GPT-3 and Megatron's GPT are larger ones)."""
    hidden = fields.count("hidden_size")
    block = (attention(fields, bias=True, multi_head=True), _plain(fields.maybe("n_inner") or 4 * hidden, bias=True))
    positions = fields.count("max_position_embeddings", default=1024) * hidden
    return _biased(fields, block, tied=True, more_embedding=positions, rotary=False, context=1024)


def _opt(fields: Fields) -> ModelSpec:
    """GPT-2's shape with two more positions than it needs; the 350M variant alone departs from it."""
    hidden = fields.count("hidden_size")
    if fields.count("word_embed_proj_dim", default=hidden) != hidden or not fields.flag("do_layer_norm_before", True):
        raise fields.refuse(
            "word_embed_proj_dim", fields.maybe("word_embed_proj_dim"), "only the full width is supported"
        )
    bias = fields.flag("enable_bias", True)
    block = (attention(fields, bias=bias, multi_head=True), _plain(fields.count("ffn_dim"), bias=bias))
    positions = (fields.count("max_position_embeddings", default=2048) + 2) * hidden
    return _biased(fields, block, tied=True, more_embedding=positions, rotary=False, context=2048)


def _gpt_neox(fields: Fields) -> ModelSpec:
    bias = fields.flag("attention_bias", True)
    block = (attention(fields, bias=bias, multi_head=True), _plain(fields.count("intermediate_size"), bias=True))
    return _biased(fields, block)


def _gptj(fields: Fields) -> ModelSpec:
    """One norm feeds attention and feed-forward side by side; the head has a bias."""
    width = fields.maybe("n_inner") or 4 * fields.count("hidden_size")
    block = (attention(fields, multi_head=True), _plain(width, bias=True))
    return _biased(fields, block, norms=1, head_bias=True)


def _phi(fields: Fields) -> ModelSpec:
    """As GPT-J, with biases in attention too."""
    if fields.flag("qk_layernorm", False):
        raise fields.refuse("qk_layernorm", True, "only Phi models without it are supported")
    block = (attention(fields, bias=True), _plain(fields.count("intermediate_size"), bias=True))
    return _biased(fields, block, norms=1, head_bias=True)


def _bloom(fields: Fields) -> ModelSpec:
    """ALiBi for positions, and a norm on the embeddings."""
    hidden = fields.count("hidden_size")
    block = (attention(fields, bias=True, multi_head=True), _plain(4 * hidden, bias=True))
    return _biased(fields, block, tied=True, more_embedding=2 * hidden, rotary=False, context=2048)


def _falcon(fields: Fields) -> ModelSpec:
    """One key-value head (7B), or groups of them with a norm each for attention and feed-forward (40B, 180B)."""
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    newer = fields.flag("new_decoder_architecture", False)
    if newer:
        kv_heads = fields.count("num_kv_heads", default=heads)
    else:
        kv_heads = 1 if fields.flag("multi_query", True) else heads
    bias = fields.flag("bias", False)
    part = GroupedQueryAttention(heads, kv_heads, fields.head_dim(hidden, heads), qkv_bias=bias, output_bias=bias)
    feed_forward = _plain(fields.maybe("ffn_hidden_size") or 4 * hidden, bias=bias)
    one_norm = not newer and fields.flag("parallel_attn", True)
    alibi = fields.flag("alibi", False)
    norms = 1 if one_norm else 2
    return _biased(fields, (part, feed_forward), tied=True, norms=norms, rotary=not alibi, context=2048)


def _plain(width: int, *, bias: bool) -> FeedForward:
    return FeedForward(width, gated=False, bias=bias)


def _biased(fields: Fields, block: tuple[GroupedQueryAttention, FeedForward], **more: Any) -> ModelSpec:
    return decoder(fields, [block] * fields.layers(), norm="layer", norm_bias=True, **more)


FAMILIES: dict[str, Family] = {
    "gpt2": _gpt2,
    "opt": _opt,
    "gpt_neox": _gpt_neox,
    "gptj": _gptj,
    "phi": _phi,
    "bloom": _bloom,
    "falcon": _falcon,
}
