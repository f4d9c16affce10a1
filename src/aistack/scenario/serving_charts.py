"""The charts of a serving plan's answer, by name: what the command line writes, the web shows and the book prints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from aistack import catalog
from aistack.drawing import Figure, Layer
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.answer import Share
from aistack.scenario.charts import RESOURCES
from aistack.scenario.pools_answer import PoolsAnswer
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_answer import ServingAnswer
from aistack.scenario.serving_respond import FREE
from aistack.scenario.serving_search import Option, ServingFound
from aistack.serving import steady_state, step_operations
from aistack.serving.capacity import replicas
from aistack.serving.figures import batch_latency, serving_cost, serving_frontier, serving_roofline
from aistack.serving.step_operations import Operation
from aistack.serving.step_time import Server
from aistack.training.figures import elasticity, memory_map, waterfall

LOADS = np.geomspace(0.02, 5.0, 60)
"""Multiples of what the replicas carry at which the cost is drawn."""
BATCHES = 40
"""Numbers of clients at which a replica is drawn."""
STEPS = 40
"""Replicas up to which each further one is drawn as the step that it is."""


def draw(answer: ServingAnswer) -> dict[str, Figure]:
    """The charts by file name; a curve without a price is left out."""
    return dict(_each(answer))


def draw_found(found: ServingFound, asked: ServingScenario) -> dict[str, Figure]:
    """The frontiers of a search for what was `asked`, per accelerator and, where prices are known, per dollar."""
    goal = None if asked.tpot is None else 1 / asked.tpot
    about = f"{asked.spec.name}, prompts of {asked.prompt:,} tokens and answers of {asked.output:,}"
    priced = [option for option in found.options if option.tokens_per_dollar > 0]
    charts = {}
    if found.options:
        points = _points(found.options, "tokens_per_second_per_accelerator")
        charts["frontier"] = serving_frontier.draw(points, about, goal)
    if priced:
        points = _points(priced, "tokens_per_dollar")
        charts["frontier_per_dollar"] = serving_frontier.draw(points, about, goal, per="dollar")
    return charts


def draw_pools(answer: PoolsAnswer, about: str) -> dict[str, Figure]:
    """The charts of pools that read prompts and decode apart: both times, both memories, both rooflines."""
    charts = dict(_times(answer, about))
    names = dict(zip(("reading prompts", "decoding"), answer.halves, strict=True))
    held = {
        f"{name}: {half.deployment}": [(part.name, part.bytes) for part in half.memory if part.name != FREE]
        for name, half in names.items()
    }
    charts["memory"] = memory_map.draw(held, max(half.capacity for half in answer.halves), about, "serving")
    asked = answer.scenario
    new, many = asked.prompt * (1 - asked.cached), max(answer.decode.batch, 1.0)
    reader, decoder = (deployments.priced(half.scenario, half.deployment) for half in answer.halves)
    charts["roofline"] = _roofline(
        step_operations.prefill(reader, new, asked.prompt - new),
        _decoding(decoder, many, many * (asked.prompt + asked.output / 2)),
        decoder, about, new, many,
    )  # fmt: skip
    return charts | dict(_elasticity(answer, about))


def subject(answer: ServingAnswer) -> str:
    """What is planned, in a few words."""
    chip = catalog.accelerator(answer.cluster.chip).name
    return f"{answer.scenario.spec.name}, {answer.replicas} x {answer.accelerators_per_replica} {chip}"


def _times(answer: ServingAnswer | PoolsAnswer, about: str) -> Iterator[tuple[str, Figure]]:
    first, token = _bars(answer.ttft_waterfall), _bars(answer.tpot_waterfall)
    yield "ttft", waterfall.draw(
        first, about, (answer.ttft.interval.low, answer.ttft.interval.high), of="time to the first token",
        layer="serving",
    )  # fmt: skip
    # an answer of one token has no time between tokens
    if answer.tpot.mean > 0:
        yield "tpot", waterfall.draw(
            token, about, (answer.tpot.interval.low, answer.tpot.interval.high), of="time per output token",
            useful="what the datasheet asks for", layer="serving",
        )  # fmt: skip


def _elasticity(answer: ServingAnswer | PoolsAnswer, about: str) -> Iterator[tuple[str, Figure]]:
    binding = answer.binding
    what = "tpot" if answer.tpot.mean > 0 else "ttft"
    if binding is not None and binding.name in answer.elasticity:
        what = binding.name
    resources = [(name, RESOURCES[name], percent) for name, percent in answer.elasticity[what].items()]
    yield "elasticity", elasticity.draw(resources, about, of=f"the {what.upper()}")


def _each(answer: ServingAnswer) -> Iterator[tuple[str, Figure]]:
    about = subject(answer)
    yield from _times(answer, about)
    parts = [(part.name, part.bytes) for part in answer.memory if part.bytes > 0 and part.name != FREE]
    yield "memory", memory_map.draw({str(answer.deployment): parts}, answer.capacity, about, "serving")
    yield from _of_replica(answer, about)
    yield from _elasticity(answer, about)
    if curves := cost_curves(answer):
        tokens = answer.scenario.prompt + answer.scenario.output
        offers = [(offer.provider, offer.usd_per_request / tokens * 1e6) for offer in answer.cost.offers]
        yield "cost", serving_cost.draw(curves, offers, about, answer.rate)


def _of_replica(answer: ServingAnswer, about: str) -> Iterator[tuple[str, Figure]]:
    """What a larger batch does to one replica, and its operations on the roofline."""
    asked = answer.scenario
    server = deployments.priced(asked, answer.deployment)
    points = batches(asked, server)
    # nothing decodes where an answer is one token, and a batch of one says nothing
    if answer.tpot.mean > 0 and len(points) > 1:
        here = max(answer.batch, 1.0), answer.tpot.mean, answer.tokens_per_second / answer.replicas
        yield "batch", batch_latency.draw(points, here, about, asked.tpot)
    new = asked.prompt * (1 - asked.cached)
    many = max(answer.batch, 1.0)
    prefill = step_operations.prefill(server, new, asked.prompt - new)
    decode = _decoding(server, many, many * (asked.prompt + asked.output / 2))
    yield "roofline", _roofline(prefill, decode, server, about, new, many)


def _roofline(
    prefill: Sequence[Operation], decode: Sequence[Operation], server: Server, about: str, new: float, many: float
) -> Figure:
    peaks = {each.precision: server.chip.rate(each.precision) for each in (*prefill, *decode)}
    phases = f"Reading a prompt of {new:,.0f} tokens", f"Decoding, {many:.3g} sequences at once"
    return serving_roofline.draw(_listed(prefill), _listed(decode), peaks, server.chip.memory_bandwidth, about, phases)


def batches(scenario: ServingScenario, server: Server) -> list[batch_latency.Point]:
    """A replica under one client and more, up to what it has room for."""
    prompt, output = scenario.prompt, scenario.output
    most = max(float(steady_state.room(server, prompt, output)), 1.0)
    clients = np.unique(np.geomspace(1, most, BATCHES))
    steady = steady_state.estimate(server, prompt, output, concurrency=clients, prefix_hit=scenario.cached)
    batch = np.maximum(steady.batch, 1e-9)
    new = prompt * (1 - scenario.cached)
    reading = step_operations.prefill(server, new, prompt - new)
    decoding = _decoding(server, batch, batch * (prompt + output / 2))
    # with every token of all, as many prompts are read as answers end
    prompts = batch / output / server.groups
    chip, tokens = server.chip, steady_state.expected(server)
    memory = sum(each.bytes for each in decoding) / chip.memory_bandwidth / tokens
    computing = sum(each.flop / chip.rate(each.precision) for each in decoding) / tokens
    computing = computing + prompts * sum(each.flop / chip.rate(each.precision) for each in reading)
    columns = np.broadcast_arrays(batch, steady.tpot, steady.throughput, memory, computing)
    return [batch_latency.Point(*map(float, row)) for row in np.stack(columns, axis=-1)]


def _decoding(server: Server, batch: npt.ArrayLike, held: npt.ArrayLike) -> tuple[Operation, ...]:
    speculation = server.deployments.common.speculative
    return step_operations.decode(server, batch, held, 1.0 if speculation is None else speculation.tokens + 1.0)


def _listed(operations: Iterable[Operation]) -> list[serving_roofline.Operation]:
    return [
        (each.name, each.precision, float(each.flop), float(each.bytes), float(each.seconds)) for each in operations
    ]


def cost_curves(answer: ServingAnswer) -> dict[str, list[tuple[float, float]]]:
    """US dollars for a million tokens at each rate, with as many replicas as it needs, rented and bought."""
    if not answer.most > 0:
        return {}
    each = answer.most / answer.replicas
    full = each * np.arange(1, STEPS + 1)
    steps = np.concatenate([full, full * (1 + 1e-6)])
    rates = np.sort(np.concatenate([answer.most * LOADS, steps[steps < answer.most * LOADS[-1]]]))
    kept = (replicas(rates, each) + answer.standing.spares) * answer.accelerators_per_replica
    tokens = rates * 3600 * (answer.scenario.prompt + answer.scenario.output) / 1e6
    hourly = {"rented": answer.cost.usd_per_hour, "bought": answer.cost.owned_usd_per_hour}
    return {
        way: [(float(rate), float(usd)) for rate, usd in zip(rates, kept * paid / answer.cost.accelerators / tokens,
                                                             strict=True)]
        for way, paid in hourly.items()
        if math.isfinite(paid) and paid > 0
    }  # fmt: skip


def _bars(shares: tuple[Share, ...]) -> list[tuple[str, Layer, float]]:
    return [(share.name, cast(Layer, share.layer), share.seconds) for share in shares]


def _points(options: Iterable[Option], worth: str) -> dict[str, list[serving_frontier.Point]]:
    found: dict[str, list[serving_frontier.Point]] = {}
    for option in options:
        name = catalog.accelerator(option.accelerator).name
        words = f"{name}, {option.deployment}, {option.clients:g} at once"
        found.setdefault(name, []).append((option.interactivity, getattr(option, worth), words))
    return found
