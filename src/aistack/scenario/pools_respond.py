"""The answer to a scenario of pools that read prompts and decode apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from aistack.catalog.fitted import fitted
from aistack.infrastructure.levels import Level
from aistack.scenario import better, serving_cost, serving_sensitivity
from aistack.scenario import pools as building
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.answer import Share
from aistack.scenario.pools_answer import PoolAnswer, PoolsAnswer, Together, Transfer
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_answer import Goal
from aistack.scenario.serving_cost import Kept
from aistack.scenario.serving_respond import NEARLY, Up, interval, kept_up, latency, memory, shares
from aistack.serving import breakdown, calibration, checked, pool_capacity, search, steady_pools
from aistack.serving.capacity import Goals, Workload
from aistack.serving.checked import Seen
from aistack.serving.pool_capacity import Half
from aistack.serving.pools import Pools, held, reading
from aistack.serving.step_time import Server

MOVING = "handing on keys and values"
ABOUT = (
    "Keys and values go to the replica that decodes: a faster link, fewer or narrower of them, more tensor parallelism."
)
VARYING = "batches that vary"
ABOUT_VARYING = "More requests are there at times than on average, and a step waits for the fullest of them."


@dataclass(frozen=True)
class _Load:
    rate: float
    most: float
    saturation: float
    seen: Seen
    binding: Half


def answer_pools(scenario: ServingScenario) -> PoolsAnswer:
    """Everything that the stack says of the pools of `scenario`. Goals that are missed are answered too: see `meets`.

    Raises `DoesNotFit` where the model finds no room in a replica, and `BadInput` for pools that cannot be.
    """
    work, goals = deployments.workload(scenario), deployments.goals(scenario)
    pools, level = building.pools(scenario)
    load = _load(scenario, pools, work, goals)
    halves, ups = _halves(scenario, pools, work, goals, load)
    prefill, decode = halves
    cost, paid = serving_cost.estimate(scenario, pools.prefill.cluster, _kept(halves, ups, load))
    rate, seen = load.rate, load.seen
    transfer = _transfer(scenario, pools, level, load)
    ttft, tpot = _waterfalls(scenario, pools, seen, transfer.seconds)
    chips = int(pools.chips)
    clients = ("clients are seen as requests that come independently at their rate",) if scenario.concurrency else ()
    return PoolsAnswer(
        scenario=scenario,
        prefill=prefill,
        decode=decode,
        transfer=transfer,
        rate=rate,
        most=load.most,
        concurrency=rate * seen.mean["latency"],
        ttft=latency(seen, "ttft", pools.prefill),
        tpot=latency(seen, "tpot", pools.decode),
        latency=latency(seen, "latency", pools.decode),
        tokens_per_second=rate * scenario.output,
        throughput_interval=interval("throughput", rate * scenario.output, pools.decode),
        prompt_tokens_per_second=rate * scenario.prompt,
        tokens_per_second_per_accelerator=rate * scenario.output / chips,
        ttft_waterfall=ttft,
        tpot_waterfall=tpot,
        goals=_goals(scenario, pools, load),
        binding_half=load.binding,
        elasticity=_elasticity(pools, level, work, rate),
        cost=cost,
        together=_together(scenario, chips, work, goals),
        assumptions=(
            *pools.prefill.chip.assumptions,
            *scenario.cluster(chips).assumptions,
            "keys and values move when a prompt is read, all layers at once",
            *clients,
            *dict.fromkeys(each for up in ups for each in up.assumptions),
            *paid,
        ),
        sources=(*calibration.sources(), f"reliability: {fitted('reliability').fitted_on}"),
    )


def _load(scenario: ServingScenario, pools: Pools, work: Workload, goals: Goals) -> _Load:
    full = float(steady_pools.most(pools, work.prompt, work.output, work.prefix_hit).min())
    played = building.played(scenario, pools)
    carried = pool_capacity.estimate(pools, work, goals)
    within, missed = checked.highest(played, goals, carried.rate, full)
    rate = within if scenario.rate is None else scenario.rate
    if scenario.concurrency is not None:
        state = steady_pools.estimate(
            pools, work.prompt, work.output, concurrency=scenario.concurrency, prefix_hit=work.prefix_hit
        )
        rate = float(state.throughput) / scenario.output
    # where goals cannot be met the answer says what is seen instead; past saturation, of pools that are just full
    served = min(rate or full / 2, NEARLY * full)
    # what is missed first says which half it is; the way between is as slow as the closed form says
    halves: dict[str, Half] = {"ttft": "prefill", "tpot": "decode"}
    binding = halves.get(missed, carried.binding)
    if binding == "prefill" and carried.sends:
        binding = "transfer"
    return _Load(served, within, full, played(served), binding)


def _halves(
    scenario: ServingScenario, pools: Pools, work: Workload, goals: Goals, load: _Load
) -> tuple[tuple[PoolAnswer, PoolAnswer], tuple[Up, Up]]:
    full = steady_pools.most(pools, work.prompt, work.output, work.prefix_hit)
    sending = pools.transfer(work.prompt)
    carried = (
        float(pool_capacity.reads(pools.prefill, work, goals, sending).rate) * pools.prefill_replicas,
        float(pool_capacity.decodes(pools.decode, work, goals).rate) * pools.decode_replicas,
    )
    own = reading(pools.prefill, work.prompt, work.prefix_hit, sending)
    there = load.rate / pools.prefill_replicas * float(own.first)
    occupancy = min(1.0, there * scenario.prompt / float(pools.prefill.kv_capacity))
    # both are up for the share of the time that is asked for: each for its root
    asked = scenario.model_copy(update={"availability": math.sqrt(scenario.availability)})
    counts = pools.prefill_replicas, pools.decode_replicas
    servers = pools.prefill, pools.decode
    seen = (there, occupancy), (load.seen.batch, load.seen.kv_occupancy)
    ups = tuple(
        kept_up(asked, server, count, load.rate, load.most) for server, count in zip(servers, counts, strict=True)
    )
    found = [
        PoolAnswer(
            scenario=(alone := building.half(scenario, which)),
            deployment=servers[place].deployments[0],
            cluster=servers[place].cluster,
            accelerators_per_replica=servers[place].deployments[0].chips,
            replicas=counts[place],
            rate=carried[place],
            most=float(full[place]),
            utilisation=min(1.0, load.rate / float(full[place])),
            batch=seen[place][0],
            kv_occupancy=seen[place][1],
            kv_capacity=float(servers[place].kv_capacity),
            memory=memory(alone, servers[place], seen[place][1]),
            capacity=servers[place].chip.memory,
            day=ups[place].day,
            standing=ups[place].standing,
        )
        for place, which in enumerate(building.HALVES)
    ]
    return (found[0], found[1]), (ups[0], ups[1])


def _kept(halves: tuple[PoolAnswer, PoolAnswer], ups: tuple[Up, Up], load: _Load) -> Kept:
    chips = [
        (up.mean + up.standing.spares) * each.accelerators_per_replica for up, each in zip(ups, halves, strict=True)
    ]
    busy = sum(count * each.utilisation * each.replicas / (up.mean + up.standing.spares)
               for count, each, up in zip(chips, halves, ups, strict=True))  # fmt: skip
    share = ups[0].mean_rate / load.rate
    return Kept(
        rate=ups[0].mean_rate,
        most=load.saturation * min(up.mean / each.replicas for up, each in zip(ups, halves, strict=True)),
        accelerators=sum(chips),
        utilisation=min(1.0, share * busy / sum(chips)),
        prefill_share=chips[0] / sum(chips),
    )


def _transfer(scenario: ServingScenario, pools: Pools, level: Level, load: _Load) -> Transfer:
    sent = max(float(held(each, scenario.prompt)) for each in (pools.prefill, pools.decode))
    seconds = float(pools.transfer(scenario.prompt))
    places = pools.prefill_replicas * float(pools.prefill.groups)
    link = f"{scenario.transfer * 8 / 1e9:g} Gbit/s, as given" if scenario.transfer else level.link or level.kind
    return Transfer(
        link=link,
        bandwidth=pools.channel.bandwidth,
        bytes=sent,
        seconds=seconds,
        share=min(1.0, seconds / load.seen.mean["ttft"]),
        utilisation=min(1.0, load.rate * seconds / places),
    )


def _waterfalls(
    scenario: ServingScenario, pools: Pools, seen: Seen, moving: float
) -> tuple[tuple[Share, ...], tuple[Share, ...]]:
    new = scenario.prompt * (1 - scenario.cached)
    first = breakdown.ttft(pools.prefill, new, scenario.prompt - new, seen.mean["ttft"] - moving)
    batch = max(seen.batch, 1.0)
    token = breakdown.tpot(pools.decode, batch, batch * (scenario.prompt + scenario.output / 2), seen.mean["tpot"])
    return (
        (*shares(first, breakdown.TTFT), Share(MOVING, "infrastructure", moving, ABOUT)),
        tuple(
            replace(share, name=VARYING, about=ABOUT_VARYING) if share.name == "prompts read beside" else share
            for share in shares(token, breakdown.TPOT)
        ),
    )


def _goals(scenario: ServingScenario, pools: Pools, load: _Load) -> tuple[Goal, ...]:
    found = []
    if scenario.goals:
        alone = building.played(scenario, pools)(load.saturation / 1000)
        for name, asked in scenario.goals.items():
            reached = load.seen.high[name]
            if scenario.rate is not None and load.rate < 0.999 * scenario.rate and name != "tpot":
                reached = math.inf
            found.append(Goal(name, asked, reached, reached <= asked, alone.high[name]))
    if scenario.rate is not None:
        found.append(Goal("rate", scenario.rate, load.most, load.most >= 0.999 * scenario.rate, load.most))
    return tuple(found)


def _elasticity(pools: Pools, level: Level, work: Workload, rate: float) -> dict[str, dict[str, float]]:
    """As `serving_sensitivity.estimate`, of both pools and the way between them at once."""
    before = _seconds(pools, work, rate)
    found: dict[str, dict[str, float]] = {name: {} for name in before}
    outside = "scale-out link" if level.size > pools.prefill.cluster.chips_per_host else "scale-up link"
    for resource, improved in serving_sensitivity.BETTER.items():
        channel = pools.channel
        if resource == outside:
            channel = replace(channel, bandwidth=channel.bandwidth * better.MORE)
        grown = replace(pools, prefill=improved(pools.prefill), decode=improved(pools.decode), channel=channel)
        after = _seconds(grown, work, rate)
        for name in found:
            found[name][resource] = better.elasticity(before[name], after[name])
    return found


def _seconds(pools: Pools, work: Workload, rate: float) -> dict[str, float]:
    seen = steady_pools.estimate(pools, work.prompt, work.output, rate=rate, prefix_hit=work.prefix_hit)
    full = float(steady_pools.most(pools, work.prompt, work.output, work.prefix_hit).min())
    return {"ttft": float(seen.ttft), "tpot": float(seen.tpot), "throughput": 1 / full}


def _together(scenario: ServingScenario, chips: int, work: Workload, goals: Goals) -> Together | None:
    """The division of the same accelerators into replicas that do everything which carries most, simulated."""
    whole = scenario.model_copy(update={"prefill": None, "decode": None, "transfer": None})
    common = deployments.deployment(whole, {})
    judged = search.judge(
        search.Question(scenario.spec, scenario.cluster(chips), common, work, goals, scenario.context)
    )
    if judged is None:
        return None
    count = np.floor(chips / judged.deployments.chips)
    best = int(np.argmax(count * judged.rate))
    one: Server = deployments.priced(whole, judged.deployments[best])
    rate, _ = checked.within(
        one, work, goals, float(judged.rate[best]), float(judged.most[best]), spread=scenario.spread
    )
    return Together(judged.deployments[best], int(count[best]), float(count[best]) * rate)
