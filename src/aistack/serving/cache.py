"""How much the KV cache holds: bytes a token, blocks, and sequences at once."""

from __future__ import annotations

from dataclasses import dataclass

from aistack.catalog.architecture import ModelSpec
from aistack.errors import BadInput, DoesNotFit
from aistack.frameworks.operators import cache_bytes_per_token


@dataclass(frozen=True)
class CacheSize:
    """A paged KV cache in some memory."""

    bytes_per_token: float
    blocks: int
    """Blocks that fit."""
    tokens: int
    """Tokens that fit."""
    sequences: int
    """Sequences of the given length that fit, each in whole blocks."""


def estimate(
    spec: ModelSpec, memory: float, weights: float, context: int, element_bytes: float = 4.0, block_size: int = 16
) -> CacheSize:
    """The cache that fits into `memory` bytes beside `weights` bytes, and the sequences of `context` tokens in it.

    Activations of a step are left out: they are small beside both. Raises `DoesNotFit` where not one sequence fits.
    """
    if context < 1 or block_size < 1:
        raise BadInput(f"A context of {context} tokens in blocks of {block_size} is none.")
    per_token = cache_bytes_per_token(spec, element_bytes)
    blocks = int(max(0.0, memory - weights) // (per_token * block_size))
    sequences = blocks // -(-context // block_size)
    if not sequences:
        raise DoesNotFit(
            f"{spec.name} with a context of {context} tokens needs {weights + per_token * context:.3g} B "
            f"for weights and cache, but there are {memory:.3g} B."
        )
    return CacheSize(per_token, blocks, blocks * block_size, sequences)
