"""What a data pipeline will yield, from a pilot: the same steps on a small random share of the source.

Sums scale with the source. Two things do not, and have a law of their own: repeated documents become more frequent the
more is read, and a tokenizer's words become longer the more text it is trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pilot:
    """What the steps did to a random share of the source."""

    source_bytes: float
    """Of the source, the bytes that the pilot stands for."""
    documents: int
    """Documents of good quality, repeats included."""
    bytes: int
    """Their UTF-8 bytes."""
    distinct: int
    """Documents that repeat no other of the pilot, one of each kind."""
    distinct_bytes: int
    single: int
    """Kinds that occurred once."""
    curve: Sequence[tuple[float, float]]
    """(bytes trained on, bytes a token on other text) of tokenizers trained on ever twice the text."""
    read_seconds: float
    """One worker's time to read and clean `read_bytes` of the source."""
    read_bytes: float
    compare_seconds: float
    """Time to compare `documents` with each other."""
    train_seconds: float
    """Time to train a tokenizer on the last point of `curve`."""
    encode_rate: float
    """UTF-8 bytes a second of turning text into tokens."""
    error: float
    """Relative standard error of the text found per byte of source."""


@dataclass(frozen=True)
class Yield:
    """What is expected of the whole source."""

    documents: float
    """Kept in the end."""
    bytes: float
    repeated: float
    """The share of good documents that repeat another."""
    bytes_per_token: float
    """On text that the tokenizer was not trained on, separators counted as tokens."""
    tokens: float
    seconds: float
    encode_rate: float
    """Bytes a second."""


def estimate(pilot: Pilot, source_bytes: float, workers: int, held_back: float) -> Yield:
    """Scale `pilot` up to `source_bytes`, read by `workers` processes, with a share `held_back` from training.

    Distinct documents grow as a power of the documents read (Heaps' law); the exponent is the pilot's rate of new kinds
    per document, which is the share of kinds seen once (Good, 1953; van Leijenhorst and van der Weide, 2005).
    """
    scale = source_bytes / pilot.source_bytes
    exponent = pilot.single / pilot.distinct
    growth: float = scale**exponent
    distinct, size = pilot.distinct * growth, pilot.distinct_bytes * growth
    per_token = extrapolate(pilot.curve, size * (1 - held_back))
    return Yield(
        documents=distinct,
        bytes=size,
        repeated=1 - distinct / (pilot.documents * scale),
        bytes_per_token=per_token,
        tokens=size / per_token,
        seconds=pilot.read_seconds * source_bytes / pilot.read_bytes / workers
        + pilot.compare_seconds * scale
        + pilot.train_seconds * size / pilot.curve[-1][0]
        + size / pilot.encode_rate,
        encode_rate=pilot.encode_rate,
    )


def source_for(pilot: Pilot, text_bytes: float) -> float:
    """Bytes of source that are expected to yield `text_bytes` of kept text: the inverse of `estimate`'s power law."""
    exponent = pilot.single / pilot.distinct
    growth: float = (text_bytes / pilot.distinct_bytes) ** (1 / max(exponent, 0.1))
    return pilot.source_bytes * growth


def extrapolate(curve: Sequence[tuple[float, float]], size: float) -> float:
    """The curve's value at `size`: every doubling adds a fixed fraction of what the one before it added.

    The fraction is that of the last two doublings, at most 0.9 so that the curve levels off.
    """
    (_, first), (_, second), (last_size, last) = curve[-3:]
    gain, before = last - second, second - first
    fraction = min(max(gain / before, 0.0), 0.9) if before > 0 else 0.0
    doublings = max(0.0, math.log2(size / last_size))
    more: float = (1 - fraction**doublings) / (1 - fraction)
    return last + gain * fraction * more
