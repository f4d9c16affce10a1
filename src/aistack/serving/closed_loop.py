"""Concurrent clients, predicted: the engine's schedule played through, step by step, with estimated step times.

Each client sends its next request when the last is answered. The schedule is the engine's own policy (decoding first,
then waiting prompts in order of arrival, in chunks, within a budget of tokens a step), so waiting, batching and their
effect on one another come out of it rather than out of a formula.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from aistack.serving.latency import Load, Served
from aistack.serving.step import Work
from aistack.serving.workload import Ask


@dataclass(frozen=True)
class Policy:
    """The engine's limits."""

    max_batch: int = 16
    token_budget: int = 256
    block_size: int = 16


@dataclass(frozen=True)
class Played:
    """A closed loop as predicted."""

    load: Load
    most_blocks: int
    """Most cache blocks held at once."""
    steps: int


@dataclass(eq=False)
class _Request:
    client: int
    ask: Ask
    sent: float
    queued: float
    computed: int = 0
    tokens_at: list[float] = field(default_factory=list)

    @property
    def held(self) -> int:
        return len(self.ask.prompt) + len(self.tokens_at)


def estimate(
    step_seconds: Callable[[Work], float],
    asks: Sequence[Ask],
    clients: int,
    seconds: float,
    policy: Policy = Policy(),
    per_request: float = 0.0,
) -> Played:
    """What `clients` see who send `asks` in turn for `seconds` to an engine whose steps take `step_seconds`.

    `per_request` is the time from sending to the engine's queue; requests sent together pass one after another, since
    HTTP is one thread's work. The cache is taken to be large enough for a full
    batch, as the engine's is by default. Deterministic.
    """
    coming = cycle(asks)
    arriving = deque(_Request(client, next(coming), 0.0, (client + 1) * per_request) for client in range(clients))
    waiting, running, done = deque[_Request](), list[_Request](), list[_Request]()
    now, most_blocks, steps = 0.0, 0, 0
    while arriving or waiting or running:
        while arriving and arriving[0].queued <= now:
            waiting.append(arriving.popleft())
        if not waiting and not running:
            now = arriving[0].queued
            continue
        chunks = _schedule(waiting, running, policy)
        sampled = [request for request, count in chunks if request.computed + count == request.held]
        now += step_seconds(_work(chunks, len(sampled)))
        steps += 1
        for request, count in chunks:
            request.computed += count
        blocks = sum(-(-request.held // policy.block_size) for request in running)
        most_blocks = max(most_blocks, blocks)
        for request in sampled:
            request.tokens_at.append(now)
            if len(request.tokens_at) == request.ask.output:
                running.remove(request)
                done.append(request)
                if now < seconds:
                    free = max(now, arriving[-1].queued if arriving else now)
                    arriving.append(_Request(request.client, next(coming), now, free + per_request))
    served = sorted((_served(request) for request in done), key=lambda each: each.sent)
    return Played(Load(clients, seconds, tuple(served)), most_blocks, steps)


def _schedule(waiting: deque[_Request], running: list[_Request], policy: Policy) -> list[tuple[_Request, int]]:
    budget, chunks = policy.token_budget, list[tuple[_Request, int]]()
    for request in sorted(running, key=lambda each: each.held - each.computed > 1):
        count = min(request.held - request.computed, budget)
        if count:
            chunks.append((request, count))
            budget -= count
    while waiting and len(running) < policy.max_batch and budget:
        running.append(waiting.popleft())
        chunks.append((running[-1], min(running[-1].held, budget)))
        budget -= chunks[-1][1]
    return chunks


def _work(chunks: Sequence[tuple[_Request, int]], sampled: int) -> Work:
    return Work(
        decoding=tuple(request.computed + 1 for request, count in chunks if count == 1),
        prompts=tuple((request.computed, count) for request, count in chunks if count > 1),
        sampled=sampled,
    )


def _served(request: _Request) -> Served:
    return Served(request.client, len(request.ask.prompt), request.ask.output, request.sent, tuple(request.tokens_at))
