"""Single operations as a framework runs them: matrix multiplication, attention, elementwise chains, recurrences.

Each makes a forward operation and those of its backward pass.

B sequences, S new tokens of each, C cached ones before them, T = B S rows
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aistack.catalog.architecture import ModelSpec

Kind = Literal["matmul", "attention", "elementwise", "lookup", "optimizer"]
"""Recurrences are attention too: the part that mixes tokens."""

Convention = Literal["full", "causal", "parameters"]
"""How attention is counted: every score of the S x T matrix, only those that the mask (and window) lets through, or
not at all (six FLOP for each parameter and token)."""

MASTER_BYTES = 4.0
"""Parameters, their gradients, the optimizer's states and recurrences' states are kept in fp32."""


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


Step = tuple[Operator, tuple[Operator, ...]]
"""A forward operation and those of its backward pass."""


@dataclass(frozen=True)
class Chain:
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
NORM = Chain(flop=4, kernels=6, passes=7, back_kernels=14, back_passes=23)
LAYER_NORM = Chain(flop=8, kernels=1, passes=2, back_kernels=1, back_passes=3)
ROTARY = Chain(flop=3, kernels=5, passes=10, back_kernels=5, back_passes=10)
RESIDUAL = Chain(flop=1, kernels=1, passes=3, back_kernels=1, back_passes=3, fused=3)
GATE = Chain(flop=5, kernels=2, passes=5, back_kernels=3, back_passes=9, fused=3, back_fused=5)
ACTIVATION = Chain(flop=4, kernels=1, passes=2, back_kernels=1, back_passes=3)
SOFTMAX = Chain(flop=5, kernels=1, passes=2, back_kernels=1, back_passes=3)
CROSS_ENTROPY = Chain(flop=5, kernels=2, passes=2, back_kernels=2, back_passes=4)


@dataclass(frozen=True)
class Pass:
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
        """Rows of every activation."""
        return self.batch * self.seq_len

    @property
    def seen(self) -> int:
        """Tokens of a sequence at the end of the pass."""
        return self.cached + self.seq_len

    def pairs(self, window: int | None = None, chunked: bool = False) -> int:
        """Pairs of a query and a key of one sequence that the convention counts.

        Query i (from 1) sees min(window, C + i) keys, or in its own chunk those up to itself.
        """
        if self.convention == "parameters":
            return 0
        reach = self.seen if window is None else min(window, self.seen)
        if self.convention == "full":
            return self.seq_len * reach
        if chunked:
            return _below(self.seen, reach) - _below(self.cached, reach)
        growing = max(0, min(self.seq_len, reach - self.cached))
        return growing * self.cached + growing * (growing + 1) // 2 + (self.seq_len - growing) * reach


def _below(tokens: int, chunk: int) -> int:
    """Pairs among the first `tokens` of a sequence whose tokens see their own chunk alone."""
    whole, rest = divmod(tokens, chunk)
    return whole * chunk * (chunk + 1) // 2 + rest * (rest + 1) // 2


def matmul(one: Pass, name: str, count: int, m: int, n: int, k: int, weights: float = 1.0) -> Step:
    """[m,k] times `weights` matrices [k,n] in all; each row meets one of them: 2mnk FLOP."""
    flop = 2.0 * m * n * k
    moved = (m * k + weights * k * n + m * n) * one.element_bytes
    return Operator(name, "matmul", count, flop, moved, (m, n, k)), (
        Operator(f"{name} backward input", "matmul", count, flop, moved, (m, k, n)),
        Operator(f"{name} backward weight", "matmul", count, flop, moved, (k, n, m)),
    )


def attention(
    one: Pass, count: int, *, heads: int, query: int, value: int, pairs: float, held: float, name: str = "attention"
) -> Step:
    """Fused attention (FlashAttention, arXiv:2205.14135), whose scores never go to memory.

    `query` and `value` are widths of a head, `pairs` the query-key pairs of a sequence that are counted, `held` the
    elements of keys and values that a sequence's heads read. 2 FLOP for each pair, head and element of query and of
    value; backward computes the scores again and the gradients of values, scores, queries and keys.
    """
    flop = 2.0 * one.batch * heads * (query + value) * pairs
    queries, output, read = one.tokens * heads * query, one.tokens * heads * value, one.batch * held
    back = 2.0 * one.batch * heads * (3 * query + 2 * value) * pairs
    return Operator(name, "attention", count, flop, (queries + read + output) * one.element_bytes), (
        Operator(f"{name} backward", "attention", count, back, 2 * (queries + read + output) * one.element_bytes),
    )


def recurrence(one: Pass, name: str, count: int, *, state: int, flop: float, width: float) -> Step:
    """A scan that keeps `state` elements a sequence, spends `flop` a token and state element, moves `width` a token.

    The state is read and written once; backward walks it twice. With the convention "parameters" it has no FLOP.
    """
    work = 0.0 if one.convention == "parameters" else flop * one.tokens * state
    moved = 2 * one.batch * state * MASTER_BYTES + one.tokens * width * one.element_bytes
    return Operator(name, "attention", count, work, moved), (
        Operator(f"{name} backward", "attention", count, 2 * work, 2 * moved),
    )


def elementwise(one: Pass, name: str, chain: Chain, count: int, width: int, element_bytes: float | None = None) -> Step:
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


def norm(one: Pass, name: str, count: int, width: int) -> Step:
    """A norm over the residual stream, of the model's kind."""
    return elementwise(one, name, NORM if one.spec.norm == "rms" else LAYER_NORM, count, width, one.stream_bytes)


def lookup(one: Pass) -> Step:
    """Rows out of the token table; backward clears a gradient table and adds the rows to it."""
    rows = one.tokens * one.spec.hidden * one.stream_bytes
    table = one.spec.vocab * one.spec.hidden * MASTER_BYTES
    back = Operator("embedding backward", "lookup", 1, float(one.tokens * one.spec.hidden), table + 3 * rows)
    return Operator("embedding", "lookup", 1, 0.0, 2 * rows), (back,)
