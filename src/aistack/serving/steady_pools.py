"""The steady state of pools that read prompts and decode apart, in closed form.

Decoding is never interrupted, so the time between tokens is that of a decode step alone; the first token waits for a
replica that reads prompts, for its prompt, for the keys and values to arrive, and for a place where they go to.

P prompt tokens, O output tokens
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput
from aistack.serving import steady_state
from aistack.serving.pools import Pools, reading
from aistack.serving.steady_state import SteadyState

Array = npt.NDArray[np.float64]

FULL = 0.995
"""Share of the most that pools carry up to which waits are told."""


def most(pools: Pools, prompt: npt.ArrayLike, output: npt.ArrayLike, prefix_hit: npt.ArrayLike = 0.0) -> Array:
    """Requests a second that each pool answers when it never pauses: [prefill, decode] before the other axes. Sending
    bounds the first. Arguments broadcast."""
    p, o = (np.asarray(each, dtype=float) for each in (prompt, output))
    places = pools.prefill_replicas * pools.prefill.groups
    read = places / reading(pools.prefill, p, prefix_hit, pools.transfer(p)).between
    limit = np.maximum(steady_state.room(pools.decode, p, o), 1.0)
    stay = np.maximum(o - 1, 0) * tpot(pools, p, o, limit)
    return np.stack(np.broadcast_arrays(read, pools.decode_replicas * limit / np.maximum(stay, 1e-12)))


def tpot(pools: Pools, prompt: Array, output: Array, decoding: Array) -> Array:
    """Seconds from token to token while `decoding` sequences decode in each replica."""
    step = steady_state.step(pools.decode, decoding, decoding * (prompt + output / 2))
    return np.asarray(step / steady_state.expected(pools.decode))


def estimate(
    pools: Pools,
    prompt: npt.ArrayLike,
    output: npt.ArrayLike,
    *,
    concurrency: npt.ArrayLike | None = None,
    rate: npt.ArrayLike | None = None,
    prefix_hit: npt.ArrayLike = 0.0,
) -> SteadyState:
    """Under `concurrency` clients or requests at `rate`, of all replicas together; arguments broadcast.

    Requests are divided at random, so that each group of ranks that reads sees independent ones. The batch and the
    cache's occupancy are of one replica that decodes; where `saturated`, times are those of pools that are just full.
    Raises `BadInput`.
    """
    p, o = (np.asarray(each, dtype=float) for each in (prompt, output))
    if (concurrency is None) == (rate is None):
        raise BadInput("A load is a number of clients or a rate of requests, one of the two.")
    if not (np.all(p >= 1) and np.all(o >= 1)):
        raise BadInput("Prompts and answers have one token or more.")
    own = reading(pools.prefill, p, prefix_hit, pools.transfer(p))
    places = pools.prefill_replicas * pools.prefill.groups
    limit = np.maximum(steady_state.room(pools.decode, p, o), 1.0)
    both, after = most(pools, p, o, prefix_hit), o - 1
    least = both.min(axis=0)

    def decoding(requests: Array) -> Array:
        def wanted(many: Array) -> Array:
            return np.asarray(requests / pools.decode_replicas * after * tpot(pools, p, o, many))

        return steady_state.balanced(wanted, limit + 0.0 * requests * after)

    def first(requests: Array, many: Array) -> Array:
        """Seconds to the first token while `requests` come a second."""
        queue = own.waiting(np.clip(requests * own.between / places, 0.0, FULL))
        full = np.clip(requests / both[1], 0.0, FULL)
        stay = after * tpot(pools, p, o, many)
        # half of Sakasegawa's wait for one of as many places, as of constant service; and the step that is under way
        place = stay * full ** np.sqrt(2 * (limit + 1)) / (2 * limit * (1 - full))
        step = tpot(pools, p, o, many) * steady_state.expected(pools.decode)
        place = place + (1 - np.exp(-many)) * step / 2
        return np.asarray(pools.prefill.engine.request_overhead + queue + own.first + place)

    if rate is not None:
        asked = np.asarray(rate, dtype=float)
        if np.any(asked <= 0):
            raise BadInput("Requests come at a rate above 0.")
        requests, saturated = np.minimum(asked, least), asked >= least
        many = decoding(requests)
        ttft = first(requests, many)
    else:
        clients = np.asarray(concurrency, dtype=float)

        def answered(requests: Array) -> Array:
            there = decoding(requests)
            return np.asarray(clients / (first(requests, there) + after * tpot(pools, p, o, there)))

        requests = steady_state.balanced(answered, least + 0.0 * clients)
        saturated = np.zeros(np.shape(requests), dtype=bool)
        many = decoding(requests)
        ttft = np.maximum(first(requests, many), clients / requests - after * tpot(pools, p, o, many))
    between = tpot(pools, p, o, many)
    state = steady_state.state(
        pools.decode, requests * o, ttft, between, ttft + after * between, many, p + o / 2,
        np.minimum(requests / least, 1.0), saturated,
    )  # fmt: skip
    return steady_state.over(state, pools.chips)
