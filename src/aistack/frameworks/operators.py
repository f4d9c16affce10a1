"""A model as the operations that a framework runs: their floating-point operations and the bytes they move.

A multiplication of [m,k] by [k,n] is 2mnk FLOP (a multiply and an add), exactly. An elementwise operation counts one
FLOP for each arithmetic or transcendental function of an element, which is a convention; its cost is its bytes.
Attention is one fused operation (FlashAttention, arXiv:2205.14135) that never writes its scores to memory.

B sequences, S new tokens of each, C cached ones before them, T = B S rows, D hidden width, V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from aistack.catalog.architecture import (
    Block,
    FeedForward,
    GroupedQueryAttention,
    MixtureOfExperts,
    ModelSpec,
    MultiHeadLatentAttention,
)

Kind = Literal["matmul", "attention", "elementwise", "lookup", "optimizer"]
Convention = Literal["full", "causal", "parameters"]
"""How attention is counted: every score of the S x T matrix, only those that the mask (and window) lets through, or
not at all (six FLOP for each parameter and token)."""

_MASTER_BYTES = 4.0
"""Parameters, their gradients and the optimizer's states are kept in fp32."""


@dataclass(frozen=True)
class Operator:
    """An operation that runs `count` times; FLOP and bytes are those of one execution."""

    name: str
    kind: Kind
    count: int
    flop: float
    bytes: float
    shape: tuple[int, int, int] | None = None
    """(m, n, k) of a matrix multiplication."""

    @property
    def total_flop(self) -> float:
        """FLOP of all executions."""
        return self.count * self.flop

    @property
    def total_bytes(self) -> float:
        """Bytes of all executions."""
        return self.count * self.bytes


@dataclass(frozen=True)
class _Chain:
    """An elementwise operation as its chain of kernels: how many, and how many tensors they read and write in all.

    Forward and backward; a compiler fuses a chain into one kernel, which moves the tensors of `fused`.
    """

    flop: float
    kernels: int
    passes: float
    back_kernels: int
    back_passes: float
    fused: float = 2
    back_fused: float = 3


# Counted from the kernels that eager PyTorch runs for frameworks.lab.transformer on a CPU.
_NORM = _Chain(flop=4, kernels=6, passes=7, back_kernels=10, back_passes=18)
_LAYER_NORM = _Chain(flop=8, kernels=1, passes=2, back_kernels=1, back_passes=3)
_ROTARY = _Chain(flop=3, kernels=5, passes=10, back_kernels=6, back_passes=12)
_RESIDUAL = _Chain(flop=1, kernels=1, passes=3, back_kernels=1, back_passes=3, fused=3)
_GATE = _Chain(flop=5, kernels=2, passes=5, back_kernels=3, back_passes=9, fused=3, back_fused=5)
_ACTIVATION = _Chain(flop=4, kernels=1, passes=2, back_kernels=1, back_passes=3)
_SOFTMAX = _Chain(flop=5, kernels=1, passes=2, back_kernels=1, back_passes=3)
_CROSS_ENTROPY = _Chain(flop=5, kernels=2, passes=2, back_kernels=2, back_passes=4)


@dataclass(frozen=True)
class _Pass:
    """One pass over the model: what every operation needs to know."""

    spec: ModelSpec
    batch: int
    seq_len: int
    cached: int
    element_bytes: float
    stream_bytes: float
    """Of the residual stream and norms, which autocast leaves in fp32."""
    convention: Convention
    fused: bool

    @property
    def tokens(self) -> int:
        return self.batch * self.seq_len


_Step = tuple[Operator, tuple[Operator, ...]]
"""A forward operation and those of its backward pass."""


def forward(
    spec: ModelSpec,
    batch: int,
    seq_len: int,
    cached: int = 0,
    element_bytes: float = 4.0,
    convention: Convention = "full",
    fused: bool = False,
) -> tuple[Operator, ...]:
    """One forward pass over `seq_len` new tokens of each of `batch` sequences, on top of `cached` ones each.

    Logits are taken at all positions. `element_bytes` is the size of a weight and of an activation. `fused` counts
    elementwise chains as one kernel each, as a compiler makes them; otherwise kernel by kernel, as eager PyTorch runs
    them. With the convention "parameters" attention has no FLOP.
    """
    one = _Pass(spec, batch, seq_len, cached, element_bytes, element_bytes, convention, fused)
    return tuple(step[0] for step in _model(one))


def training_step(
    spec: ModelSpec,
    batch: int,
    seq_len: int,
    element_bytes: float = 4.0,
    convention: Convention = "full",
    fused: bool = False,
) -> tuple[Operator, ...]:
    """Forward pass, cross-entropy, backward pass and AdamW (arXiv:1711.05101) on all parameters.

    With `element_bytes` below 4 it is mixed precision as `torch.autocast` does it: fp32 parameters are cast for each
    use, matrix multiplications and attention run in the short type, the residual stream stays fp32. The backward pass
    of fused attention computes its scores again: 2.5 times the forward FLOP, where the customary model FLOP count 2.
    """
    one = _Pass(spec, batch, seq_len, 0, element_bytes, _MASTER_BYTES, convention, fused)
    steps = [*_model(one), _elementwise(one, "cross entropy", _CROSS_ENTROPY, 1, spec.vocab, _MASTER_BYTES)]
    ahead = tuple(step[0] for step in steps)
    back = tuple(operator for step in reversed(steps) for operator in step[1])
    return (*_casts(one), *ahead, *back, _adamw(spec))


def flops_per_token(spec: ModelSpec, seq_len: int, convention: Convention = "full") -> float:
    """Model FLOP of training on one token: three times the forward pass's matrix multiplications and attention.

    The customary count (PaLM, arXiv:2204.02311, appendix B): 6 for each parameter that multiplies (the output head
    does, the token table does not) and, for a Llama-style layer, 12 S H K for attention over the full square or half
    of it under the mask. Recomputation is left out.
    """
    operators = forward(spec, 1, seq_len, convention=convention)
    return 3 * counted_flop(operators) / seq_len


def counted_flop(operators: tuple[Operator, ...]) -> float:
    """FLOP of matrix multiplications and attention: what PyTorch's `FlopCounterMode` and papers count."""
    return sum(operator.total_flop for operator in operators if operator.kind in {"matmul", "attention"})


def cache_bytes_per_token(spec: ModelSpec, element_bytes: float = 2.0) -> float:
    """Bytes that one token adds to the KV cache over all layers, until sliding windows are full."""
    return spec.cache_elements_per_token * element_bytes


def _model(one: _Pass) -> Iterator[_Step]:
    spec = one.spec
    yield _lookup(one)
    for block in spec.blocks:
        yield from _block(one, block)
    yield _norm(one, "final norm", 1)
    yield _matmul(one, "lm_head", 1, one.tokens, spec.vocab, spec.hidden)


def _block(one: _Pass, block: Block) -> Iterator[_Step]:
    hidden, count = one.spec.hidden, block.count
    if block.mixer is not None:
        yield _norm(one, "mixer norm", count)
        match block.mixer:
            case GroupedQueryAttention():
                yield from _grouped_query(one, block.mixer, count)
            case MultiHeadLatentAttention():
                yield from _latent(one, block.mixer, count)
        yield _elementwise(one, "residual", _RESIDUAL, count, hidden, one.stream_bytes)
    if block.feed_forward is not None:
        yield _norm(one, "feed-forward norm", count)
        match block.feed_forward:
            case FeedForward():
                yield from _feed_forward(one, block.feed_forward, count)
            case MixtureOfExperts():
                yield from _experts(one, block.feed_forward, count)
        yield _elementwise(one, "residual", _RESIDUAL, count, hidden, one.stream_bytes)


def _grouped_query(one: _Pass, part: GroupedQueryAttention, count: int) -> Iterator[_Step]:
    hidden, value = one.spec.hidden, part.value_dim or part.head_dim
    query, key = part.heads * part.head_dim, part.kv_heads * part.head_dim
    yield _matmul(one, "q_proj", count, one.tokens, query, hidden)
    yield _matmul(one, "k_proj", count, one.tokens, key, hidden)
    yield _matmul(one, "v_proj", count, one.tokens, part.kv_heads * value, hidden)
    if one.spec.rope_theta is not None:
        yield _elementwise(one, "rotary query", _ROTARY, count, query)
        yield _elementwise(one, "rotary key", _ROTARY, count, key)
    yield _attention(one, count, part.heads, part.kv_heads * (part.head_dim + value), part.head_dim, value, part.window)
    yield _matmul(one, "o_proj", count, one.tokens, hidden, part.heads * value)


def _latent(one: _Pass, part: MultiHeadLatentAttention, count: int) -> Iterator[_Step]:
    """Keys and values are written out from the latent, as training and prefill do (DeepSeek-V2, section 2.1.2)."""
    hidden, width, tokens = one.spec.hidden, part.nope_dim + part.rope_dim, one.tokens
    if part.q_lora_rank is None:
        yield _matmul(one, "q_proj", count, tokens, part.heads * width, hidden)
    else:
        yield _matmul(one, "q_a_proj", count, tokens, part.q_lora_rank, hidden)
        yield _elementwise(one, "q_a_layernorm", _NORM, count, part.q_lora_rank)
        yield _matmul(one, "q_b_proj", count, tokens, part.heads * width, part.q_lora_rank)
    yield _matmul(one, "kv_a_proj", count, tokens, part.kv_lora_rank + part.rope_dim, hidden)
    yield _elementwise(one, "kv_a_layernorm", _NORM, count, part.kv_lora_rank)
    held = one.batch * (one.cached + one.seq_len)
    yield _matmul(one, "kv_b_proj", count, held, part.heads * (part.nope_dim + part.value_dim), part.kv_lora_rank)
    yield _elementwise(one, "rotary query", _ROTARY, count, part.heads * part.rope_dim)
    yield _elementwise(one, "rotary key", _ROTARY, count, part.rope_dim)
    yield _attention(one, count, part.heads, part.heads * (width + part.value_dim), width, part.value_dim, None)
    yield _matmul(one, "o_proj", count, tokens, hidden, part.heads * part.value_dim)


def _feed_forward(one: _Pass, part: FeedForward, count: int) -> Iterator[_Step]:
    hidden = one.spec.hidden
    if part.gated:
        yield _matmul(one, "gate_proj", count, one.tokens, part.width, hidden)
    yield _matmul(one, "up_proj", count, one.tokens, part.width, hidden)
    yield _elementwise(one, "activation", _GATE if part.gated else _ACTIVATION, count, part.width)
    yield _matmul(one, "down_proj", count, one.tokens, hidden, part.width)


def _experts(one: _Pass, part: MixtureOfExperts, count: int) -> Iterator[_Step]:
    """Every token's rows through its experts; the weights read are those of the experts expected to be hit at all."""
    hidden, rows = one.spec.hidden, one.tokens * part.experts_per_token
    yield _matmul(one, "router", count, one.tokens, part.experts, hidden)
    yield _elementwise(one, "router softmax", _SOFTMAX, count, part.experts)
    touched = part.experts * (1 - (1 - part.experts_per_token / part.experts) ** one.tokens)
    if part.gated:
        yield _matmul(one, "experts gate_proj", count, rows, part.width, hidden, touched)
    yield _matmul(one, "experts up_proj", count, rows, part.width, hidden, touched)
    chain = _GATE if part.gated else _ACTIVATION
    yield _elementwise(one, "experts activation", chain, count, part.width * part.experts_per_token)
    yield _matmul(one, "experts down_proj", count, rows, hidden, part.width, touched)
    yield _elementwise(one, "experts combine", _RESIDUAL, count, hidden * part.experts_per_token)
    if part.shared_width:
        yield from _feed_forward(one, FeedForward(part.shared_width, part.gated, part.bias), count)


def _matmul(one: _Pass, name: str, count: int, m: int, n: int, k: int, weights: float = 1.0) -> _Step:
    """[m,k] times `weights` matrices [k,n] in all; each row meets one of them."""
    flop = 2.0 * m * n * k
    moved = (m * k + weights * k * n + m * n) * one.element_bytes
    return Operator(name, "matmul", count, flop, moved, (m, n, k)), (
        Operator(f"{name} backward input", "matmul", count, flop, moved, (m, k, n)),
        Operator(f"{name} backward weight", "matmul", count, flop, moved, (k, n, m)),
    )


def _attention(one: _Pass, count: int, heads: int, key_value: int, width: int, value: int, window: int | None) -> _Step:
    seen = one.cached + one.seq_len
    flop = 2.0 * one.batch * heads * (width + value) * _pairs(one, window)
    held = seen if window is None else min(seen, window + one.seq_len - 1)
    queries, read = one.tokens * heads * width, one.batch * held * key_value
    output = one.tokens * heads * value
    moved = (queries + read + output) * one.element_bytes
    # backward: scores again, and one product for the gradient of each of scores, queries, keys and values
    back = 2.0 * one.batch * heads * (3 * width + 2 * value) * _pairs(one, window)
    back_moved = (2 * queries + 2 * read + 2 * output) * one.element_bytes
    return Operator("attention", "attention", count, flop, moved), (
        Operator("attention backward", "attention", count, back, back_moved),
    )


def _pairs(one: _Pass, window: int | None) -> int:
    """Pairs of a query and a key of one sequence that are counted."""
    new, cached = one.seq_len, one.cached
    reach = cached + new if window is None else min(window, cached + new)
    if one.convention == "full":
        return new * reach
    if one.convention == "parameters":
        return 0
    # query i (from 1) sees min(reach, cached + i) keys
    growing = max(0, min(new, reach - cached))
    return growing * cached + growing * (growing + 1) // 2 + (new - growing) * reach


def _norm(one: _Pass, name: str, count: int) -> _Step:
    chain = _NORM if one.spec.norm == "rms" else _LAYER_NORM
    return _elementwise(one, name, chain, count, one.spec.hidden, one.stream_bytes)


def _elementwise(
    one: _Pass, name: str, chain: _Chain, count: int, width: int, element_bytes: float | None = None
) -> _Step:
    """A chain of kernels over [T, width]."""
    elements = one.tokens * width
    tensor = elements * (one.element_bytes if element_bytes is None else element_bytes)

    def run(name: str, kernels: int, passes: float, fused: float, flop: float) -> Operator:
        launches = 1 if one.fused else kernels
        moved = tensor * (fused if one.fused else passes)
        return Operator(name, "elementwise", count * launches, flop * elements / launches, moved / launches)

    return run(name, chain.kernels, chain.passes, chain.fused, chain.flop), (
        run(f"{name} backward", chain.back_kernels, chain.back_passes, chain.back_fused, 2 * chain.flop),
    )


def _lookup(one: _Pass) -> _Step:
    """Rows out of the token table; backward clears a gradient table and adds the rows to it."""
    rows = one.tokens * one.spec.hidden * one.stream_bytes
    table = one.spec.vocab * one.spec.hidden * _MASTER_BYTES
    back = Operator("embedding backward", "lookup", 1, float(one.tokens * one.spec.hidden), table + 3 * rows)
    return Operator("embedding", "lookup", 1, 0.0, 2 * rows), (back,)


def _casts(one: _Pass) -> tuple[Operator, ...]:
    """Mixed precision casts every matrix before its use and its gradient after it."""
    if one.element_bytes >= _MASTER_BYTES:
        return ()
    moved = one.spec.parameters * (_MASTER_BYTES + one.element_bytes)
    return (Operator("weight casts", "elementwise", 2, 0.0, moved),)


def _adamw(spec: ModelSpec) -> Operator:
    """Reads parameter, gradient and both moments, writes all but the gradient: seven fp32 a parameter."""
    return Operator("adamw", "optimizer", 1, 14.0 * spec.parameters, 7 * _MASTER_BYTES * spec.parameters)
