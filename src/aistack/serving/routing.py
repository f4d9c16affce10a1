"""Who gets which request: runs of several engines, each with a queue of its own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, get_args

import numpy as np

from aistack.errors import BadInput
from aistack.serving.playing import Played, play
from aistack.serving.requests import Ints, Requests
from aistack.serving.shared_blocks import SharedBlocks
from aistack.serving.simulated_engine import SimulatedEngine, decoding_steps

Routing = Literal["round-robin", "least-loaded"]
"""In turn, or to the engine with the fewest requests under way when one arrives."""


@dataclass(frozen=True)
class Run:
    """One engine's: the places of its requests among all, in order of arrival, and what became of them."""

    places: Ints
    played: Played


def estimate(
    engine: SimulatedEngine,
    requests: Requests,
    engines: int = 1,
    routing: Routing = "round-robin",
    *,
    received: bool = False,
) -> list[Run]:
    """`requests` on so many engines; a closed loop's clients keep to one engine each, in turn.

    With `received`, keys and values of prompts come with them, and only answers are computed (of two tokens or more).
    Where requests name their prompts' blocks, each engine finds what its own cache still holds.
    Raises `DoesNotFit` where a request holds more at its end than a cache, `BadInput` for an unknown routing.
    """
    if engines < 1:
        raise BadInput(f"{engines} engines serve nothing; there must be 1 or more.")
    if routing not in get_args(Routing):
        raise BadInput(f"Routing {routing!r}; it must be one of {', '.join(get_args(Routing))}.")
    left = decoding_steps(engine.limits, requests)
    cached = requests.prompt if received else requests.cached
    if received:
        requests = replace(requests, blocks=())
    if routing == "least-loaded" and not requests.clients and engines > 1:
        return _least_loaded(engine, requests, left, cached, engines)
    used = min(engines, requests.clients or engines, len(requests))
    return [_alone(engine, requests, left, cached, np.arange(first, len(requests), used)) for first in range(used)]


def _alone(engine: SimulatedEngine, requests: Requests, left: Ints, cached: Ints, places: Ints) -> Run:
    own = requests.take(places)
    sent = int(np.sum(places < requests.clients)) if requests.clients else len(own)
    played = Played(
        unsent=len(own) - sent,
        pause=engine.overhead,
        arrival=(own.arrival[:sent] + engine.overhead).tolist(),
        prompt=own.prompt.tolist(),
        left=left[places].tolist(),
        cached=cached[places].tolist(),
    )
    shared = SharedBlocks(own.block, list(own.blocks)) if own.blocks else None
    playing = play(engine.table, engine.limits, played, len(own), shared)
    next(playing)
    with suppress(StopIteration):
        playing.send(inf)
    return Run(places, played)


def _least_loaded(engine: SimulatedEngine, requests: Requests, left: Ints, cached: Ints, engines: int) -> list[Run]:
    runs = [Played() for _ in range(engines)]
    shared = [SharedBlocks(requests.block, []) if requests.blocks else None for _ in runs]
    playing = [
        play(engine.table, engine.limits, played, len(requests), own) for played, own in zip(runs, shared, strict=True)
    ]
    due = [next(each) for each in playing]  # when each engine's next event ends
    places: list[list[int]] = [[] for _ in runs]
    queued = (requests.arrival + engine.overhead).tolist()
    columns = (requests.prompt.tolist(), left.tolist(), cached.tolist())
    everyone = range(engines)
    for number, (arrival, prompt, decoding, known) in enumerate(zip(queued, *columns, strict=True)):
        chosen, fewest = 0, number + 1
        for each in everyone:
            if due[each] <= arrival:
                due[each] = playing[each].send(arrival)
            under_way = len(places[each]) - runs[each].ended
            if under_way < fewest:
                chosen, fewest = each, under_way
        played = runs[chosen]
        played.arrival.append(arrival)
        played.prompt.append(prompt)
        played.left.append(decoding)
        played.cached.append(known)
        if (own_blocks := shared[chosen]) is not None:
            own_blocks.names.append(requests.blocks[number])
        places[chosen].append(number)
        due[chosen] = arrival
    for remaining in playing:
        with suppress(StopIteration):
            remaining.send(inf)
    return [Run(np.array(own, np.int64), played) for own, played in zip(places, runs, strict=True) if own]
