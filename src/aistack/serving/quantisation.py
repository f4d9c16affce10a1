"""Int8 weights, predicted: how much smaller the file, how large the error, and how fast a product of whole numbers.

M rows, N output width, K input width; each of N weight rows has one scale, and so has each of M activation rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, ModelSpec
from aistack.errors import BadInput
from aistack.hardware.fit import fit_times
from aistack.hardware.machine import Machine
from aistack.hardware.stream import bandwidth

LEVELS = 127
"""Whole numbers on either side of zero."""
_FLOAT = 4
_INDEX_ENTRY = 120
"""Bytes that safetensors' header spends on one tensor: its name, type, shape and place."""


@dataclass(frozen=True)
class Matrices:
    """Weight matrices of one shape: `count` of them, [rows, columns]."""

    count: int
    rows: int
    columns: int


def matrices(spec: ModelSpec) -> Iterator[Matrices]:
    """All weight matrices of a dense Llama-style model, a tied output head counted once; others are a `BadInput`."""
    width = spec.hidden
    yield Matrices(1 if spec.tied_embeddings else 2, spec.vocab, width)
    for block in spec.blocks:
        attention, feed_forward = block.mixer, block.feed_forward
        if not isinstance(attention, GroupedQueryAttention) or not isinstance(feed_forward, FeedForward):
            raise BadInput(f"{spec.name} is not a dense Llama-style model.")
        query, key = attention.heads * attention.head_dim, attention.kv_heads * attention.head_dim
        yield Matrices(block.count, query, width)
        yield Matrices(2 * block.count, key, width)
        yield Matrices(block.count, width, query)
        yield Matrices(2 * block.count, feed_forward.width, width)
        yield Matrices(block.count, width, feed_forward.width)


def estimate_size(spec: ModelSpec, bits: int) -> float:
    """Bytes of the weights file: `bits` 32 for single precision, or 8 with a single-precision scale for each row.

    Vectors (the norms) stay in single precision. The file's index is counted at a typical length of an entry.
    """
    shapes = list(matrices(spec))
    tensors = sum(each.count for each in shapes)
    elements = sum(each.count * each.rows * each.columns for each in shapes)
    vectors = spec.parameters - elements
    norms = 1 + sum(2 * block.count for block in spec.blocks)
    if bits == 8:
        scales = sum(each.count * each.rows for each in shapes)
        return elements + _FLOAT * (scales + vectors) + _INDEX_ENTRY * (2 * tensors + norms)
    return float(_FLOAT * (elements + vectors) + _INDEX_ENTRY * (tensors + norms))


@dataclass(frozen=True)
class LogitError:
    """Standard deviation of the logits' error over that of the logits."""

    value: float
    low: float
    high: float


def estimate_error(spec: ModelSpec) -> LogitError:
    """The relative error of the logits that rounding weights and activations to int8 causes.

    In words: rounding spreads evenly over a step of max|x| / 127, whose standard deviation is a step over the root of
    12; the largest of K normal values is about sqrt(2 ln K) standard deviations. Weights and activations err
    independently, so a product errs by the root of both squared. Errors of one layer do not add up along the residual
    stream, since signals and errors grow there alike, but a layer's output has passed two products and the output
    head is a third: three independent errors, sqrt(3) times one. The interval reaches from one product's error to
    errors that add up over all layers. Outliers in trained activations, which widen the step, are left out
    (LLM.int8(), arXiv:2208.07339, section 3.2).
    """
    rounding = math.sqrt(2 * math.log(spec.hidden)) / (LEVELS * math.sqrt(12))
    product = math.sqrt(2) * rounding
    return LogitError(math.sqrt(3) * product, product, math.sqrt(1 + 2 * spec.layers) * product)


@dataclass(frozen=True)
class Int8Rate:
    """What a layer with int8 weights costs on a machine, rounding of the activations included."""

    peak: float
    """Operations a second that large products sustain; a multiply-add is two."""
    weight_bandwidth: float
    """B/s at which weights are read where caches hold them."""
    activation_bandwidth: float
    """B/s of activations rounded on the way in and widened on the way out, counted in single precision."""
    overhead: float
    """Seconds that every product costs: nine small operations."""


def fit(seconds: Mapping[tuple[int, int, int], float]) -> Int8Rate:
    """The constants nearest to the measured `seconds` of layers of (M, N, K).

    `ValueError` where there are fewer measurements than the four constants.
    """
    shapes = list(seconds)
    columns = (
        [2.0 * m * n * k for m, n, k in shapes],
        [float(n * k) for _, n, k in shapes],
        [float(_FLOAT * m * (n + k)) for m, n, k in shapes],
        [1.0 for _ in shapes],
    )
    per_flop, per_weight, per_activation, fixed = fit_times(columns, list(seconds.values()))
    # a cost too small to show in any measured time still needs a finite rate
    return Int8Rate(1 / max(per_flop, 1e-21), 1 / max(per_weight, 1e-17), 1 / max(per_activation, 1e-17), fixed)


def estimate_product(machine: Machine, rate: Int8Rate, m: int, n: int, k: int, held: float) -> float:
    """Seconds of an [M,K] by [K,N] product with int8 weights.

    `held` is the size of all weights that are read in turn, in bytes: what the caches do not keep of it comes from
    memory, at the machine's streaming bandwidth where that is slower.
    """
    reading = n * k / min(rate.weight_bandwidth, bandwidth(machine.caches, machine.memory_bandwidth, held))
    return rate.overhead + 2.0 * m * n * k / rate.peak + reading + _FLOAT * m * (n + k) / rate.activation_bandwidth
