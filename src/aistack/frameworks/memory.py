"""Memory that one device needs to train a model: what stays for the whole run, and what one step adds.

The activations are those that PyTorch keeps between forward and backward for `frameworks.lab.transformer` without
recomputation, tensor by tensor; published formulas (Korthikanti et al., arXiv:2205.05198) agree in form.

T tokens of a step, D hidden width, H heads, G key-value heads, K head width, F feed-forward width, V vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, ModelSpec, llama_parts

Precision = Literal["float32", "bfloat16"]
"""Of the multiplications: everything in fp32, or bf16 autocast over fp32 parameters."""

_FP32 = 4
_INT64 = 8


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes by what they hold, at the moment when a step holds most: as the loss starts to go backward."""

    weights: float
    gradients: float
    optimizer: float
    """Both moments of AdamW."""
    activations: float
    """All that is saved for the backward pass, log-probabilities included."""
    logits: float
    """The logits and the gradient that flows into them."""

    @property
    def total(self) -> float:
        """Bytes of all of them."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def estimate(
    spec: ModelSpec,
    batch: int,
    seq_len: int,
    precision: Precision = "float32",
    device: Literal["cpu", "cuda"] = "cpu",
) -> TrainingMemory:
    """Memory of training `spec` with AdamW on `batch` sequences of `seq_len` tokens a step.

    Parameters, gradients and moments are fp32. On a CPU an RMS norm is several kernels and saves its normalised
    input too; on a GPU it is one that does not. Raises `BadInput` for a model other than dense Llama-style ones, the
    kind that is trained here. Left out: the allocator's slack and kernels' workspaces.
    """
    parameters = spec.parameters * _FP32
    return TrainingMemory(
        weights=parameters,
        gradients=parameters,
        optimizer=2 * parameters,
        activations=saved_activations(spec, batch, seq_len, precision, device),
        logits=batch * seq_len * spec.vocab * (_size(precision) + _FP32),
    )


def saved_activations(
    spec: ModelSpec,
    batch: int,
    seq_len: int,
    precision: Precision = "float32",
    device: Literal["cpu", "cuda"] = "cpu",
) -> int:
    """Bytes that autograd keeps from a forward pass and its mean cross-entropy for the backward pass."""
    tokens, size = batch * seq_len, _size(precision)
    attention, feed_forward = llama_parts(spec)
    norm = tokens * (spec.hidden * _FP32 * (2 if device == "cpu" else 1) + _FP32)
    layers = spec.layers * (2 * norm + _layer(spec.hidden, attention, feed_forward, tokens, precision))
    rotation = 2 * tokens * attention.head_dim * _FP32
    head = tokens * spec.hidden * size + _casts(precision, spec.vocab * spec.hidden)
    # log-probabilities, the targets, and the number of targets that the mean divides by
    loss = tokens * (spec.vocab * _FP32 + _INT64) + _FP32
    return tokens * _INT64 + rotation + layers + norm + head + loss


def _layer(
    hidden: int, attention: GroupedQueryAttention, feed_forward: FeedForward, tokens: int, precision: Precision
) -> int:
    """What one layer saves beside its norms."""
    size, mixed = _size(precision), precision != "float32"
    query = attention.heads * attention.head_dim
    key_value = 2 * attention.kv_heads * attention.head_dim
    # autocast casts its input anew for each of the three (two) projections that share it
    inputs = hidden * ((3 + 2) if mixed else 2)
    # query, key, value, output and the softmax's log-sum of each head; gate, its SiLU, up, and their product
    saved = inputs + 2 * query + key_value + 4 * feed_forward.width
    matrices = attention.parameters(hidden) + feed_forward.parameters(hidden)
    return tokens * (saved * size + attention.heads * _FP32) + _casts(precision, matrices)


def _casts(precision: Precision, weights: int) -> int:
    """Autocast's short copies of the weights live until backward is through with them."""
    return 0 if precision == "float32" else weights * _size(precision)


def _size(precision: Precision) -> int:
    return _FP32 if precision == "float32" else 2
