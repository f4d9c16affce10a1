"""What would meet goals that pools miss: which goal and which pool bind, and what to change."""

from __future__ import annotations

from aistack.errors import BadInput, DoesNotFit
from aistack.scenario import pools as building
from aistack.scenario import serving_deployment as deployments
from aistack.scenario.pools_answer import PoolsAnswer
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_remedies import MORE, WORDS
from aistack.serving import pool_capacity, search
from aistack.serving.pools import Pools
from aistack.units import text

HALVES = {"prefill": "reading prompts", "decode": "decoding", "transfer": "handing on keys and values"}
"""What binds, in words."""


def require_pools(answer: PoolsAnswer) -> None:
    """Raise `DoesNotFit` where a goal is missed: which one binds, how near the pools come, and what would meet it."""
    goal = answer.binding
    if goal is None or answer.meets:
        return
    unit = "1/s" if goal.name == "rate" else "s"
    lines = "".join(f"\n  {line}" for line in pools_remedies(answer))
    if goal.name == "rate":
        carried = text(goal.reached, unit)
        said = f"The rate binds: {text(goal.asked, unit)} asked, the pools carry {carried} within the goals"
    else:
        said = (
            f"{goal.name} binds: {text(goal.asked, unit)} asked for the {WORDS[goal.name]} at "
            f"p{answer.scenario.percentile:g}, {text(goal.reached, unit)} reached; the nearest that these pools come "
            f"is {text(goal.nearest, unit)}, one request at a time"
        )
    raise DoesNotFit(f"{said}; {HALVES[answer.binding_half]} keeps them from more. What would meet it:{lines}")


def pools_remedies(answer: PoolsAnswer) -> tuple[str, ...]:
    """Lines that say what carries the load within the goals instead: other pools on the same accelerators or on more of
    them, or replicas that do everything; in the closed form."""
    asked = answer.scenario
    chips, accelerator = asked.system
    rate = asked.rate or answer.rate
    lines = []
    for factor in (1, *MORE):
        try:
            found = search.pools(_question(asked, factor * chips), rate)
        except BadInput:
            continue
        if found is not None:
            work, goals = deployments.workload(asked), deployments.goals(asked)
            carried = pool_capacity.estimate(found, work, goals)
            lines.append(
                f"{_described(found)} on {int(found.chips)}x{accelerator}: {text(carried.rate, '1/s')}, ttft "
                f"{text(carried.ttft, 's')}, tpot {text(carried.tpot, 's')}"
            )
            break
    if not lines:
        best = search.pools(_question(asked, chips))
        if best is not None:
            carried = pool_capacity.estimate(best, deployments.workload(asked), deployments.goals(asked))
            lines.append(f"on {asked.on} the best pools carry {text(carried.rate, '1/s')}: {_described(best)}")
    together = answer.together
    if together is not None and together.rate >= rate:
        lines.append(
            f"no pools: {together.replicas}x {together.deployment} on the same accelerators carry "
            f"{text(together.rate, '1/s')}"
        )
    return tuple(lines) or ("a lower rate, or goals that are less strict",)


def _described(pools: Pools) -> str:
    counts = pools.prefill_replicas, pools.decode_replicas
    both = zip(building.HALVES, (pools.prefill, pools.decode), counts, strict=True)
    return ", ".join(f"{name} {count}x {one.deployments[0]}" for name, one, count in both)


def _question(asked: ServingScenario, chips: int) -> search.Question:
    whole = asked.model_copy(update={"prefill": None, "decode": None, "on": f"{chips}x{asked.system[1]}"})
    return search.Question(
        asked.spec, asked.cluster(chips), deployments.deployment(whole, {}), deployments.workload(asked),
        deployments.goals(asked), asked.context,
    )  # fmt: skip
