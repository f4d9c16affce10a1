"""Pools that read prompts and decode apart, request by request (`pools` says what both halves are).

A group of ranks sends the keys and values of its prompts one after the other; a request then waits for a place where it
is decoded, and shows its first token when it has one. Left out: that a prompt's keys and values stay in the first
pool's cache while they move.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aistack.errors import BadInput
from aistack.serving import routing, simulated_engine, simulation
from aistack.serving.pools import Pools
from aistack.serving.requests import Floats, Requests
from aistack.serving.routing import Routing, Run
from aistack.serving.simulation import Simulated


def simulate(pools: Pools, requests: Requests, *, routed: Routing = "round-robin") -> Simulated:
    """`requests` through both pools; occupancy is that of the engines that decode.

    Raises `DoesNotFit` where a request does not fit into a cache, and `BadInput` for a closed loop.
    """
    if requests.clients:
        raise BadInput("Pools are simulated with requests at a rate or from a trace, not with clients that wait.")
    prompts = replace(requests, output=np.ones_like(requests.output))
    reader = simulated_engine.estimate(pools.prefill, prompts)
    readers = routing.estimate(reader, prompts, pools.prefill_replicas * reader.parts, routed)
    served = simulation.gathered(reader, prompts, readers)
    answered = np.flatnonzero(requests.output > 1)
    if not len(answered):
        return served
    arrived = _arrived(readers, served.done, np.asarray(pools.transfer(requests.prompt), float))
    moved = answered[np.argsort(arrived[answered], kind="stable")]
    asked = Requests(arrived[moved], requests.prompt[moved], requests.output[moved])
    engine = replace(simulated_engine.estimate(pools.decode, requests), overhead=0.0)
    runs = routing.estimate(engine, asked, pools.decode_replicas * engine.parts, routed, received=True)
    decoded = simulation.gathered(engine, asked, runs)
    first, done, preemptions = served.first.copy(), served.done.copy(), served.preemptions.copy()
    first[moved], done[moved] = decoded.start, decoded.done
    preemptions[moved] += decoded.preemptions
    return replace(served, first=first, done=done, output=requests.output, preemptions=preemptions,
                   occupancy=decoded.occupancy)  # fmt: skip


def _arrived(readers: list[Run], read: Floats, sending: Floats) -> Floats:
    """When each prompt's keys and values are there: each group sends them one after the other as prompts end."""
    arrived = read.copy()
    for run in readers:
        order = run.places[np.argsort(read[run.places], kind="stable")]
        # t[k] = max(read[k], t[k - 1]) + sending[k]: the latest start of all before, and all sendings since
        total = np.cumsum(sending[order])
        arrived[order] = total + np.maximum.accumulate(read[order] - total + sending[order])
    return arrived
