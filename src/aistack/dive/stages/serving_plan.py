"""Stage 5's plan and its predictions: how much is done for the budget, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean, median

from aistack.catalog.architecture import ModelSpec, llama
from aistack.dive.stage import Context
from aistack.hardware.machine import Machine
from aistack.serving import closed_loop, step
from aistack.serving.closed_loop import Played
from aistack.serving.latency import Load
from aistack.serving.quantisation import Int8Rate
from aistack.serving.step import Host, StepTime, Work
from aistack.serving.workload import Ask

BURST = Ask(tuple(range(3, 19)), 24)
"""The request that calibrates the host's share: short, so that all of a burst decode side by side."""
BURSTS = (1, 4)
"""How many are sent at once."""

LARGER = llama(
    "larger",
    hidden=896,
    layers=12,
    heads=14,
    kv_heads=2,
    feed_forward=2432,
    vocab=8192,
    max_context=256,
)
"""A model of random weights that no cache holds, to see memory's bandwidth and not the host's overhead."""

_SHALLOW, _DEEP = (
    llama(f"{layers} layers", hidden=64, layers=layers, heads=2, kv_heads=1, feed_forward=128, vocab=64, max_context=64)
    for layers in (2, 8)
)
OTHERS = (_SHALLOW, _DEEP)
"""Tiny models whose decoding is all overhead."""
OTHERS_CONTEXT = 16


@dataclass(frozen=True)
class Plan:
    """How much is done, by the budget."""

    levels: tuple[int, ...]
    """Concurrent clients, one load each, fewest first."""
    seconds: float
    """Of each load."""
    calibration: float
    """Seconds of measuring int8 products."""
    bursts: int
    """How often each burst is repeated: often enough to meet the machine's good and bad moments."""
    larger: bool
    """Whether a larger model's decoding is measured too."""


def plan(context: Context) -> Plan:
    """Loads for two fifths of the budget; the rest is for starting, calibrating and the larger model."""
    if context.options.quick:
        return Plan((2, 8), 1.5, 0.4, 8, larger=False)
    levels = (1, 2, 8, 16)
    return Plan(levels, 0.4 * context.budget / len(levels), 0.04 * context.budget, 24, larger=True)


@dataclass(frozen=True)
class Predictor:
    """What is known of the machine, the served model and the host."""

    machine: Machine
    spec: ModelSpec
    rate: Int8Rate
    host: Host
    scatter: tuple[float, float]
    """Lowest and highest of nine tenths of the tiny models' steps, over their median."""

    def interval(self, value: float) -> tuple[float, float]:
        """Where a single step's time should lie when `value` is predicted."""
        return value * self.scatter[0], value * self.scatter[1]

    def step(self, work: Work, host: Host | None = None) -> StepTime:
        """A step of the engine."""
        return step.estimate(self.machine, self.spec, work, self.rate, host or self.host)

    def loop(self, asks: Sequence[Ask], clients: int, seconds: float) -> Played:
        """A closed loop of `clients`."""
        priced = lru_cache(maxsize=None)(lambda work: self.step(work).total)
        return closed_loop.estimate(priced, asks, clients, seconds, per_request=self.host.per_request)

    def calibrated(self, bursts: Mapping[int, Load], slow: float = 1.0) -> Predictor:
        """With the host's share fitted to bursts of so many requests, their times taken `slow` times as long."""
        host = step.fit_server(
            lambda work, host: self.step(work, host).total,
            {count: slow * median(burst.times_per_output_token) for count, burst in bursts.items()},
            slow * median(bursts[min(bursts)].times_to_first_token),
            len(BURST.prompt),
            len(BURST.prompt) + BURST.output // 2,
        )
        return replace(self, host=host)


def spread(bursts: Mapping[int, Load]) -> tuple[float, float]:
    """How far single requests of the bursts were from their median: the lowest and the highest ratio."""
    ratios = [
        value / median(burst.times_per_output_token)
        for burst in bursts.values()
        for value in burst.times_per_output_token
    ]
    return min(ratios), max(ratios)


def summary(load: Load) -> dict[str, float]:
    """Means and tails of a load, and its throughput."""
    from aistack.serving.latency import percentile

    first, between = load.times_to_first_token, load.times_per_output_token
    return {
        "clients": load.clients,
        "requests": len(load.requests),
        "time_to_first_token": fmean(first),
        "time_to_first_token_p95": percentile(first, 0.95),
        "time_per_output_token": fmean(between),
        "time_per_output_token_p95": percentile(between, 0.95),
        "throughput": load.throughput,
    }
