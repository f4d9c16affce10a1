"""The parts that families of models are built from, each read from its usual fields of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from aistack.catalog.architecture import (
    Block,
    FeedForward,
    FeedForwardPart,
    GroupedQueryAttention,
    Mixer,
    MixtureOfExperts,
    ModelSpec,
    NormKind,
    runs,
)
from aistack.catalog.families.fields import Fields

Family = Callable[[Fields], ModelSpec]
"""From a configuration's fields to the spec."""

QueryKeyNorm = Literal["none", "head", "all"]
"""Queries and keys are normalised not at all, over each head's width, or over all heads' together."""


def attention(
    fields: Fields,
    *,
    bias: bool = False,
    output_bias: bool | None = None,
    qk_norm: QueryKeyNorm = "none",
    head_dim: int | None = None,
    window: int | None = None,
    multi_head: bool = False,
    **more: Any,
) -> GroupedQueryAttention:
    """Grouped-query attention from the usual fields; `multi_head` families know no `num_key_value_heads`."""
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    kv_heads = heads if multi_head else fields.count("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise fields.refuse("num_key_value_heads", kv_heads, f"must divide num_attention_heads {heads:,}")
    width = fields.head_dim(hidden, heads, head_dim)
    norms = {"none": 0, "head": 2 * width, "all": (heads + kv_heads) * width}[qk_norm]
    return GroupedQueryAttention(
        heads,
        kv_heads,
        width,
        window=window,
        qkv_bias=bias,
        output_bias=bias if output_bias is None else output_bias,
        norm_parameters=norms,
        **more,
    )


def decoder(
    fields: Fields,
    layers: Iterable[tuple[Mixer | None, FeedForwardPart | None]],
    *,
    tied: bool = False,
    norms: int = 2,
    norm: NormKind = "rms",
    norm_bias: bool = False,
    more_a_layer: int = 0,
    more_embedding: int = 0,
    head_bias: bool = False,
    rotary: bool = True,
    vocab: int | None = None,
    context: int | None = None,
) -> ModelSpec:
    """The spec of `layers` between a token table and a head; `norms` counts those of one layer over the full width."""
    hidden = fields.count("hidden_size")
    size = hidden * (2 if norm_bias else 1)
    vocabulary = fields.count("vocab_size", default=vocab)
    blocks = runs(Block(1, mixer, feed_forward, norms * size + more_a_layer) for mixer, feed_forward in layers)
    return ModelSpec(
        fields.name,
        hidden,
        vocabulary,
        blocks,
        tied_embeddings=fields.flag("tie_word_embeddings", tied),
        max_context=fields.count("max_position_embeddings", default=context),
        norm=norm,
        rope_theta=_rope_theta(fields) if rotary else None,
        norm_epsilon=fields.number("rms_norm_eps", 1e-5),
        embedding_parameters=more_embedding,
        final_parameters=size + vocabulary * head_bias,
    )


def windows(fields: Fields, layers: int, window: int | None, sliding: Callable[[int], bool]) -> list[int | None]:
    """Each layer's window: from `layer_types` where the configuration lists them, else where `sliding` says."""
    kinds = fields.items("layer_types", str, layers)
    local = [sliding(i) for i in range(layers)] if kinds is None else [kind == "sliding_attention" for kind in kinds]
    return [window if each else None for each in local]


def swiglu(fields: Fields, bias: bool = False) -> FeedForward:
    """A gated feed-forward part of the usual width."""
    return FeedForward(fields.count("intermediate_size"), bias=bias)


def routed(
    fields: Fields, *experts: str, width: str, shared_width: int = 0, default: int | None = None, **more: Any
) -> MixtureOfExperts:
    """A mixture of experts; `experts` are the names under which their number may stand."""
    total = fields.count(*experts, default=default)
    used = fields.count("num_experts_per_tok", "top_k_experts")
    if used > total:
        raise fields.refuse("num_experts_per_tok", used, f"there are only {total:,} experts ({experts[0]})")
    return MixtureOfExperts(total, used, fields.count(width), shared_width, **more)


def _rope_theta(fields: Fields) -> float:
    if (rope := fields.section("rope_parameters")) is not None and "rope_theta" in rope:
        return rope.number("rope_theta", 10000.0)
    return fields.number("rope_theta", 10000.0)
