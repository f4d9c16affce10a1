"""How much pools that read prompts and decode apart carry within goals; closed form, for many deployments at once.

The two halves do not wait for one another, so each is judged alone: a replica that reads by the tail of its queue, one
that decodes by how many requests it may hold. `search` judges every deployment by the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from aistack.serving import steady_state
from aistack.serving.capacity import SEEN_VARIANCE, Goals, Workload
from aistack.serving.pools import Pools, reading
from aistack.serving.step_time import Server

Array = npt.NDArray[np.float64]
Half = Literal["prefill", "decode", "transfer"]

BUSY = np.linspace(0.005, 0.985, 197)
"""Utilisations of prompt readers that are tried."""
BATCHES = np.unique(np.rint(np.geomspace(1, 4096, 80)))
"""Requests in a decoding replica that are tried."""
SHARES = np.linspace(0.05, 0.95, 19)
"""Parts of a goal for the whole answer that its tokens after the first may take."""


@dataclass(frozen=True)
class Carried:
    """What one replica of a pool carries; arrays, by deployment."""

    rate: Array
    """Requests a second within the goals; 0 where a request alone misses one."""
    most: Array
    """Requests a second without goals."""
    seconds: Array
    """Time to the first token (of replicas that read) or per output token (of those that decode), at the goals'
    percentile and this rate."""


@dataclass(frozen=True)
class PoolCapacity:
    """What pools carry; plain numbers."""

    rate: float
    """Requests a second within the goals."""
    most: float
    """Requests a second without goals."""
    ttft: float
    """At the goals' percentile and `rate`, as is the next."""
    tpot: float
    binding: Half
    """What keeps them from more."""
    sends: bool
    """Whether sending takes longer than reading, so that it bounds what is read."""


def estimate(pools: Pools, work: Workload, goals: Goals) -> PoolCapacity:
    """Of pools of one deployment each, the highest rate within `goals`; of a goal for the whole answer, the better of
    many ways to divide it between its first token and the others."""
    sending = pools.transfer(work.prompt)
    found = []
    for each in divided(goals, work):
        read, decode = reads(pools.prefill, work, each, sending), decodes(pools.decode, work, each)
        both = pools.prefill_replicas * float(read.rate), pools.decode_replicas * float(decode.rate)
        full = pools.prefill_replicas * float(read.most), pools.decode_replicas * float(decode.most)
        own = reading(pools.prefill, work.prompt, work.prefix_hit, sending)
        sends = float(sending) > float(own.each)
        first: Half = "transfer" if sends else "prefill"
        binding: Half = first if both[0] <= both[1] else "decode"
        found.append(PoolCapacity(min(both), min(full), float(read.seconds), float(decode.seconds), binding, sends))
    return max(found, key=lambda one: one.rate)


def divided(goals: Goals, work: Workload) -> Iterator[Goals]:
    """Goals for the first token and for the others that together keep one for the whole answer; `goals` without one."""
    if not math.isfinite(goals.latency):
        yield goals
        return
    after = max(float(np.asarray(work.output)) - 1, 1.0)
    for share in SHARES:
        first, rest = goals.latency * (1 - share), goals.latency * share / after
        yield replace(goals, ttft=min(goals.ttft, first), tpot=min(goals.tpot, rest), latency=math.inf)


def reads(prefill: Server, work: Workload, goals: Goals, transfer: npt.ArrayLike) -> Carried:
    """What a replica that reads prompts carries; their keys and values take `transfer` seconds on their way.

    The highest of many utilisations at which the first token is there in time: the wait has an exponential tail, as in
    `capacity`, and grows with the square of the gaps' coefficient of variation.
    """
    own = reading(prefill, work.prompt, work.prefix_hit, transfer)
    busy = BUSY.reshape(-1, *(1,) * np.ndim(own.first))
    missed = 1 - goals.percentile / 100
    tail = np.maximum(np.log(busy / missed) / busy, 0.0)
    ttft = prefill.engine.request_overhead + own.first + own.waiting(busy) * work.burstiness**2 * tail
    place = np.maximum((ttft <= goals.ttft).sum(axis=0) - 1, 0)
    most = np.asarray(prefill.groups / own.between)
    met = np.take_along_axis(ttft, place[None], axis=0)[0] <= goals.ttft
    rate = np.where(met, BUSY[place] * most, 0.0)
    return Carried(rate, most, np.take_along_axis(ttft, place[None], axis=0)[0])


def decodes(decode: Server, work: Workload, goals: Goals) -> Carried:
    """What a replica that decodes carries: the most requests that it may hold on average, of a number that varies as in
    an M/D/inf queue, so that a token comes in time."""
    prompt, output = (np.asarray(each, float) for each in (work.prompt, work.output))
    limit = steady_state.room(decode, prompt, output)
    grid = BATCHES.reshape(-1, *(1,) * np.ndim(limit))
    sigma = NormalDist().inv_cdf(goals.percentile / 100) * work.burstiness * math.sqrt(SEEN_VARIANCE)

    def token(many: Array) -> Array:
        return np.asarray(steady_state.step(decode, many, many * (prompt + output / 2)) / steady_state.expected(decode))

    batch = np.minimum(grid, np.maximum(limit, 1.0))
    tpot = token(np.minimum(batch + sigma * np.sqrt(batch), np.maximum(limit, 1.0)))
    carried = batch / (np.maximum(output - 1, 1.0) * token(batch))
    meets = (tpot <= goals.tpot) & (limit >= 1)
    rates = np.where(meets, carried, 0.0)
    place = rates.argmax(axis=0)[None]
    most = np.where(limit >= 1, carried.max(axis=0), 0.0)
    return Carried(np.take_along_axis(rates, place, 0)[0], most, np.take_along_axis(tpot, place, 0)[0])
