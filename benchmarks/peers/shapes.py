"""A model in the plain numbers that the adapters map to their peers' inputs."""

from __future__ import annotations

from typing import Any

from aistack.catalog.architecture import (
    FeedForward,
    GroupedQueryAttention,
    MixtureOfExperts,
    ModelSpec,
    MultiHeadLatentAttention,
)


def shape(spec: ModelSpec) -> dict[str, Any]:
    """A model as the peers know models: layers of one width, dense or of experts; a mixed model's most common layer."""
    layers = list(spec.each_layer())
    attention = [layer.mixer for layer in layers if isinstance(layer.mixer, GroupedQueryAttention)]
    latent = [layer.mixer for layer in layers if isinstance(layer.mixer, MultiHeadLatentAttention)]
    dense = [layer.feed_forward for layer in layers if isinstance(layer.feed_forward, FeedForward)]
    routed = [layer.feed_forward for layer in layers if isinstance(layer.feed_forward, MixtureOfExperts)]
    if attention:
        heads, kv_heads, head_dim = attention[0].heads, attention[0].kv_heads, attention[0].head_dim
    elif latent:
        heads = kv_heads = latent[0].heads
        head_dim = (latent[0].nope_dim + latent[0].rope_dim + latent[0].value_dim) // 2
    else:
        heads = kv_heads = head_dim = 0
    experts = routed[0] if routed else None
    return {
        "layers": spec.layers,
        "dense_layers": len(dense),
        "hidden": spec.hidden,
        "ffn": dense[0].width if dense else experts.width * experts.experts_per_token if experts else 0,
        "gated": dense[0].gated if dense else experts.gated if experts else True,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "vocab": spec.vocab,
        "experts": experts.experts if experts else 1,
        "experts_per_token": experts.experts_per_token if experts else 1,
        "expert_ffn": experts.width if experts else 0,
        "tied": spec.tied_embeddings,
        "plain": len(attention) + len(latent) == len(layers) and not any(part.latent for part in routed),
        "parameters": spec.parameters,
        "active_parameters": spec.active_parameters,
    }
