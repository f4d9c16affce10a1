"""Requests through a deployment, one by one: what each waited for, and how full caches and batches were meanwhile.

Where the steady state gives means, this gives distributions: bursts, queues, long prompts in the way of short answers,
caches that run out. Step times are the server's; the schedule is that of engines such as vLLM (`playing`).

Left out: schedulers that choose among waiting requests by what they share, priorities, cancelled requests,
swapping of caches to the host, and failures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aistack.serving import simulated_engine
from aistack.serving.capacity import Goals
from aistack.serving.occupancy import Occupancy
from aistack.serving.requests import Floats, Ints, Requests
from aistack.serving.routing import Routing, Run
from aistack.serving.routing import estimate as route
from aistack.serving.simulated_engine import SimulatedEngine
from aistack.serving.step_time import Server


@dataclass(frozen=True)
class Simulated:
    """What became of requests: arrays over them, seconds since the simulation began, and each engine's occupancy."""

    sent: Floats
    """When its client sent each."""
    start: Floats
    """When its prompt's computation began."""
    first: Floats
    """When its first token was there."""
    done: Floats
    """When its last token was there."""
    prompt: Ints
    output: Ints
    preemptions: Ints
    """How often each gave up its cache and was computed again."""
    occupancy: tuple[Occupancy, ...]
    """Of each engine; of a disaggregated deployment, of those that decode."""
    cached: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Tokens of its prompt that were in the cache when its computation began."""

    def __post_init__(self) -> None:
        if not len(self.cached):
            object.__setattr__(self, "cached", np.zeros(len(self.sent), np.int64))

    def __len__(self) -> int:
        return len(self.sent)

    @property
    def queueing(self) -> Floats:
        """Seconds from sending to the start."""
        return self.start - self.sent

    @property
    def ttft(self) -> Floats:
        """Seconds from sending to the first token."""
        return self.first - self.sent

    @property
    def tpot(self) -> Floats:
        """Mean seconds from one token to the next after the first; NaN for answers of one token."""
        with np.errstate(invalid="ignore"):
            return np.where(self.output > 1, (self.done - self.first) / (self.output - 1), np.nan)

    @property
    def latency(self) -> Floats:
        """Seconds from sending to the last token."""
        return self.done - self.sent

    @property
    def seconds(self) -> float:
        """From the first request to the last token."""
        return float(self.done.max() - self.sent.min())

    @property
    def throughput(self) -> float:
        """Output tokens a second, from the first request to the last token."""
        return float(self.output.sum()) / self.seconds

    @property
    def hit_ratio(self) -> float:
        """Share of the prompts' tokens that were in the cache."""
        return float(self.cached.sum() / self.prompt.sum())

    def meets(self, goals: Goals) -> NDArray[np.bool_]:
        """Which requests meet all `goals`; an answer of one token meets any goal for the time per token."""
        slow = (self.ttft > goals.ttft) | (self.tpot > goals.tpot) | (self.latency > goals.latency)
        return ~slow

    def between(self, begin: float, end: float = np.inf) -> Simulated:
        """Only the requests sent from `begin` until before `end`, to leave out how a simulation starts and ends."""
        kept = (self.sent >= begin) & (self.sent < end)
        names = ("sent", "start", "first", "done", "prompt", "output", "preemptions", "cached")
        return Simulated(**{name: getattr(self, name)[kept] for name in names}, occupancy=self.occupancy)


@dataclass(frozen=True)
class Distribution:
    """Of some quantity over requests."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    most: float


def distribution(values: Floats) -> Distribution:
    """Of `values` that are numbers; all NaN where there is none. Percentiles are linear between neighbours."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Distribution(*(6 * [np.nan]))
    return Distribution(float(known.mean()), *np.percentile(known, (50, 90, 95, 99, 100)).tolist())


def simulate(server: Server, requests: Requests, *, replicas: int = 1, routing: Routing = "round-robin") -> Simulated:
    """`requests` on `replicas` of `server`.

    Raises `DoesNotFit` where a request holds more at its end than the cache has room for, and `BadInput` for a server
    of many deployments.
    """
    engine = simulated_engine.estimate(server, requests)
    return estimate(engine, requests, engines=replicas * engine.parts, routing=routing)


def estimate(
    engine: SimulatedEngine, requests: Requests, *, engines: int = 1, routing: Routing = "round-robin"
) -> Simulated:
    """`requests` on `engines` equal engines; see `simulate`."""
    return gathered(engine, requests, route(engine, requests, engines, routing))


def gathered(engine: SimulatedEngine, requests: Requests, runs: list[Run]) -> Simulated:
    """Runs of engines in the order of their `requests`."""
    count = len(requests)
    sent, start, first, done = (np.empty(count) for _ in range(4))
    preemptions, cached = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for run in runs:
        # arrival has the order in which a closed loop sent its requests
        sent[run.places] = np.array(run.played.arrival) - engine.overhead
        start[run.places], first[run.places], done[run.places] = run.played.start, run.played.first, run.played.done
        cached[run.places] = run.played.found
        preemptions[run.places] = np.bincount(np.array(run.played.preempted, np.int64), minlength=len(run.places))
    occupancy = tuple(Occupancy.of(run.played, engine.limits) for run in runs)
    return Simulated(sent, start, first, done, requests.prompt, requests.output, preemptions, occupancy, cached)
