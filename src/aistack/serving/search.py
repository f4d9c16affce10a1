"""Every way to divide a replica at once: what each carries within goals, and the frontier of throughput per accelerator
against interactivity.

Replicas that do everything, and pools that divide the work: some replicas read prompts and hand keys and values on to
others that decode (`pools`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistack.catalog.architecture import MixtureOfExperts, ModelSpec, MultiHeadLatentAttention
from aistack.errors import BadInput
from aistack.infrastructure.cluster import Cluster
from aistack.serving import capacity, pool_capacity, replica_memory, steady_state
from aistack.serving.capacity import Goals, Workload
from aistack.serving.deployment import Deployment, Deployments
from aistack.serving.pools import Pools, held, moving
from aistack.serving.step_time import Server, server

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

BATCHES = (16, 64, 256, 1024)
"""Limits of the batch that are tried."""
CHUNKS = (0, 2048, 8192)
"""Tokens of a step that are tried; 0: whole prompts."""
CLIENTS = tuple(2**power for power in range(12))
"""Concurrent requests of a replica along the frontier."""
DEEPEST = 8
"""Pipeline stages at most: more add latency to every token."""


@dataclass(frozen=True)
class Question:
    """What is to be divided: a model on up to so many accelerators of one kind."""

    spec: ModelSpec
    cluster: Cluster
    """Of all accelerators that there are."""
    common: Deployment
    """Its formats, engine and speculation are kept."""
    work: Workload
    goals: Goals
    context: int
    """Tokens of a request at its end, all of which must find room."""


@dataclass(frozen=True)
class Judged:
    """Deployments that fit, with what one replica of each carries; columns."""

    deployments: Deployments
    rate: Array
    """Requests a second within the goals."""
    most: Array
    idle_ttft: Array
    """At the goals' percentile, of a nearly idle replica, as is the next."""
    idle_tpot: Array
    considered: int
    """Deployments that were looked at, those included that do not fit."""

    @property
    def per_accelerator(self) -> Array:
        """Requests a second of each accelerator, within the goals."""
        return self.rate / self.deployments.chips


@dataclass(frozen=True)
class Points:
    """Loads of deployments; columns of equal length."""

    place: Places
    """Of the deployment among all."""
    clients: Array
    """Concurrent requests of a replica."""
    interactivity: Array
    """Tokens a second that one user sees."""
    per_accelerator: Array
    """Output tokens a second of each accelerator."""
    ttft: Array
    """Mean seconds to the first token."""

    def take(self, which: Places | npt.NDArray[np.bool_]) -> Points:
        """The points at these places, or where it is true."""
        return Points(**{name: getattr(self, name)[which] for name in Points.__dataclass_fields__})


def candidates(question: Question) -> Deployments:
    """Every division of a replica into powers of two: tensor-parallel within a scale-up domain, pipelines, and where
    the model has experts or latent attention also attention in parallel over requests and experts apart; each with
    every limit of the batch and of a step. Left out: sizes that are not powers of two, and context parallelism.

    Raises `BadInput` where no division is possible.
    """
    spec, chips = question.spec, question.cluster.chips
    powers = np.array([2**power for power in range(13) if 2**power <= chips], dtype=np.int64)
    parts = (block.feed_forward for block in spec.blocks)
    experts = max((part.experts for part in parts if isinstance(part, MixtureOfExperts)), default=1)
    latent = any(isinstance(block.mixer, MultiHeadLatentAttention) for block in spec.blocks)
    heads = min((heads for block in spec.blocks if (heads := getattr(block.mixer, "heads", None))), default=1)
    inside = question.cluster.levels[0].size
    tensor = powers[(powers <= inside) & (heads % powers == 0)]
    stages = powers[(powers <= min(DEEPEST, spec.layers))]
    data = powers if experts > 1 or latent else powers[:1]
    apart = np.array([0, 1] if experts > 1 else [0])
    grids = np.meshgrid(tensor, stages, data, apart, np.array(BATCHES), np.array(CHUNKS), indexing="ij")
    t, p, d, e, batch, chunk = (grid.ravel().astype(np.int64) for grid in grids)
    expert = np.where(e == 1, t * d, 1)
    legal = (t * p * d <= chips) & (expert <= experts) & ((e == 0) | (expert > 1)) & (batch >= p * d)
    if not legal.any():
        raise BadInput(f"{spec.name} cannot be divided among {chips:,} accelerators.")
    columns = (t, p, d, expert, batch, chunk)
    names = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel", "max_batch", "chunk")
    return Deployments(**dict(zip(names, (column[legal] for column in columns), strict=True)), common=question.common)


def fitting(question: Question) -> tuple[Server | None, int]:
    """The candidates that hold the weights and one request, priced, None where none does; and how many there were."""
    every = candidates(question)
    priced = server(question.spec, question.cluster, every, context=question.context)
    request = replica_memory.per_token(priced, question.context) * question.context
    fits = np.asarray(priced.memory()["cache"]) >= request
    if not fits.any():
        return None, len(every)
    return server(question.spec, question.cluster, every.take(fits), context=question.context), len(every)


def judge(question: Question) -> Judged | None:
    """What one replica of every candidate that fits carries within the goals; None where none fits."""
    priced, considered = fitting(question)
    if priced is None:
        return None
    found = capacity.estimate(priced, question.work, question.goals)
    return Judged(priced.deployments, found.rate, found.most, found.idle.ttft, found.idle.tpot, considered)


def sweep(question: Question) -> tuple[Deployments, Points] | None:
    """Every candidate that fits under more and more concurrent requests, as points; those that wait for a place, and
    those whose mean time to the first token misses its goal, are left out. None where none fits."""
    priced, _ = fitting(question)
    if priced is None:
        return None
    work = question.work
    clients = np.array(CLIENTS, dtype=float)[:, None] * np.ones(len(priced.deployments))
    seen = steady_state.estimate(priced, work.prompt, work.output, concurrency=clients, prefix_hit=work.prefix_hit)
    room = steady_state.room(priced, work.prompt, work.output)
    kept = (clients <= room) & (seen.ttft <= question.goals.ttft)
    # replicas idle beside one another where a batch has fewer requests than groups
    kept &= clients >= priced.groups
    level, place = np.nonzero(kept)
    return priced.deployments, Points(
        place=place.astype(np.int64),
        clients=clients[level, place],
        interactivity=1 / seen.tpot[level, place],
        per_accelerator=seen.per_accelerator[level, place],
        ttft=seen.ttft[level, place],
    )


def frontier(points: Points, worth: Array | None = None) -> Places:
    """Places of the points that no other beats in both interactivity and throughput (or what it is `worth`), fastest
    for a user first."""
    value = points.per_accelerator if worth is None else worth
    order = np.lexsort((-value, -points.interactivity))
    best = np.maximum.accumulate(value[order]) if len(order) else value
    first = np.concatenate(([True], value[order][1:] > best[:-1])) if len(order) else np.empty(0, bool)
    return order[first].astype(np.int64)


def pools(question: Question, rate: float | None = None) -> Pools | None:
    """The pair of pools that carries `rate` requests a second within the goals on the fewest accelerators, else the one
    that carries most on all of them; None where none does. `pool_capacity.estimate` says what it carries.

    Neither half waits for the other, so the best of each go together; they meet in how long keys and values pass, which
    is why those that receive as much at once are looked at together.
    """
    priced, _ = fitting(question)
    if priced is None:
        return None
    channel, work = question.cluster.levels[-1].bulk, question.work
    sent = held(priced, work.prompt) * np.ones(len(priced.deployments))
    best: tuple[float, float, tuple[int, int, int, int]] | None = None
    for goals in pool_capacity.divided(question.goals, work):
        decoding = pool_capacity.decodes(priced, work, goals).rate
        for received in np.unique(sent):
            sending = moving(channel, sent, received)
            reading = pool_capacity.reads(priced, work, goals, sending).rate
            alike = np.where(sent == received, decoding, 0.0)
            found = _together(priced.deployments.chips, reading, alike, question.cluster.chips, rate)
            if found is not None and (best is None or found < best):
                best = found
    if best is None:
        return None
    reader, decoder, readers, decoders = best[2]
    prefill, decode = (
        server(question.spec, question.cluster, priced.deployments[place], context=question.context)
        for place in (reader, decoder)
    )
    return Pools(prefill, decode, readers, decoders, channel)


def _together(
    chips: Places, reading: Array, decoding: Array, room: int, rate: float | None
) -> tuple[float, float, tuple[int, int, int, int]] | None:
    """Of columns of accelerators and requests a second of a replica that reads, or decodes: the fewest accelerators for
    `rate`, or the most requests on `room` of them; what it is ordered by, and (reader, decoder, replicas of each)."""
    if not (reading.any() and decoding.any()):
        return None
    if rate is not None:
        needed = [capacity.replicas(rate, each) for each in (reading, decoding)]
        places = [int(np.lexsort((-each / chips, count * chips))[0]) for each, count in
                  zip((reading, decoding), needed, strict=True)]  # fmt: skip
        counts = [float(count[place]) for count, place in zip(needed, places, strict=True)]
        total = sum(count * float(chips[place]) for count, place in zip(counts, places, strict=True))
        if not total <= room:
            return None
        spare = min(count * each[place] for count, each, place in zip(counts, (reading, decoding), places, strict=True))
        return total, -float(spare), (places[0], places[1], int(counts[0]), int(counts[1]))
    # of replicas with as many accelerators one carries most; what it carries on so many, for every number of them
    some = np.unique(chips)
    each = [[int(np.argmax(np.where(chips == size, column, -1.0))) for size in some] for column in (reading, decoding)]
    budget = np.arange(room + 1)
    fits = budget // some[:, None]
    carried = [fits * column[places][:, None] for column, places in zip((reading, decoding), each, strict=True)]
    first, second = (column.argmax(axis=0) for column in carried)
    both = np.minimum(carried[0].max(axis=0), carried[1].max(axis=0)[::-1])
    at = int(both.argmax())
    if not both[at] > 0:
        return None
    left, right = int(first[at]), int(second[room - at])
    return (
        -float(both[at]),
        float(at),
        (each[0][left], each[1][right], int(fits[left, at]), int(fits[right, room - at])),
    )
