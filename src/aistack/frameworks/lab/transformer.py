"""A Llama-style transformer in plain PyTorch, trained in layer 4 and served in layer 5.

Its parameter names are those of Hugging Face's Llama, so a checkpoint moves between the two without a mapping.

B batch, S tokens of this call, H query heads, G key-value heads, K head width, D hidden width, V vocabulary
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, ModelSpec, llama_parts

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""From (layer index, query [B,H,S,K], key [B,G,S,K], value [B,G,S,K]) to what the heads read, [B,H,S,K]."""


def causal(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Every token attends to itself and to those before it in this call; nothing is cached."""
    del layer
    grouped = query.shape[1] != key.shape[1]
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=grouped)


class Transformer(nn.Module):
    """A dense decoder-only transformer with RMS norms, rotary positions, grouped-query attention and SwiGLU."""

    def __init__(self, spec: ModelSpec) -> None:
        """Build the model of `spec`; a spec that is not Llama-style dense is a `BadInput`."""
        super().__init__()
        attention, feed_forward = llama_parts(spec)
        self.spec = spec
        self.model = _Decoder(spec, attention, feed_forward)
        self.lm_head = nn.Linear(spec.hidden, spec.vocab, bias=False)
        if spec.tied_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.apply(_initialise)
        # the residual stream sums two outputs a layer: keep its variance at the width's own (GPT-2, section 2.3)
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=0.02 / (2 * spec.layers) ** 0.5)

    def forward(self, tokens: Tensor, positions: Tensor | None = None, attend: Attend = causal) -> Tensor:
        """Logits [B,S,V] of the next token after each of `tokens` [B,S].

        `positions` [B,S] are the tokens' places in their sequences, by default 0..S-1. `attend` says how heads read
        keys and values: a serving engine passes one that keeps them in its cache.
        """
        logits: Tensor = self.lm_head(self.hidden(tokens, positions, attend))
        return logits

    def hidden(self, tokens: Tensor, positions: Tensor | None = None, attend: Attend = causal) -> Tensor:
        """The last layer's normalised output [B,S,D], before the output head."""
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        output: Tensor = self.model(tokens, positions, attend)
        return output


class _Decoder(nn.Module):
    inverse_frequencies: Tensor

    def __init__(self, spec: ModelSpec, attention: GroupedQueryAttention, feed_forward: FeedForward) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(spec.vocab, spec.hidden)
        self.layers = nn.ModuleList(_Layer(index, spec, attention, feed_forward) for index in range(spec.layers))
        self.norm = nn.RMSNorm(spec.hidden, eps=spec.norm_epsilon)
        exponents = torch.arange(0, attention.head_dim, 2, dtype=torch.float32) / attention.head_dim
        theta = spec.rope_theta or 10000.0
        self.register_buffer("inverse_frequencies", theta**-exponents, persistent=False)

    def forward(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        angles = positions[..., None].float() * self.inverse_frequencies
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        x = self.embed_tokens(tokens)
        rotation = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, rotation, attend)
        output: Tensor = self.norm(x)
        return output


class _Layer(nn.Module):
    def __init__(
        self, index: int, spec: ModelSpec, attention: GroupedQueryAttention, feed_forward: FeedForward
    ) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(spec.hidden, eps=spec.norm_epsilon)
        self.self_attn = _Attention(index, spec.hidden, attention)
        self.post_attention_layernorm = nn.RMSNorm(spec.hidden, eps=spec.norm_epsilon)
        self.mlp = _SwiGLU(spec.hidden, feed_forward.width)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, attend)
        x = x + self.mlp(self.post_attention_layernorm(x))
        return x


class _Attention(nn.Module):
    def __init__(self, index: int, hidden: int, attention: GroupedQueryAttention) -> None:
        super().__init__()
        self.index, self.head_dim = index, attention.head_dim
        query, key = attention.heads * attention.head_dim, attention.kv_heads * attention.head_dim
        self.q_proj = nn.Linear(hidden, query, bias=False)
        self.k_proj = nn.Linear(hidden, key, bias=False)
        self.v_proj = nn.Linear(hidden, key, bias=False)
        self.o_proj = nn.Linear(query, hidden, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
        query, key, value = (
            projection(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        read = attend(self.index, _rotate(query, rotation), _rotate(key, rotation), value)
        output: Tensor = self.o_proj(read.transpose(1, 2).flatten(2))
        return output


class _SwiGLU(nn.Module):
    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, width, bias=False)
        self.up_proj = nn.Linear(hidden, width, bias=False)
        self.down_proj = nn.Linear(width, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return output


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of channels by its position's angle (RoFormer, arXiv:2104.09864; Llama's half-split order)."""
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
