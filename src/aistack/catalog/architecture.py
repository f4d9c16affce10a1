"""What a language model is made of: a `ModelSpec` of blocks, with exact parameter counts.

A spec is a tuple of `Block`s in order; each stands for `count` equal layers, and each layer is a mixer (attention or
a recurrence) and a feed-forward part (dense or a mixture of experts). Every part counts its own parameters from its
shape, so that a total is a sum and never a formula per family.

Symbols: D hidden width, H heads, G key-value heads, K head width, V value head width, F feed-forward width, E experts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from aistack.catalog.mixers import (
    CompressedAttention,
    GatedDeltaNet,
    GroupedQueryAttention,
    Indexer,
    Mamba2,
    Mixer,
    MultiHeadLatentAttention,
)
from aistack.errors import BadInput

__all__ = [
    "Block",
    "CompressedAttention",
    "FeedForward",
    "FeedForwardPart",
    "GatedDeltaNet",
    "GroupedQueryAttention",
    "Indexer",
    "Mamba2",
    "Mixer",
    "MixtureOfExperts",
    "ModelSpec",
    "MultiHeadLatentAttention",
    "NormKind",
    "llama",
    "llama_parts",
    "runs",
]

NormKind = Literal["rms", "layer"]


@dataclass(frozen=True)
class FeedForward:
    """A dense feed-forward part: gated (SwiGLU and relatives, three matrices) or plain (two)."""

    width: int
    gated: bool = True
    bias: bool = False

    def parameters(self, hidden: int) -> int:
        """Weights and biases of the two or three matrices."""
        into = 2 if self.gated else 1
        return (into + 1) * hidden * self.width + (into * self.width + hidden) * self.bias

    def active_parameters(self, hidden: int) -> int:
        """All of them: a dense part touches every weight for every token."""
        return self.parameters(hidden)


@dataclass(frozen=True)
class MixtureOfExperts:
    """A router over `experts` feed-forward parts, of which each token uses `experts_per_token`."""

    experts: int
    experts_per_token: int
    width: int
    shared_width: int = 0
    """Summed width of the experts that every token uses."""
    gated: bool = True
    bias: bool = False
    router_bias: bool = False
    shared_gate: bool = False
    """A learned scalar gate on the shared experts (Qwen)."""
    latent: int | None = None
    """Width that the routed experts work in, projected to and from (LatentMoE); None is the model's own."""

    @property
    def expert(self) -> FeedForward:
        """One routed expert."""
        return FeedForward(self.width, self.gated, self.bias)

    @property
    def shared(self) -> FeedForward | None:
        """The experts that every token uses, as one."""
        return FeedForward(self.shared_width, self.gated) if self.shared_width else None

    def _always(self, hidden: int) -> int:
        router = self.experts * (hidden + self.router_bias) + hidden * self.shared_gate
        around = 2 * hidden * self.latent if self.latent else 0
        return router + around + (self.shared.parameters(hidden) if self.shared else 0)

    def parameters(self, hidden: int) -> int:
        """The router, every expert and the shared ones."""
        return self._always(hidden) + self.experts * self.expert.parameters(self.latent or hidden)

    def active_parameters(self, hidden: int) -> int:
        """The router, the experts that one token is sent to, and the shared ones."""
        return self._always(hidden) + self.experts_per_token * self.expert.parameters(self.latent or hidden)


FeedForwardPart = FeedForward | MixtureOfExperts


@dataclass(frozen=True)
class Block:
    """`count` equal layers in a row: a mixer and a feed-forward part (either may be absent), with their norms."""

    count: int
    mixer: Mixer | None
    feed_forward: FeedForwardPart | None
    norm_parameters: int
    """Parameters of all norms of one layer that the parts do not count themselves."""


@dataclass(frozen=True)
class ModelSpec:
    """A decoder-only language model, as far as its cost is concerned."""

    name: str
    hidden: int
    vocab: int
    blocks: tuple[Block, ...]
    tied_embeddings: bool
    max_context: int
    norm: NormKind = "rms"
    rope_theta: float | None = 10000.0
    norm_epsilon: float = 1e-5
    embedding_parameters: int = field(default=0)
    """Parameters beside the token table on the way in: learned positions, embedding norms, projections."""
    final_parameters: int | None = None
    """Parameters of the final norm and of biases on the output head; None: one RMS norm."""

    @property
    def layers(self) -> int:
        """Number of layers."""
        return sum(block.count for block in self.blocks)

    def each_layer(self) -> Iterator[Block]:
        """The block that describes each layer, in order, `layers` of them."""
        for block in self.blocks:
            for _ in range(block.count):
                yield block

    @property
    def parameters(self) -> int:
        """All trained parameters; a tied output head is counted once."""
        return self._outside_blocks() + sum(
            block.count
            * (
                (block.mixer.parameters(self.hidden) if block.mixer else 0)
                + (block.feed_forward.parameters(self.hidden) if block.feed_forward else 0)
                + block.norm_parameters
            )
            for block in self.blocks
        )

    @property
    def active_parameters(self) -> int:
        """Parameters that take part in one token: of a mixture of experts, only those it is sent to."""
        return self._outside_blocks() + sum(
            block.count
            * (
                (block.mixer.parameters(self.hidden) if block.mixer else 0)
                + (block.feed_forward.active_parameters(self.hidden) if block.feed_forward else 0)
                + block.norm_parameters
            )
            for block in self.blocks
        )

    @property
    def cache_elements_per_token(self) -> int:
        """Elements that one token adds to the KV cache over all layers, windows not yet full."""
        return sum(block.count * block.mixer.cache_elements() for block in self.blocks if block.mixer)

    @property
    def state_elements(self) -> int:
        """Elements that a sequence holds over all layers whatever its length: the recurrences' states."""
        return sum(block.count * block.mixer.state_elements() for block in self.blocks if block.mixer)

    def _outside_blocks(self) -> int:
        tables = self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
        final = self.hidden if self.final_parameters is None else self.final_parameters
        return tables + self.embedding_parameters + final


def runs(layers: Iterable[Block]) -> tuple[Block, ...]:
    """Single layers in order as blocks: equal neighbours become one block with their summed count."""
    blocks: list[Block] = []
    for layer in layers:
        if blocks and replace(blocks[-1], count=layer.count) == layer:
            blocks[-1] = replace(layer, count=blocks[-1].count + layer.count)
        else:
            blocks.append(layer)
    return tuple(blocks)


def llama(
    name: str,
    *,
    hidden: int,
    layers: int,
    heads: int,
    kv_heads: int,
    feed_forward: int,
    vocab: int,
    max_context: int,
    tied_embeddings: bool = True,
    rope_theta: float = 10000.0,
) -> ModelSpec:
    """A Llama-style dense model: RMS norms, rotary positions, grouped-query attention, SwiGLU, no biases."""
    block = Block(
        count=layers,
        mixer=GroupedQueryAttention(heads, kv_heads, hidden // heads),
        feed_forward=FeedForward(feed_forward),
        norm_parameters=2 * hidden,
    )
    return ModelSpec(name, hidden, vocab, (block,), tied_embeddings, max_context, rope_theta=rope_theta)


def llama_parts(spec: ModelSpec) -> tuple[GroupedQueryAttention, FeedForward]:
    """The attention and feed-forward part that every layer of a dense Llama-style model has.

    Raises `BadInput` for any other kind of model.
    """
    first = spec.blocks[0]
    attention, feed_forward = first.mixer, first.feed_forward
    if isinstance(attention, GroupedQueryAttention) and isinstance(feed_forward, FeedForward):
        plain = Block(
            spec.layers,
            GroupedQueryAttention(attention.heads, attention.kv_heads, attention.head_dim),
            FeedForward(feed_forward.width),
            norm_parameters=2 * spec.hidden,
        )
        around = spec.norm, spec.embedding_parameters, spec.final_parameters or spec.hidden
        if spec.blocks == (plain,) and around == ("rms", 0, spec.hidden) and spec.rope_theta is not None:
            return attention, feed_forward
    raise BadInput(f"{spec.name} is not a dense Llama-style model, the only kind that is trained here.")
