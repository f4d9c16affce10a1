"""From a scenario to pools that read prompts and decode apart: both replicas, their numbers, and what joins them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aistack.errors import BadInput
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.levels import Level
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.serving import Pool, ServingScenario
from aistack.serving import capacity, checked, pool_capacity, steady_pools
from aistack.serving.capacity import GOALS
from aistack.serving.checked import Seen
from aistack.serving.pool_capacity import Half
from aistack.serving.pools import Pools

GROWING = 4
"""Times that a replica is added where the simulation says that the closed form's number is too small."""
NEARLY = 0.98
"""Share of saturation up to which pools are looked at."""
HALVES: tuple[Half, Half] = ("prefill", "decode")
SAYS_NOTHING = Pool.model_validate({})
ENGINES = ("vllm", "sglang", "tensorrt-llm")
"""Those that hand keys and values on."""


def half(scenario: ServingScenario, which: Half) -> ServingScenario:
    """The scenario of one pool alone; answers have one token where only prompts are read."""
    sizes = (getattr(scenario, which) or SAYS_NOTHING).model_dump()
    alone = {"prefill": None, "decode": None, "transfer": None, **sizes}
    return scenario.model_copy(update={**alone, "output": 1} if which == "prefill" else alone)


def with_replicas(scenario: ServingScenario, counts: tuple[int, int]) -> ServingScenario:
    """The scenario with so many replicas that read prompts and that decode."""
    both: dict[str, Pool] = {
        which: (getattr(scenario, which) or SAYS_NOTHING).model_copy(update={"replicas": count})
        for which, count in zip(HALVES, counts, strict=True)
    }
    return scenario.model_copy(update=both)


def pools(scenario: ServingScenario) -> tuple[Pools, Level]:
    """The pools, and the level of the cluster over which keys and values pass. Numbers of replicas that the scenario
    leaves open are the fewest with which the load's requests see the goals; without a rate, those that carry most on
    its accelerators, in the closed form.

    Raises `BadInput` for pools that cannot be, and `DoesNotFit` where a model does not fit.
    """
    if scenario.engine_name not in ENGINES:
        raise BadInput(f"{scenario.engine_name} hands no keys and values on; {', '.join(ENGINES)} do: see --engine.")
    prefill, decode = (deployments.fitted(half(scenario, which)) for which in HALVES)
    chips, _ = scenario.system
    least = prefill.deployments[0].chips + decode.deployments[0].chips
    if least > chips:
        raise BadInput(f"One replica of each pool takes {least:,} accelerators; {scenario.on} has {chips:,}.")
    counts = _counts(scenario, Pools(prefill, decode, 1, 1, _channel(scenario, chips)[0]), chips)
    used = counts[0] * prefill.deployments[0].chips + counts[1] * decode.deployments[0].chips
    if used > chips:
        raise BadInput(
            f"{counts[0]:,} replicas that read prompts and {counts[1]:,} that decode need {used:,} accelerators, more "
            f"than the {chips:,} of {scenario.on}."
        )
    found = Pools(prefill, decode, *counts, _channel(scenario, used)[0])
    if scenario.rate is not None and not (scenario.prefill and scenario.prefill.replicas
                                          and scenario.decode and scenario.decode.replicas):  # fmt: skip
        found = _enough(scenario, found)
    return found, _channel(scenario, int(found.chips))[1]


def _enough(scenario: ServingScenario, pools: Pools) -> Pools:
    """The fewest replicas with which the simulation sees the goals met, beginning with the closed form's numbers; where
    there is no room for them, as many as there is room for."""

    work, goals = deployments.workload(scenario), deployments.goals(scenario)

    def missed(some: Pools) -> Half | None:
        full = steady_pools.most(some, work.prompt, work.output, work.prefix_hit)
        slower: Half = "prefill" if full[0] < full[1] else "decode"
        rate = scenario.rate or 0.0
        if rate > NEARLY * float(full.min()):
            return slower
        seen = played(scenario, some)(rate)
        late = [name for name in GOALS if seen.high[name] > getattr(goals, name)]
        halves: dict[str, Half] = {"ttft": "prefill", "tpot": "decode"}
        return halves.get(late[0], slower) if late else None

    for _ in range(GROWING):
        which = missed(pools)
        if which is None:
            break
        grown = _resized(scenario, pools, which, 1)
        if grown is None:
            return pools
        pools = grown
    for which in HALVES:
        while (fewer := _resized(scenario, pools, which, -1)) is not None and missed(fewer) is None:
            pools = fewer
    return pools


def played(scenario: ServingScenario, pools: Pools) -> Callable[[float], Seen]:
    """What requests see of the pools at a rate."""
    work = deployments.workload(scenario)
    return lambda rate: checked.of_pools(pools, work, rate, scenario.percentile, spread=scenario.spread)


def _resized(scenario: ServingScenario, one: Pools, which: Half, by: int) -> Pools | None:
    """The pools with `by` more replicas of a half whose number the scenario leaves open; None where that cannot be."""
    given = getattr(scenario, which)
    readers = one.prefill_replicas + by * (which == "prefill")
    decoders = one.decode_replicas + by * (which == "decode")
    used = readers * one.prefill.deployments[0].chips + decoders * one.decode.deployments[0].chips
    if (given is not None and given.replicas) or min(readers, decoders) < 1 or used > scenario.system[0]:
        return None
    return Pools(one.prefill, one.decode, readers, decoders, _channel(scenario, used)[0])


def _channel(scenario: ServingScenario, chips: int) -> tuple[Channel, Level]:
    """What joins so many accelerators, as the scenario says or as its cluster has it."""
    level = scenario.cluster(chips).levels[-1]
    return Channel(level.latency, scenario.transfer or level.bandwidth), level


def _counts(scenario: ServingScenario, one: Pools, chips: int) -> tuple[int, int]:
    work, goals = deployments.workload(scenario), deployments.goals(scenario)
    sending = one.transfer(scenario.prompt)
    carried = (
        pool_capacity.reads(one.prefill, work, goals, sending),
        pool_capacity.decodes(one.decode, work, goals),
    )
    # where goals cannot be met, as many as answer at all
    each = [float(found.rate) or float(found.most) for found in carried]
    sizes = [one.prefill.deployments[0].chips, one.decode.deployments[0].chips]
    given = [getattr(getattr(scenario, which), "replicas", None) for which in HALVES]
    room = [(chips - sizes[1]) // sizes[0], (chips - sizes[0]) // sizes[1]]
    if scenario.rate is not None:
        needed = [
            int(min(float(capacity.replicas(scenario.rate, rate)), most)) for rate, most in zip(each, room, strict=True)
        ]
        counts = [said or max(1, count) for said, count in zip(given, needed, strict=True)]
        if sum(count * size for count, size in zip(counts, sizes, strict=True)) <= chips or all(given):
            return counts[0], counts[1]
    readers = np.array([given[0]]) if given[0] else np.arange(1, room[0] + 1)
    left = np.maximum((chips - readers * sizes[0]) // sizes[1], 1)
    decoders = np.full(len(readers), given[1]) if given[1] else left
    best = int(np.argmax(np.minimum(readers * each[0], decoders * each[1])))
    # none beyond what the other half can use
    filled = int(readers[best]), int(decoders[best])
    most = min(count * rate for count, rate in zip(filled, each, strict=True))
    counts = [
        said or int(min(count, float(capacity.replicas(most, rate))))
        for said, count, rate in zip(given, filled, each, strict=True)
    ]
    return counts[0], counts[1]
