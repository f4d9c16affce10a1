"""Plans of one kind side by side: what they share, what tells them apart, and which of their quantities are better."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aistack.drawing import Figure, Layer
from aistack.errors import DoesNotFit
from aistack.scenario.answer import Interval, TrainingAnswer
from aistack.scenario.plain import to_json as plain
from aistack.scenario.pools_answer import PoolsAnswer
from aistack.scenario.pools_respond import answer_pools
from aistack.scenario.question import TrainingScenario
from aistack.scenario.respond import answer as answer_training
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_answer import ServingAnswer
from aistack.scenario.serving_respond import FREE, answer_serving
from aistack.training.figures import comparison
from aistack.training.run import Run
from aistack.units import text

Scenario = TrainingScenario | ServingScenario


@dataclass(frozen=True)
class Unfit:
    """A serving plan whose model finds no room: there is no answer, but a reason."""

    scenario: ServingScenario
    why: str


Answer = TrainingAnswer | ServingAnswer | PoolsAnswer | Unfit


@dataclass(frozen=True)
class Quantity:
    """A number that every answer of a kind has."""

    name: str
    value: Callable[[Any], float]
    unit: str
    """An SI unit, or "%" for a share of one."""
    more_is_better: bool | None
    """None where neither is."""
    interval: Callable[[Any], Interval] | None = None
    """Its 80% interval, where it has one."""
    chart: str = ""
    """What it is called in the chart; those without a name are not drawn."""

    def of(self, answer: Answer) -> float:
        """The number; NaN where there is none."""
        return math.nan if isinstance(answer, Unfit) else float(self.value(answer))


def _of_run(value: Callable[[Run], Any]) -> Callable[[TrainingAnswer], float]:
    return lambda answer: math.nan if answer.run is None else float(value(answer.run))


def _in_use(answer: ServingAnswer) -> float:
    return sum(part.bytes for part in answer.memory if part.name != FREE)


def _of_one(value: Callable[[ServingAnswer], float]) -> Callable[[ServingAnswer | PoolsAnswer], float]:
    """What pools have twice, and so not at all."""
    return lambda answer: math.nan if isinstance(answer, PoolsAnswer) else value(answer)


TRAINING = (
    Quantity("step", lambda answer: answer.step_seconds, "s", False, lambda answer: answer.interval, "Step"),
    Quantity("tokens/s", lambda answer: answer.tokens_per_second, "1", True),
    Quantity("a chip's", lambda answer: answer.tokens_per_second / answer.cluster.chips, "1", True,
             chart="Tokens a second of a chip"),
    Quantity("MFU, causal", lambda answer: answer.mfu["causal"], "%", True, chart="MFU, causal attention"),
    Quantity("memory", lambda answer: answer.memory_total, "B", False, chart="Memory of an accelerator"),
    Quantity("there is", lambda answer: answer.capacity, "B", None),
    Quantity("run", _of_run(lambda run: run.seconds), "s", False, chart="Run"),
    Quantity("goodput", _of_run(lambda run: run.goodput.useful), "%", True),
    Quantity("failures", _of_run(lambda run: run.failures), "1", False),
    Quantity("cost", _of_run(lambda run: run.cost), "USD", False, chart="Cost of the run"),
    Quantity("energy", _of_run(lambda run: run.footprint.energy), "J", False),
    Quantity("CO2e, grid", _of_run(lambda run: run.footprint.carbon), "kg", False),
)  # fmt: skip
SERVING = (
    Quantity("first token", lambda answer: answer.ttft.mean, "s", False, lambda answer: answer.ttft.interval,
             "Time to first token"),
    Quantity("  percentile", lambda answer: answer.ttft.high, "s", False),
    Quantity("each token", lambda answer: answer.tpot.mean, "s", False, lambda answer: answer.tpot.interval,
             "Time per output token"),
    Quantity("  percentile", lambda answer: answer.tpot.high, "s", False),
    Quantity("answer", lambda answer: answer.latency.mean, "s", False),
    Quantity("tokens/s out", lambda answer: answer.tokens_per_second, "1", True,
             lambda answer: answer.throughput_interval),
    Quantity("a chip's", lambda answer: answer.tokens_per_second_per_accelerator, "1", True,
             chart="Output tokens a second of a chip"),
    Quantity("requests, most", lambda answer: answer.most, "1/s", True),
    Quantity("accelerators", lambda answer: answer.accelerators, "1", False, chart="Accelerators"),
    Quantity("$/M tokens", lambda answer: answer.cost.usd_per_million, "USD", False, chart="A million tokens"),
    Quantity("$/M of output", lambda answer: answer.cost.usd_per_million_output, "USD", False),
    Quantity("energy/request", lambda answer: answer.cost.joules_per_request, "J", False, chart="Energy of a request"),
    Quantity("CO2e/request", lambda answer: answer.cost.kilograms_per_request, "kg", False),
    Quantity("memory in use", _of_one(_in_use), "B", None),
    Quantity("there is", _of_one(lambda answer: answer.capacity), "B", None),
)  # fmt: skip
"""What is printed of each kind of answer, in this order."""


def answers(asked: Sequence[Scenario]) -> list[Answer]:
    """The answers to scenarios of one kind. Raises `DoesNotFit` where none of the models to serve fits, and what
    answering raises."""
    found = [_answered(each) for each in asked]
    if all(isinstance(each, Unfit) for each in found):
        raise DoesNotFit("\n".join(dict.fromkeys(each.why for each in found if isinstance(each, Unfit))))
    return found


def _answered(scenario: Scenario) -> Answer:
    if isinstance(scenario, TrainingScenario):
        return answer_training(scenario)
    try:
        return answer_pools(scenario) if scenario.apart else answer_serving(scenario)
    except DoesNotFit as error:
        return Unfit(scenario, str(error))


def quantities(found: Sequence[Answer]) -> tuple[Quantity, ...]:
    """Those that some answer knows."""
    every = TRAINING if isinstance(found[0], TrainingAnswer) else SERVING
    known = [each for each in every if not all(math.isnan(each.of(answer)) for answer in found)]
    shares = {getattr(answer.scenario, "percentile", None) for answer in found}
    late = f"p{shares.pop():g}" if len(shares) == 1 and None not in shares else "percentile"
    return tuple(replace(each, name=each.name.replace("percentile", late)) for each in known)


def competes(answer: Answer) -> bool:
    """Whether it may be the best of anything: it fits, and meets its goals."""
    if isinstance(answer, Unfit):
        return False
    return answer.fits if isinstance(answer, TrainingAnswer) else answer.meets


def told_apart(found: Sequence[Answer]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all scenarios say alike, and what each says besides, by the names of their fields."""
    given = [answer.scenario.model_dump(exclude_defaults=True) for answer in found]
    names = dict.fromkeys(name for each in given for name in each)
    shared = {name: given[0][name] for name in names if all(each.get(name) == given[0].get(name) for each in given)}
    return shared, [{name: each[name] for name in names if name not in shared and name in each} for each in given]


_SPEAKING = {"model", "on", "zero", "schedule", "precision", "engine"}
"""Fields whose values need no name beside them."""
_UNITS = {"tokens": "token", "rate": "request/s", "ttft": "s", "tpot": "s", "latency": "s"}


def said(name: str, value: Any) -> str:
    """A scenario's field in a few words."""
    if name in _UNITS:
        words = text(value, _UNITS[name])
        return words if name in {"tokens", "rate"} else f"{name} {words}"
    return str(value) if name in _SPEAKING else f"{name.replace('_', ' ')} {value}"


def draw(found: Sequence[Answer]) -> Figure:
    """The chart of answers side by side."""
    shared, apart = told_apart(found)
    columns = [
        (", ".join(said(name, value) for name, value in own.items()) or "as it is")
        + (": does not fit" if isinstance(answer, Unfit) else "")
        for own, answer in zip(apart, found, strict=True)
    ]
    # money first, where it is known
    drawn = sorted((each for each in quantities(found) if each.chart), key=lambda each: each.unit != "USD")
    measures = [
        comparison.Measure(
            each.chart,
            each.unit,
            [each.of(answer) for answer in found],
            [None if each.interval is None or isinstance(answer, Unfit) else _ends(each.interval(answer))
             for answer in found],
            bool(each.more_is_better),
        )
        for each in drawn
    ]  # fmt: skip
    layer: Layer = "training" if isinstance(found[0], TrainingAnswer) else "serving"
    common = ", ".join(said(name, value) for name, value in shared.items())
    return comparison.draw(columns, measures, [competes(answer) for answer in found], common, layer)


def to_json(answer: Answer) -> dict[str, Any]:
    """The answer as plain values; of what does not fit its scenario and the reason."""
    if isinstance(answer, Unfit):
        return {"scenario": answer.scenario.model_dump(mode="json"), "fits": False, "why": answer.why}
    return plain(answer)


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
