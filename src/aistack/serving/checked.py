"""A replica under load as the simulation sees it: the check on what the closed form says, with whole distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aistack.serving import disaggregated, requests, simulation, steady_pools, steady_state
from aistack.serving.capacity import GOALS, Goals, Workload
from aistack.serving.pools import Pools
from aistack.serving.requests import Requests
from aistack.serving.simulation import Simulated
from aistack.serving.step_time import Server

LEAST, MOST = 1500, 20_000
"""Requests of a simulation."""
STAYS = 16
"""Times that all who are there are answered in one; the first quarter of the requests is left out as a warm-up."""
REFINEMENTS = 6
OUT_OF_STEP = 0.2
"""Spread of lengths that concurrent clients have at least: with none they would move in lockstep."""
LONGEST = 4.0
"""Multiples of its mean that a length has at most; less where a request would not find room in the cache."""


@dataclass(frozen=True)
class Seen:
    """What requests saw of one replica; mappings go by `capacity.GOALS`, seconds."""

    mean: dict[str, float]
    high: dict[str, float]
    """At the percentile."""
    batch: float
    """Sequences that decode at once, on average."""
    kv_occupancy: float
    """Share of the cache in use, on average."""
    utilisation: float
    throughput: float
    """Output tokens a second."""
    preempted: float
    """Share of the requests that were computed again for want of cache."""


def at_rate(
    server: Server, work: Workload, rate: float, percentile: float, *, spread: float = 0.0, seed: int = 0
) -> Seen:
    """Requests at `rate` a second on one replica; `spread` is the standard deviation of lengths over their means.

    Raises `DoesNotFit` where a request is longer than the cache.
    """
    there = steady_state.estimate(server, work.prompt, work.output, rate=rate, prefix_hit=work.prefix_hit).batch
    arriving = _arriving(server, work, rate, spread, seed, float(there))
    return _seen(simulation.simulate(server, arriving), percentile)


def of_pools(
    pools: Pools, work: Workload, rate: float, percentile: float, *, spread: float = 0.0, seed: int = 0
) -> Seen:
    """Requests at `rate` a second on pools that read prompts and decode apart; batch and cache are of a replica that
    decodes. Raises as `at_rate`."""
    state = steady_pools.estimate(pools, work.prompt, work.output, rate=rate, prefix_hit=work.prefix_hit)
    arriving = _arriving(pools.decode, work, rate, spread, seed, rate * float(state.e2e))
    seen = _seen(disaggregated.simulate(pools, arriving), percentile)
    return replace(seen, batch=seen.batch / pools.decode_replicas)


def _arriving(server: Server, work: Workload, rate: float, spread: float, seed: int, there: float) -> Requests:
    prompts, outputs = _lengths(server, work, spread, seed, there)
    shape = 1 / work.burstiness**2 if work.burstiness else 1e6
    return _cached(requests.gamma(rate, shape, prompts, outputs, seed=seed + 1), work)


def with_clients(
    server: Server, work: Workload, clients: int, percentile: float, *, spread: float = 0.0, seed: int = 0
) -> Seen:
    """`clients` of one replica that each send their next request when the last is answered. Raises as `at_rate`."""
    prompts, outputs = _lengths(server, work, max(spread, OUT_OF_STEP), seed, clients)
    asked = requests.closed_loop(clients, prompts, outputs)
    return _seen(simulation.simulate(server, _cached(asked, work)), percentile)


def within(
    server: Server, work: Workload, goals: Goals, guess: float, most: float, *, spread: float = 0.0
) -> tuple[float, str]:
    """The highest rate of one replica within `goals`, and which goal keeps it from more; see `highest`."""

    def played(rate: float) -> Seen:
        return at_rate(server, work, rate, goals.percentile, spread=spread)

    return highest(played, goals, guess, most)


def highest(played: Callable[[float], Seen], goals: Goals, guess: float, most: float) -> tuple[float, str]:
    """The highest rate whose requests, as `played` says, see `goals`, and which goal keeps it from more ("" for none).

    Looked for by halving between a rate that meets them and one that does not, from the closed form's `guess` on; never
    above `most`, beyond which queues grow without end. The rate is 0 where even single requests miss a goal.
    """

    def missed(rate: float) -> str:
        seen = played(rate)
        used = {name: seen.high[name] / getattr(goals, name) for name in GOALS}
        worst = max(used, key=lambda name: used[name])
        return worst if used[worst] > 1 else ""

    if not most > 0:
        return 0.0, GOALS[0]
    low, high, binding = 0.0, most, ""
    rate = min(max(guess, most / 100), most)
    for _ in range(REFINEMENTS):
        if miss := missed(rate):
            high, binding = rate, miss
        else:
            low = rate
        if low >= 0.98 * high:
            break
        # the guess is near: look beside it before halving what is far
        rate = max(0.8 * high, (low + high) / 2) if not low else min(1.15 * low, (low + high) / 2)
    if not low and (miss := missed(most / 1000)):
        return 0.0, miss
    return max(low, most / 1000), binding


def _lengths(
    server: Server, work: Workload, spread: float, seed: int, there: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Prompts and answers of enough requests for what so many that are there at once see to settle."""
    count = int(np.clip(STAYS * there, LEAST, MOST))
    prompt, output = float(np.asarray(work.prompt)), float(np.asarray(work.output))
    # half of an engine's cache, so that a page that is half full and a token too many do not matter
    room = max(1.0, min(LONGEST, 0.5 * float(server.kv_capacity) / float(server.groups) / (prompt + output)))
    longest = [None if not spread else math.ceil(room * mean) for mean in (prompt, output)]
    return (
        requests.lengths(prompt, count, spread=spread, most=longest[0], seed=seed + 2),
        requests.lengths(output, count, spread=spread, most=longest[1], seed=seed + 3),
    )


def _cached(asked: Requests, work: Workload) -> Requests:
    hit = float(np.asarray(work.prefix_hit))
    held = np.minimum((asked.prompt * hit).astype(np.int64), asked.prompt - 1)
    return Requests(asked.arrival, asked.prompt, asked.output, held, asked.clients)


def _seen(run: Simulated, percentile: float) -> Seen:
    settled = run.between(float(np.quantile(run.sent, 0.25)))
    values = {name: getattr(settled, name) for name in GOALS}
    known = {name: each[~np.isnan(each)] for name, each in values.items()}
    busy = run.occupancy
    return Seen(
        mean={name: float(each.mean()) if len(each) else 0.0 for name, each in known.items()},
        high={name: float(np.percentile(each, percentile)) if len(each) else 0.0 for name, each in known.items()},
        batch=sum(each.mean_batch for each in busy),
        kv_occupancy=float(np.mean([each.mean_kv for each in busy])),
        utilisation=float(np.mean([each.utilisation for each in busy])),
        throughput=run.throughput,
        preempted=float(np.mean(run.preemptions > 0)),
    )
