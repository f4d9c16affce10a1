"""What one step of the engine takes: every running sequence's next token, and chunks of new prompts beside them.

A step runs the model's operations once over all its tokens, so the weights are read once however many sequences there
are: that is why batching pays. Attention reads each sequence's own keys and values. And every operation costs the
host its launch, which for a small model is most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aistack.catalog.architecture import ModelSpec
from aistack.frameworks.operators import Operator, forward
from aistack.hardware.machine import Machine
from aistack.hardware.operation import estimate_matmul, estimate_stream
from aistack.hardware.stream import bandwidth
from aistack.serving.quantisation import Int8Rate, estimate_product, estimate_size

_FLOAT = 4
_ATTENTION_LAUNCHES = 6
"""Eager operations around the attention kernel in each layer: join key and value, write them, gather, and views."""
_STEP_LAUNCHES = 30
"""Eager operations of a step outside the layers: its tokens, places and masks, and choosing the next tokens."""


@dataclass(frozen=True)
class Work:
    """What a step computes."""

    decoding: tuple[int, ...] = ()
    """Tokens that each decoding sequence holds, its newest included."""
    prompts: tuple[tuple[int, int], ...] = ()
    """(tokens already computed, tokens computed now) of each prompt's chunk."""
    sampled: int = 0
    """Sequences whose next token is chosen: those decoding and those whose prompt ends in this step."""

    @property
    def tokens(self) -> int:
        """Tokens that go through the model."""
        return len(self.decoding) + sum(count for _, count in self.prompts)


@dataclass(frozen=True)
class Host:
    """What the host adds to the operations: the rest of the software stack. Measured, never derived."""

    per_layer: float = 0.0
    """Seconds a layer: Python between the operations."""
    per_step: float = 0.0
    """Seconds a step: scheduling, laying out the batch."""
    per_token: float = 0.0
    """Seconds a generated token: choosing, detokenising, JSON, HTTP."""
    per_request: float = 0.0
    """Seconds from sending a request to its place in the queue: connection, HTTP, JSON."""


@dataclass(frozen=True)
class StepTime:
    """One step's time by what it goes to, seconds."""

    matmul: float
    attention: float
    other: float
    """Norms, rotations, activations and the like."""
    host: float

    @property
    def total(self) -> float:
        """Seconds of the step."""
        return self.matmul + self.attention + self.other + self.host


def estimate(
    machine: Machine,
    spec: ModelSpec,
    work: Work,
    int8: Int8Rate | None = None,
    host: Host = Host(),
    block_size: int = 16,
) -> StepTime:
    """Seconds of one step; with `int8`, of a model whose weights are in eight bits.

    In words: products as the hardware prices them over all tokens of the step (the output head over the sampled
    ones), weights that no cache holds at memory's bandwidth; attention of decoding sequences as a matrix times
    vector over their keys and values, padded to the longest and copied out of the cache's blocks first; attention of a
    prompt's chunk as a matrix product; everything else streams its bytes; each operation pays its launch.
    """
    if not work.tokens:
        return StepTime(0.0, 0.0, 0.0, 0.0)
    held = estimate_size(spec, 8 if int8 else 32)
    matmul = other = 0.0
    for operator in forward(spec, 1, work.tokens):
        if operator.shape is not None:
            m, n, k = operator.shape
            rows = work.sampled if operator.name == "lm_head" else m
            matmul += operator.count * _product(machine, int8, rows, n, k, held) if rows else 0.0
        elif operator.kind != "attention":
            other += operator.count * estimate_stream(machine, operator.bytes)
    other += _STEP_LAUNCHES * machine.launch_overhead
    attention = _attention(machine, spec, work, block_size)
    waiting = host.per_layer * spec.layers + host.per_step + host.per_token * work.sampled
    return StepTime(matmul, attention, other, waiting)


def fit_layers(
    machine: Machine, seconds: Mapping[ModelSpec, float], context: int, int8: Int8Rate | None = None
) -> Host:
    """The host's share per layer and per step, from the decode steps of two models that differ in depth alone.

    `seconds` are those of one sequence that holds `context` tokens. What the operations explain is taken off first,
    and no share is below zero.
    """
    (few, short), (many, long) = sorted(
        (
            (spec.layers, took - estimate(machine, spec, Work((context,), (), 1), int8).total)
            for spec, took in seconds.items()
        )
    )
    per_layer = max(0.0, (long - short) / (many - few))
    return Host(per_layer=per_layer, per_step=max(0.0, short - few * per_layer))


def fit_server(
    step_seconds: Callable[[Work, Host], float],
    between_tokens: Mapping[int, float],
    first_token: float,
    prompt: int,
    context: int,
) -> Host:
    """The host's share per step (its layers included), token and request, from bursts of equal requests to a server.

    `between_tokens` maps how many sequences decoded side by side (two different numbers) to the seconds between
    tokens, at about `context` tokens each; `first_token` is the wait of one request with a prompt of `prompt` tokens.
    """
    (few, short), (many, long) = sorted(
        (batch, took - step_seconds(Work((context,) * batch, (), batch), Host()))
        for batch, took in between_tokens.items()
    )
    per_token = (long - short) / (many - few)
    if per_token < 0:
        per_token, per_step = 0.0, max(0.0, (short + long) / 2)
    elif (per_step := short - few * per_token) < 0:
        # nothing is left for the step itself: the line through zero that comes nearest to both
        per_token, per_step = max(0.0, (few * short + many * long) / (few**2 + many**2)), 0.0
    fitted = Host(per_step=per_step, per_token=per_token)
    per_request = first_token - step_seconds(Work((), ((0, prompt),), 1), fitted)
    return replace(fitted, per_request=max(0.0, per_request))


def _product(machine: Machine, int8: Int8Rate | None, m: int, n: int, k: int, held: float) -> float:
    if int8 is not None:
        return estimate_product(machine, int8, m, n, k, held)
    streaming = machine.launch_overhead + _FLOAT * n * k / bandwidth(machine.caches, machine.memory_bandwidth, held)
    return max(estimate_matmul(machine, m, n, k, "float32"), streaming)


def _attention(machine: Machine, spec: ModelSpec, work: Work, block_size: int) -> float:
    rate = machine.rate("float32")
    seconds = spec.layers * _ATTENTION_LAUNCHES * machine.launch_overhead
    if work.decoding:
        longest = -(-max(work.decoding) // block_size) * block_size
        read = _attention_of(forward(spec, len(work.decoding), 1, cached=longest - 1))
        seconds += read.count * (
            estimate_stream(machine, 2 * read.bytes) + machine.launch_overhead + read.bytes / rate.vector_bandwidth
        )
    for start, count in work.prompts:
        chunk = _attention_of(forward(spec, 1, count, cached=start))
        seconds += chunk.count * (
            estimate_stream(machine, 2 * chunk.bytes)
            + machine.launch_overhead
            + chunk.flop / rate.peak
            + chunk.bytes / rate.operand_bandwidth
        )
    return seconds


def _attention_of(operators: Sequence[Operator]) -> Operator:
    """All layers' attention as one operator (all layers of a model served here are alike)."""
    found = [operator for operator in operators if operator.kind == "attention"]
    return replace(found[0], count=sum(operator.count for operator in found))
