"""The answer to a serving scenario: each layer's estimate on top of the one below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aistack import units
from aistack.catalog.fitted import constants, fitted
from aistack.errors import BadInput
from aistack.infrastructure import checkpointing, reliability
from aistack.scenario import serving_cost, serving_sensitivity
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.answer import Interval, MemoryPart, Share
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_answer import Day, Goal, Latency, ServingAnswer, Standing
from aistack.scenario.serving_cost import Kept
from aistack.serving import autoscaling, breakdown, calibration, capacity, checked, replica_memory
from aistack.serving.capacity import GOALS, Goals, Workload
from aistack.serving.checked import Seen
from aistack.serving.step_time import Server

_YEAR = 365.25 * 86400
FREE = "room for more"
"""The part of the memory that nothing is in yet."""

ABOUT = {
    "weights and arithmetic at the datasheet's rates": "A step reads the weights once, at full bandwidth, or computes "
    "at the dense peak: narrower weights, a smaller model, more tensor parallelism.",
    "prompt's arithmetic at peak": "The prompt's own FLOP at the dense peak: a faster chip or format, shorter prompts.",
    "products below the datasheet's rates": "Products reach a part of bandwidth and peak: larger batches, fewer parts.",
    "reading keys and values": "Attention reads what all sequences hold: fewer or narrower keys and values, or less "
    "held.",
    "attention over the prompt": "Queries times keys of the prompt: shorter prompts, or a prefix cache.",
    "memory-bound kernels": "Norms, activations and casts move bytes: more bandwidth, more fusion.",
    "waiting for launches": "Kernels shorter than their launch: captured graphs, fewer and larger kernels.",
    "communication": "Activations exchanged among accelerators: less parallelism, a faster scale-up link.",
    "engine's own work": "Scheduling, preparing inputs, sampling, detokenising, each step: a leaner engine.",
    "proposing tokens": "The model or module that proposes tokens: a smaller one, or fewer tokens.",
    "adapters": "Two thin products beside each matrix, the adapters that a batch touches read anew, and fetching those "
    "that are not resident: a smaller rank, fewer adapters a replica.",
    "prompts read beside": "Prompts of new requests share the steps of those that decode, and batches vary: smaller "
    "chunks, replicas of their own for prompts, or fewer requests each.",
    "receiving the request": "HTTP and tokenisation before the queue.",
    "waiting for other requests": "Other prompts come first, and decoding shares the steps: more replicas.",
}
"""What each share is, and what would make it smaller."""


@dataclass(frozen=True)
class Load:
    """What one replica is asked, and how many there are."""

    replicas: int
    needed: int
    rate: float
    """Requests a second of all."""
    most: float
    """Requests a second that all carry within the goals."""
    saturation: float
    """Requests a second that one carries without goals."""
    seen: Seen
    binding: str


def answer_serving(scenario: ServingScenario) -> ServingAnswer:
    """Everything that the stack says of `scenario`. Goals that are missed are answered too: see `meets`.

    Raises `DoesNotFit` where the weights and one request find no room, with what would make it fit, and `BadInput`
    for a deployment that cannot exist.
    """
    if scenario.apart:
        raise BadInput("A plan of pools that read prompts and decode apart has an answer of its own: answer_pools.")
    return answer_of(scenario, deployments.fitted(scenario))


def answer_of(scenario: ServingScenario, server: Server) -> ServingAnswer:
    """The answer for the replica `server`, which fits."""
    work, goals = deployments.workload(scenario, server), deployments.goals(scenario)
    plan, cluster = server.deployments[0], server.cluster
    chips, _ = scenario.system
    available = chips // plan.chips
    if scenario.replicas is not None and scenario.replicas > available:
        raise BadInput(
            f"{scenario.replicas:,} replicas of {plan.chips:,} accelerators need more than the {chips:,} of "
            f"{scenario.on}; there is room for {available:,}."
        )
    load = _load(scenario, server, work, goals, available)
    seen = load.seen
    each = {"rate": load.rate / load.replicas}
    if scenario.concurrency is not None:
        each = {"concurrency": max(1.0, scenario.concurrency / load.replicas)}
    held = seen.batch * (scenario.prompt + scenario.output / 2)
    new = scenario.prompt * (1 - deployments.hit(scenario, server))
    tpot = breakdown.tpot(server, max(seen.batch, 1.0), max(held, 1.0), seen.mean["tpot"])
    ttft = breakdown.ttft(server, new, scenario.prompt - new, seen.mean["ttft"])
    elasticity = serving_sensitivity.estimate(server, work, each)
    up = kept_up(scenario, server, load.replicas, load.rate, load.most)
    cost, paid = serving_cost.estimate(scenario, cluster, _kept(scenario, server, load, up))
    reached = _goals(scenario, server, work, load)
    rate = load.rate
    return ServingAnswer(
        scenario=scenario,
        deployment=plan,
        cluster=cluster,
        accelerators_per_replica=plan.chips,
        replicas=load.replicas,
        available=available,
        needed=load.needed,
        rate=rate,
        most=load.most,
        concurrency=rate * seen.mean["latency"],
        ttft=latency(seen, "ttft", server),
        tpot=latency(seen, "tpot", server),
        latency=latency(seen, "latency", server),
        tokens_per_second=rate * scenario.output,
        throughput_interval=interval("throughput", rate * scenario.output, server),
        prompt_tokens_per_second=rate * scenario.prompt,
        tokens_per_second_per_accelerator=rate * scenario.output / (load.replicas * plan.chips),
        batch=seen.batch,
        utilisation=min(1.0, rate / load.replicas / load.saturation),
        kv_occupancy=seen.kv_occupancy,
        kv_capacity=float(server.kv_capacity),
        ttft_waterfall=shares(ttft, breakdown.TTFT),
        tpot_waterfall=shares(tpot, breakdown.TPOT),
        memory=memory(scenario, server, seen.kv_occupancy),
        capacity=server.chip.memory,
        goals=reached,
        elasticity=elasticity,
        day=up.day,
        standing=up.standing,
        cost=cost,
        assumptions=(*server.chip.assumptions, *cluster.assumptions, *up.assumptions, *paid),
        sources=(*calibration.sources(), f"reliability: {fitted('reliability').fitted_on}"),
    )


def _load(scenario: ServingScenario, server: Server, work: Workload, goals: Goals, available: int) -> Load:
    closed = capacity.estimate(server, work, goals)
    full = float(closed.most)
    within, binding = checked.within(server, work, goals, float(closed.rate), full, spread=scenario.spread)
    if scenario.concurrency is not None:
        return _closed_loop(scenario, server, work, goals, available, full, within)
    needed = 0
    if scenario.rate is not None and within > 0:
        needed = int(capacity.replicas(scenario.rate, within))
    replicas = scenario.replicas or min(needed or available, available)
    rate = replicas * within if scenario.rate is None else scenario.rate
    # where goals cannot be met the answer says what is seen instead; past saturation, of a replica that is just full
    each = min((rate or replicas * full / 2) / replicas, NEARLY * full)
    seen = checked.at_rate(server, work, each, goals.percentile, spread=scenario.spread)
    return Load(replicas, needed or (replicas if scenario.rate is None and within > 0 else 0), each * replicas,
                replicas * within, full, seen, binding)  # fmt: skip


NEARLY = 0.98
"""Share of saturation at which a replica that is asked for more is looked at."""


def _closed_loop(
    scenario: ServingScenario, server: Server, work: Workload, goals: Goals, available: int, full: float, within: float
) -> Load:
    """The fewest replicas with which so many clients see their goals, by halving; more replicas are never slower."""
    clients = scenario.concurrency or 1

    def seen_with(replicas: int) -> Seen:
        each = math.ceil(clients / replicas)
        return checked.with_clients(server, work, each, goals.percentile, spread=scenario.spread)

    def met(seen: Seen) -> bool:
        return all(seen.high[name] <= getattr(goals, name) for name in GOALS)

    low, high = 0, scenario.replicas or min(available, clients)
    seen = seen_with(high)
    replicas, needed = high, 0
    if met(seen):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if met(seen_with(middle)) else (middle, high)
        needed = high
        replicas = scenario.replicas or needed
        seen = seen_with(replicas)
    rate = replicas * seen.throughput / scenario.output
    worst = max(GOALS, key=lambda name: seen.high[name] / getattr(goals, name))
    return Load(replicas, needed, rate, max(replicas * within, rate if needed else 0.0), full, seen, worst)


def interval(metric: calibration.Metric, value: float, server: Server) -> Interval:
    """Between which eight of ten measurements of such a prediction lie."""
    low, high = calibration.interval(metric, server.chip)
    return Interval(value * low, value * high)


def latency(seen: Seen, name: str, server: Server) -> Latency:
    """Of the whole answer most is tokens one after the other, so it misses as they do."""
    mean = seen.mean[name]
    return Latency(mean, seen.high[name], interval("ttft" if name == "ttft" else "tpot", mean, server))


def shares(seconds: Mapping[str, float], layers: Mapping[str, str]) -> tuple[Share, ...]:
    """Named parts of a time with their layers, in order."""
    return tuple(Share(name, layers[name], seconds[name], ABOUT[name]) for name in layers)


def memory(scenario: ServingScenario, server: Server, occupancy: float) -> tuple[MemoryPart, ...]:
    """Of the fullest accelerator: what the engine takes, and of the cache what is in use, at least one request."""
    parts = {name: float(held) for name, held in server.memory().items()}
    request = float(replica_memory.per_token(server, scenario.context)) * scenario.context
    used = max(parts["cache"] * occupancy, request)
    adapters = (MemoryPart("adapters", parts["adapters"]),) if parts["adapters"] else ()
    return (
        MemoryPart("weights", parts["weights"]),
        *adapters,
        MemoryPart("activations", parts["activations"]),
        MemoryPart("engine and graphs", parts["runtime"]),
        MemoryPart("left to others", parts["reserve"]),
        MemoryPart("keys and values in use", used),
        MemoryPart(FREE, parts["cache"] - used),
    )


def _goals(scenario: ServingScenario, server: Server, work: Workload, load: Load) -> tuple[Goal, ...]:
    """What was asked for beside what is seen, and the best that a nearly idle replica of this plan shows."""
    found = []
    if scenario.goals:
        alone = checked.at_rate(server, work, load.saturation / 1000, scenario.percentile, spread=scenario.spread)
        for name, asked in scenario.goals.items():
            reached = load.seen.high[name]
            if scenario.rate is not None and load.rate < 0.999 * scenario.rate and name != "tpot":
                reached = math.inf
            found.append(Goal(name, asked, reached, reached <= asked, alone.high[name]))
    if scenario.rate is not None:
        found.append(Goal("rate", scenario.rate, load.most, load.most >= 0.999 * scenario.rate, load.most))
    return tuple(found)


@dataclass(frozen=True)
class Up:
    """What is kept up through the day and against failures, and what that assumes."""

    day: Day
    standing: Standing
    mean: float
    """Replicas on average over the day, spares not counted."""
    mean_rate: float
    """Requests a second, the day's mean."""
    assumptions: tuple[str, ...]


def kept_up(scenario: ServingScenario, server: Server, replicas: int, rate: float, most: float) -> Up:
    """Of `replicas` that serve `rate` requests a second in the busiest hour and carry `most`."""
    plan = server.deployments[0]
    failing = reliability.estimate(plan.chips)
    between = float(failing.mean_time_between_failures)
    storage = checkpointing.storage(plan.chips, chips_per_host=server.cluster.chips_per_host)
    known = constants("reliability")
    weights = float(server.memory()["weights"]) * plan.chips
    start = known["setup"]["all"] + weights / float(storage.read)  # type: ignore[arg-type]
    repair = known["downtime"]["all"] + start
    up = autoscaling.spares(replicas, scenario.availability, between, repair)
    curve = autoscaling.daily_curve(rate, scenario.peak_to_mean)
    scaled = autoscaling.follow(curve, max(most, rate) / replicas, start=start)
    day = Day(
        hours=tuple(map(float, curve)),
        replicas=tuple(map(int, scaled.replicas)),
        mean_replicas=scaled.mean,
        saved=scaled.saved,
    )
    standing = Standing(
        replica_availability=up.replica,
        availability=up.enough,
        spares=up.spares,
        failures_per_year=(replicas + up.spares) * _YEAR / between,
    )
    # replicas that a concurrency or a fixed number keeps do not follow the rate
    mean = scaled.mean if scenario.peak_to_mean > 1 else float(replicas)
    back = f"a replica that fails is back after {units.text(repair, 's')}, on a host from a pool"
    return Up(day, standing, mean, float(curve.mean()), (*storage.assumptions, back))


def _kept(scenario: ServingScenario, server: Server, load: Load, up: Up) -> Kept:
    """What is paid for."""
    spares, each = up.standing.spares, server.deployments[0].chips
    held = scenario.prompt * deployments.hit(scenario, server)
    prefill = float(server.prefill(scenario.prompt - held, held))
    return Kept(
        rate=up.mean_rate,
        most=load.saturation * up.mean,
        accelerators=(up.mean + spares) * each,
        utilisation=min(1.0, up.mean_rate / (load.saturation * (up.mean + spares))),
        prefill_share=min(1.0, prefill / float(server.groups) * load.saturation),
    )
