"""One engine as the simulation plays it: its step times as a table, and the limits of its schedule.

An engine is one scheduler with its queue, cache and batch. A replica is as many of them as the parts that data and
pipeline parallelism divide its batch into; each is priced as though the others did the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aistack.errors import BadInput, DoesNotFit
from aistack.serving import step_table
from aistack.serving.playing import Limits
from aistack.serving.requests import Ints, Requests
from aistack.serving.step_table import StepTable
from aistack.serving.step_time import Server

BLOCK = 16
"""Tokens of a page of the cache (vLLM's default); a sequence leaves half of its last one empty on average."""
WHOLE_BUDGET = 8192
"""Prompt tokens of a step after which no further prompt is begun, where prompts go whole."""


@dataclass(frozen=True)
class SimulatedEngine:
    """What a run needs to know of an engine."""

    table: StepTable
    limits: Limits
    overhead: float = 0.0
    """Seconds from sending a request to its place in the queue."""
    parts: int = 1
    """Engines of a replica."""


def estimate(server: Server, requests: Requests) -> SimulatedEngine:
    """An engine of `server` (of a single deployment, else `BadInput`), for requests such as these."""
    if not server.single:
        raise BadInput("A simulation plays one deployment at a time.")
    deployment, speculative = server.deployments[0], server.deployments.common.speculative
    parts = int(server.groups)
    whole = deployment.chunk == 0
    longest = int(requests.prompt.max() + requests.output.max()) + WHOLE_BUDGET if whole else deployment.chunk
    limits = Limits(
        max_batch=max(1, int(server.max_batch) // parts),
        budget=WHOLE_BUDGET if whole else deployment.chunk,
        kv_capacity=float(server.kv_capacity) / parts,
        whole_prompts=whole,
        slack=(BLOCK - 1) / 2,
        growth=1.0 if speculative is None else speculative.expected,
        width=1 if speculative is None else speculative.tokens + 1,
    )
    context = float(np.mean(requests.prompt + requests.output / 2))
    table = step_table.estimate(server, limits.max_batch, longest, context)
    return SimulatedEngine(table, limits, server.engine.request_overhead, parts)


def decoding_steps(limits: Limits, requests: Requests) -> Ints:
    """Steps of each request after the one that brings its first token.

    Raises `DoesNotFit` where a request holds more at its end than the cache has room for.
    """
    left: Ints = np.ceil((requests.output - 1) / limits.growth).astype(np.int64)
    most = requests.prompt + 1 + limits.growth * left + limits.slack
    at = int(np.argmax(most))
    if most[at] > limits.kv_capacity:
        raise DoesNotFit(
            f"Request {at + 1} holds {most[at]:,.0f} tokens at its end, but an engine's cache has room for "
            f"{limits.kv_capacity:,.0f}. Leave out requests that long, or give the deployment more memory: more "
            "accelerators, fewer bits a weight or a cached value."
        )
    return left
