"""A replica's steady state in closed form: throughput, time to first token, time per output token, for many at once.

Loads are a batch that starts and ends together (`static`; a single stream is a batch of one), clients that each send
their next request when the last is answered, all requests at once, and requests that come at a rate (`estimate`).

While B sequences decode, B / O of them end with every token, and as many prompts must be read: a cycle in which each
gains one token takes a decode step and what those prompts add to it. With Little's law the clients divide into those
that decode and those that wait for their first token.

P prompt tokens, O output tokens, B sequences that decode at once
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput
from aistack.serving import replica_memory
from aistack.serving.replica_memory import UNCHUNKED
from aistack.serving.step_time import Server

Array = npt.NDArray[np.float64]

ROUNDS = 9
"""In which the number of decoding sequences is found."""


@dataclass(frozen=True)
class SteadyState:
    """What clients see, and how busy the replica is; arrays."""

    throughput: Array
    """Output tokens a second of the replica."""
    per_accelerator: Array
    """Of each of its accelerators."""
    ttft: Array
    """Mean seconds from sending a request to its first token."""
    tpot: Array
    """Mean seconds from one token to the next."""
    e2e: Array
    """Mean seconds from sending a request to its last token."""
    batch: Array
    """Sequences that decode at once, on average."""
    kv_occupancy: Array
    """Share of the cache that is in use."""
    utilisation: Array
    """Share of time in which the replica works."""
    saturated: npt.NDArray[np.bool_]
    """Whether requests come faster than they are answered, or not one fits; times are a full replica's then."""


def estimate(
    server: Server,
    prompt: npt.ArrayLike,
    output: npt.ArrayLike,
    *,
    concurrency: npt.ArrayLike | None = None,
    rate: npt.ArrayLike | None = None,
    prefix_hit: npt.ArrayLike = 0.0,
    rounds: float = math.inf,
) -> SteadyState:
    """Under `concurrency` clients, or requests at `rate` a second; with neither, with all that fits at once.

    `prefix_hit` is the share of prompt tokens that the cache holds already; each client sends `rounds` requests, of
    which the first come all at once. Arguments broadcast, as `Server` says. Raises `BadInput` for sizes that cannot be.
    """
    load = _load(prompt, output, prefix_hit)
    if concurrency is not None and rate is not None:
        raise BadInput("A load is a number of clients or a rate of requests, not both.")
    if rate is not None:
        return _open(server, load, np.asarray(rate, dtype=float))
    all_that_fits = np.maximum(room(server, load.prompt, load.output), 1.0)
    many = all_that_fits if concurrency is None else np.asarray(concurrency, dtype=float)
    if np.any(many < 1):
        raise BadInput("Clients are one or more.")
    return _first_wave(server, load, _closed(server, load, many), rounds)


def static(
    server: Server, prompt: npt.ArrayLike, output: npt.ArrayLike, batch: npt.ArrayLike, held: npt.ArrayLike = 0.0
) -> SteadyState:
    """A batch that is handed to the engine at once: all prompts first, then decoding together; what does not fit waits.

    `held` tokens of each sequence are in the cache before. Prompts or answers of 0 tokens leave their part out. Raises
    `BadInput` where both are.
    """
    p, o, before, many = (np.asarray(each, dtype=float) for each in (prompt, output, held, batch))
    if np.any(p + o <= 0) or np.any(many <= 0):
        raise BadInput("A batch has one sequence or more, each with a prompt or an answer.")
    context = before + p + o / 2
    most = room(server, before + p, o)
    turns = np.ceil(many / np.maximum(most, 1.0))
    each = many / np.maximum(turns, 1)
    reading = np.where(p > 0, server.prefill(np.maximum(p, 1.0), before, each), 0.0)
    tpot = step(server, each, each * context) / expected(server)
    whole = turns * (reading + np.maximum(o - (p > 0), 0) * tpot)
    return state(server, many * o / whole, reading, tpot, whole, each, context, np.ones(()), most < 1)


def room(server: Server, prompt: npt.ArrayLike, output: npt.ArrayLike) -> Array:
    """Sequences that may be in the replica at once: its limit, or what its cache holds of sequences half written."""
    p, o = (np.asarray(each, dtype=float) for each in (prompt, output))
    held = p + o / 2
    fits = np.floor(_cache(server) / (replica_memory.per_token(server, held) * held))
    return np.minimum(server.max_batch, fits)


@dataclass(frozen=True)
class _Load:
    """What each request asks for."""

    prompt: Array
    output: Array
    new: Array
    """Prompt tokens that are not in the cache."""

    @property
    def cached(self) -> Array:
        return self.prompt - self.new

    @property
    def context(self) -> Array:
        """Tokens that a sequence holds half way."""
        return self.prompt + self.output / 2


def _load(prompt: npt.ArrayLike, output: npt.ArrayLike, prefix_hit: npt.ArrayLike) -> _Load:
    p, o, hit = (np.asarray(each, dtype=float) for each in (prompt, output, prefix_hit))
    if not (np.all(p >= 1) and np.all(o >= 1) and np.all((hit >= 0) & (hit < 1))):
        raise BadInput("Prompts and answers have one token or more, and a part of the prompts below 1 is cached.")
    return _Load(p, o, np.maximum(p * (1 - hit), 1.0))


def _first_wave(server: Server, load: _Load, steady: SteadyState, rounds: float) -> SteadyState:
    """The mean over all requests where the first of each client come at once and are read one after another."""
    many = np.maximum(steady.batch, 1.0)
    wave = server.prefill(load.new, load.cached, many) / 2
    first = steady.ttft + np.maximum(wave - steady.ttft, 0.0) / rounds
    return replace(steady, ttft=first)


@dataclass(frozen=True)
class _Cycle:
    """What happens while B sequences decode."""

    tpot: Array
    first: Array
    """Seconds from a prompt's arrival to its first token."""
    prompt_rate: Array
    """Prompts a second that are read at most beside so many decoding sequences."""


def _closed(server: Server, load: _Load, clients: Array) -> SteadyState:
    """A fixed number of clients. As many decode as Little's law leaves of them."""
    limit = room(server, load.prompt, load.output)
    fits, limit = limit >= 1, np.maximum(limit, 1.0)
    inside = np.minimum(clients, limit)
    after = load.output - 1

    def wanted(decoding: Array) -> Array:
        cycle = _cycle(server, load, decoding)
        return np.asarray(inside * after * cycle.tpot / (cycle.first + after * cycle.tpot))

    decoding = balanced(wanted, np.minimum(inside, _keeping_up(server, load)) + 0.0 * after)
    cycle = _cycle(server, load, decoding)
    overhead = server.engine.request_overhead
    requests = np.minimum(inside / (cycle.first + overhead + after * cycle.tpot), cycle.prompt_rate)
    stay = clients / requests
    first = stay - after * cycle.tpot
    busy = np.ones(())
    return state(server, requests * load.output, first, cycle.tpot, stay, decoding, load.context, busy, ~fits)


def _keeping_up(server: Server, load: _Load) -> Array:
    """The most sequences that decode at once: each needs a row of every step, and room in it for what its end lets in.
    Where prompts go alone nothing is shared."""
    if not server.engine.mixes:
        return np.asarray(np.inf)
    chunk = np.where(server.chunk > 0, server.chunk, np.inf)
    return np.asarray(server.groups * chunk / (load.new / load.output * expected(server) + 1))


def balanced(wanted: Callable[[Array], Array], most: Array) -> Array:
    """The number of sequences, at most `most`, of which as many are wanted: by false position, where an end that stays
    counts half (the Illinois method; Dowell and Jarratt, BIT 11, 1971)."""
    low, high = np.zeros(np.shape(most)), most
    above, below = np.maximum(wanted(low), 0.0), np.minimum(wanted(high) - high, 0.0)

    def crossing() -> Array:
        share = np.clip(above / np.maximum(above - below, 1e-300), 0.0, 1.0)
        return np.asarray(low + (high - low) * share)

    for _ in range(ROUNDS):
        middle = crossing()
        miss = wanted(middle) - middle
        short = miss > 0
        above, below = np.where(short, miss, above / 2), np.where(short, below / 2, miss)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return crossing()


def _cycle(server: Server, load: _Load, decoding: Array) -> _Cycle:
    """While `decoding` sequences decode, as many prompts must be read as sequences end.

    A request finds a step in progress, waits for it and, where prompts queue, for those before it (a queue with
    constant service, M/D/1, by as much as prompts come at once), and is read in steps of its own tokens beside those
    that decode, or, where the engine pauses for prompts, alone.
    """
    parts, yielded = server.groups, expected(server)
    held = decoding * load.context
    plain = step(server, decoding, held)
    ending = decoding / load.output * yielded
    if not server.engine.mixes:
        many = np.maximum(ending / parts, 1.0)
        own = server.prefill(load.new, load.cached, many * parts)
        added = own / many / parts
        cycle = plain + ending * added
        crowd, service, most = ending * added / cycle, added * parts, 1 / added
    else:
        budget = np.where(server.chunk > 0, np.maximum(server.chunk - decoding / parts, server.chunk / 8), UNCHUNKED)
        budget = np.where(server.chunk > 0, budget, np.maximum(budget, load.new))
        # in a step with a prompt there is one, or as many as end in a step
        beside = np.minimum(np.maximum(ending / parts, 1.0) * load.new, budget)
        steps = load.new / beside
        whole = np.minimum(beside, load.new)
        before = load.cached + (load.new - whole) / 2
        together = server.mixed(decoding, held, beside * parts, before, parts * beside / load.new, beside / whole)
        added = np.maximum(together - plain, 0.0) * steps / parts
        cycle = plain + ending * added
        own = together * np.maximum(steps, 1.0)
        fullest = server.mixed(decoding, held, budget * parts, before, parts * budget / load.new, budget / whole)
        service = fullest * load.new / budget
        crowd, most = ending * load.new / budget / parts, parts / service
    crowd = np.clip(crowd, 0.0, 0.99)
    queue = server.engine.burst * crowd / (2 * (1 - crowd)) * service
    return _Cycle(cycle / yielded, cycle + own + queue, most)


def step(server: Server, batch: Array, held: Array) -> Array:
    """Seconds of a decode step, with tokens proposed ahead where there is speculation."""
    speculative = server.deployments.common.speculative
    if speculative is None:
        return server.decode(batch, held)
    return server.verify(batch, held, speculative)


def expected(server: Server) -> float:
    """Tokens that a sequence gains in a step."""
    speculative = server.deployments.common.speculative
    return 1.0 if speculative is None else speculative.expected


def _open(server: Server, load: _Load, rate: Array) -> SteadyState:
    """Requests at a rate: by Little's law as many decode as their rate times their stay.

    Near the most that the replica answers, requests also wait for a place: the wait of a queue with as many places
    (Sakasegawa, Annals of the Institute of Statistical Mathematics 29, 1977), of which half with constant service.
    """
    if np.any(rate <= 0):
        raise BadInput("Requests come at a rate above 0.")
    limit = np.maximum(room(server, load.prompt, load.output), 1.0)
    full = _closed(server, load, limit + 0.0 * rate)
    after = load.output - 1
    decoding = balanced(lambda many: rate * after * _cycle(server, load, many).tpot, limit + 0.0 * rate * after)
    cycle = _cycle(server, load, decoding)
    busy = rate * load.output / np.maximum(full.throughput, 1e-12)
    saturated = (busy >= 1) | full.saturated
    near = np.clip(busy, 0.0, 0.999)
    stay = cycle.first + after * cycle.tpot
    waiting = stay * near ** np.sqrt(2 * (limit + 1)) / (2 * limit * (1 - near))
    ttft = np.where(saturated, full.ttft, server.engine.request_overhead + cycle.first + waiting)
    tpot = np.where(saturated, full.tpot, cycle.tpot)
    return state(
        server,
        np.where(saturated, full.throughput, rate * load.output),
        ttft,
        tpot,
        ttft + after * tpot,
        np.where(saturated, full.batch, decoding),
        load.context,
        np.minimum(busy, 1.0),
        saturated,
    )


def _cache(server: Server) -> Array:
    """Bytes of the cache on the fullest accelerator, of all groups that have sequences of their own."""
    left: Array = np.maximum(server.memory()["cache"], 0.0) * server.groups / server.stages
    return left


def over(found: SteadyState, chips: npt.ArrayLike) -> SteadyState:
    """The state with its throughput divided among `chips`."""
    return replace(found, per_accelerator=found.throughput / np.asarray(chips, dtype=float))


def state(
    server: Server,
    throughput: Array,
    ttft: Array,
    tpot: Array,
    e2e: Array,
    batch: Array,
    context: Array,
    utilisation: Array,
    saturated: npt.NDArray[np.bool_],
) -> SteadyState:
    """The parts as one, with the cache's occupancy; arrays broadcast."""
    held = batch * context * replica_memory.per_token(server, context)
    occupancy = np.minimum(held / np.maximum(_cache(server), 1.0), 1.0)
    found = np.broadcast_arrays(
        throughput, throughput / server.chips, ttft, tpot, e2e, batch, occupancy, utilisation, saturated
    )
    return SteadyState(*found)
