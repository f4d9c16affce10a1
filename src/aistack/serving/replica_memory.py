"""Memory of a serving replica on the accelerator that holds most, and what its cache holds (PagedAttention,
arXiv:2309.06180): weights, the widest step's activations, the engine's reserve; pages of keys and values take the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aistack.catalog.architecture import CompressedAttention, GroupedQueryAttention
from aistack.serving import adapters
from aistack.serving.engines import AFTER_WEIGHTS
from aistack.serving.formats import cache_bytes

if TYPE_CHECKING:
    from aistack.serving.step_time import Server

Array = npt.NDArray[np.float64]

LOGIT_BYTES = 6.0
"""Of one logit while a token is chosen: 16 bits, and 32 beside them."""
UNCHUNKED = 8192
"""Rows of a step for which an engine keeps memory where prompts go whole."""


def estimate(server: Server) -> Mapping[str, Array]:
    """Bytes by what they hold: weights, adapters, activations, runtime, cache, reserve; they sum to the accelerator's
    memory.

    The cache is what the others leave, below zero where they do not fit.
    """
    memory, engine = server.chip.memory, server.engine
    weights = _of(server, server.tables.weight_bytes)
    if server.draft is not None:
        weights = weights + _of(server.draft, server.draft.tables.weight_bytes)
    parts = server.groups
    rows = np.where(server.chunk > 0, server.chunk, UNCHUNKED)
    logits = server.limit / parts * server.spec.vocab * LOGIT_BYTES
    activations = rows * _of(server, server.tables.width) * 2.0 + logits
    shared = np.maximum(memory - weights, 0.0) if engine.name in AFTER_WEIGHTS else np.full(np.shape(weights), memory)
    reserve = shared * (1 - engine.memory_fraction)
    runtime = np.full(np.shape(weights), engine.runtime_memory)
    left = memory - reserve - runtime - weights - activations
    held = adapters.resident(server, left) * server.adapter_bytes
    return {
        "weights": weights,
        "adapters": held + np.zeros(np.shape(weights)),
        "activations": activations,
        "runtime": runtime,
        "cache": left - held,
        "reserve": reserve,
    }


def capacity(server: Server) -> Array:
    """Tokens that a replica's cache holds, sequences of `server.context` tokens each; windows fill where that is 0."""
    spread = server.groups / server.stages
    left = np.maximum(estimate(server)["cache"], 0.0)
    tokens: Array = np.floor(left * spread / per_token(server, server.context))
    return tokens


def per_token(server: Server, context: npt.ArrayLike = 0) -> Array:
    """Bytes that a token of a sequence of `context` tokens takes of the fullest accelerator's cache, states of
    recurrences included; with 0, of a token that no window has dropped."""
    spec, size = server.spec, cache_bytes(server.deployments.common.kv_precision)
    tensor = server.chips / server.groups
    length = np.asarray(context, dtype=float)
    total: Array = np.zeros(())
    for block in spec.blocks:
        mixer = block.mixer
        if mixer is None:
            continue
        kept: Array = np.ones(())
        sharing: Array | float = 1.0
        if isinstance(mixer, GroupedQueryAttention):
            sharing = np.minimum(tensor, mixer.kv_heads)
            if mixer.window is not None:
                kept = np.where(length > mixer.window, mixer.window / np.maximum(length, 1.0), 1.0)
        elements = kept * mixer.cache_elements()
        if isinstance(mixer, CompressedAttention):
            own = np.where(length > mixer.window, mixer.window / np.maximum(length, 1.0), 1.0) * mixer.head_dim
            elements = own + mixer.cache_elements() - mixer.head_dim
        states = mixer.state_elements() * 4.0 / tensor / np.maximum(length, 1.0) * (length > 0)
        total = total + block.count * (elements * size / sharing + states)
    most: Array = np.ceil(spec.layers / server.stages) / spec.layers
    return np.asarray(total * most)


def _of(server: Server, column: Array) -> Array:
    return np.asarray(column[0]) if server.single else column
