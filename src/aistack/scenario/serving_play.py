"""A serving scenario played request by request: a trace's requests, or such as the scenario describes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aistack import catalog
from aistack.drawing import Figure
from aistack.errors import BadInput
from aistack.scenario import plain, pools, traces
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.serving import ServingScenario
from aistack.serving import capacity, disaggregated, prefix_cache, requests, steady_pools
from aistack.serving.deployment import Deployment
from aistack.serving.figures import kv_occupancy, latency_distribution
from aistack.serving.requests import Requests
from aistack.serving.routing import Routing
from aistack.serving.simulation import Distribution, Simulated, distribution, simulate

COUNT = 10_000
"""Requests that are made up where nobody says how many."""
QUANTITIES = ("ttft", "tpot", "latency", "queueing")
SIZES = (1 / 16, 1 / 4, 1.0, 4.0, math.inf)
"""Of caches that are looked at beside the replicas' own, over what these hold together."""
BUSY = 0.7
"""Share of what the replicas carry at which made-up requests come where no load is given."""


@dataclass(frozen=True)
class Hits:
    """What one cache that all requests share finds, were computing to take no time."""

    tokens: float
    """Its size."""
    exact: float
    """Share of the prompts' tokens, the least recently used blocks going first."""
    closed: float
    """The same in closed form, from the times between look-ups."""


@dataclass(frozen=True)
class Played:
    """What became of the requests."""

    scenario: ServingScenario
    deployment: Deployment
    replicas: int
    """Of two pools those that decode, as is the deployment."""
    load: str
    """When requests came, in words."""
    simulated: Simulated
    seen: Mapping[str, Distribution]
    """By `QUANTITIES`, seconds."""
    within: float | None
    """Share of the requests that met all goals; None without goals."""
    wall: float
    """Seconds that the simulation took."""
    hits: tuple[Hits, ...] = ()
    """Of single caches of several sizes, where prompts share blocks; the last has no limit."""
    reader: Deployment | None = None
    """Of replicas that only read prompts."""
    readers: int = 0

    @property
    def accelerators(self) -> int:
        """Of all replicas."""
        return self.replicas * self.deployment.chips + (self.readers * self.reader.chips if self.reader else 0)

    @property
    def subject(self) -> str:
        """What was simulated, in a few words."""
        chip = catalog.accelerator(self.scenario.system[1]).name
        return f"{self.scenario.spec.name} on {self.accelerators:,} x {chip}"


def recorded(name: str, count: int | None = None, prefix_cache: bool | None = None) -> Requests:
    """The requests of a trace, the first `count` of them; with `prefix_cache` engines keep what their prompts share, by
    default where the trace says what that is.

    Raises `UnknownName`, and `BadInput` for a file that is no trace or that does not say what prompts share.
    """
    trace = traces.trace(name)
    keep = trace.blocks is not None if prefix_cache is None else prefix_cache
    asked = trace.sharing() if keep else trace.requests
    return asked if count is None else asked.take(np.arange(min(count, len(asked))))


def lengths(asked: Requests) -> dict[str, Any]:
    """The fields of a scenario that requests say themselves: their mean lengths."""
    return {"prompt": max(1, round(float(asked.prompt.mean()))), "output": max(1, round(float(asked.output.mean())))}


def play(
    scenario: ServingScenario,
    asked: Requests | None = None,
    count: int | None = None,
    *,
    routing: Routing = "round-robin",
    seed: int = 0,
) -> Played:
    """`asked`, or `count` requests as the scenario describes, on as many replicas as it says or has room for.

    A rate makes recorded requests come faster or slower. Raises `DoesNotFit` where the model or a request finds no
    room, and `BadInput` for a deployment that cannot exist.
    """
    plan = _apart(scenario) if scenario.apart else _whole(scenario)
    shared = asked is not None and bool(asked.blocks)
    if asked is None:
        rate = scenario.rate
        if rate is None and scenario.concurrency is None:
            rate = BUSY * plan.saturation
        asked, load = _made(scenario, rate, count or COUNT, seed)
    elif scenario.rate is not None:
        asked, load = asked.at_rate(scenario.rate), f"as recorded, at {scenario.rate:g}/s"
    else:
        load = f"as recorded, {asked.rate:.3g}/s"
    begun = time.perf_counter()
    run = plan.run(asked, routing)
    wall = time.perf_counter() - begun
    return Played(
        scenario=scenario,
        deployment=plan.deployment,
        replicas=plan.replicas,
        reader=plan.reader,
        readers=plan.readers,
        load=load,
        simulated=run,
        seen={name: distribution(getattr(run, name)) for name in QUANTITIES},
        within=float(run.meets(deployments.goals(scenario)).mean()) if scenario.goals else None,
        wall=wall,
        hits=_hits(asked, sum(each.kv_capacity for each in run.occupancy)) if shared else (),
    )


@dataclass(frozen=True)
class _Plan:
    """What requests are played on."""

    deployment: Deployment
    replicas: int
    saturation: float
    """Requests a second that it answers when it never pauses."""
    run: Callable[[Requests, Routing], Simulated]
    reader: Deployment | None = None
    readers: int = 0


def _whole(scenario: ServingScenario) -> _Plan:
    """Replicas that do everything."""
    server = deployments.server(scenario)
    chips, _ = scenario.system
    available = chips // server.deployments[0].chips
    replicas = scenario.replicas or available
    if replicas > available:
        raise BadInput(f"{replicas:,} replicas do not fit on {scenario.on}; there is room for {available:,}.")
    return _Plan(
        deployment=server.deployments[0],
        replicas=replicas,
        saturation=replicas * float(capacity.saturation(server, deployments.workload(scenario, server))),
        run=lambda asked, routing: simulate(server, asked, replicas=replicas, routing=routing),
    )


def _apart(scenario: ServingScenario) -> _Plan:
    """Pools that read prompts and decode apart."""
    both, _ = pools.pools(scenario)
    return _Plan(
        deployment=both.decode.deployments[0],
        replicas=both.decode_replicas,
        saturation=float(steady_pools.most(both, scenario.prompt, scenario.output, scenario.cached).min()),
        run=lambda asked, routing: disaggregated.simulate(both, asked, routed=routing),
        reader=both.prefill.deployments[0],
        readers=both.prefill_replicas,
    )


def _hits(asked: Requests, tokens: float) -> tuple[Hits, ...]:
    sizes = [scale * tokens for scale in SIZES]
    named, prompts = sum(map(len, asked.blocks)), asked.prompt.sum()
    closed = prefix_cache.recent(asked.blocks, np.floor(np.array(sizes) / asked.block)) * named * asked.block / prompts
    found = []
    for size, share in zip(sizes, closed.tolist(), strict=True):
        known = prefix_cache.estimate(asked.blocks, None if math.isinf(size) else int(size // asked.block))
        held = np.minimum(known * asked.block, asked.prompt - 1)
        found.append(Hits(size, float(held.sum() / prompts), share))
    return tuple(found)


def draw(played: Played) -> dict[str, Figure]:
    """The charts by file name."""
    about = f"{played.subject}, {played.load}"
    goals = deployments.goals(played.scenario) if played.scenario.goals else None
    return {
        "latencies": latency_distribution.draw(played.simulated, about, goals),
        "occupancy": kv_occupancy.draw(played.simulated, about),
    }


def to_json(played: Played) -> dict[str, Any]:
    """What was seen as plain values; requests one by one are left out."""
    run = played.simulated
    return {
        "scenario": played.scenario.model_dump(mode="json"),
        "deployment": plain.values(played.deployment),
        "replicas": played.replicas,
        **({"reader": plain.values(played.reader), "readers": played.readers} if played.reader else {}),
        "accelerators": played.accelerators,
        "load": played.load,
        "requests": len(run),
        "seconds": run.seconds,
        "tokens_per_second": run.throughput,
        "seen": plain.values(played.seen),
        "within_goals": played.within,
        "preemptions": int(run.preemptions.sum()),
        "cached": run.hit_ratio,
        "hit_ratios": plain.values(played.hits),
        "engines": [
            {
                "utilisation": each.utilisation,
                "mean_batch": each.mean_batch,
                "mean_kv_occupancy": each.mean_kv,
                "most_kv_occupancy": each.most_kv,
            }
            for each in run.occupancy
        ],
        "requests_per_second_simulated": len(run) / played.wall,
    }


def _made(scenario: ServingScenario, rate: float | None, count: int, seed: int) -> tuple[Requests, str]:
    prompts = requests.lengths(scenario.prompt, count, spread=scenario.spread, seed=seed + 1)
    outputs = requests.lengths(scenario.output, count, spread=scenario.spread, seed=seed + 2)
    if rate is None:
        clients = scenario.concurrency or 1
        made, load = requests.closed_loop(clients, prompts, outputs), f"of {clients:,} clients that wait for answers"
    else:
        shape = 1 / scenario.burstiness**2 if scenario.burstiness else 1e6
        made = requests.gamma(rate, shape, prompts, outputs, seed=seed)
        load = f"at {rate:.3g}/s" + ("" if scenario.burstiness == 1 else f", gaps varying by {scenario.burstiness:g}")
    if scenario.prefixes:
        return requests.sharing(
            made, scenario.prefixes, max(1, round(scenario.prompt * scenario.cached)), seed=seed + 3
        ), load
    held = np.minimum((made.prompt * scenario.cached).astype(np.int64), made.prompt - 1)
    return Requests(made.arrival, made.prompt, made.output, held, made.clients), load
