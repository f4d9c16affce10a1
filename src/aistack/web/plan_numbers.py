"""An answer's headline figures, each with where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aistack.book.number import Mark, Number
from aistack.scenario import Interval, PoolsAnswer, ServingAnswer, TrainingAnswer
from aistack.scenario.serving_answer import Cost, Goal, Latency

Row = tuple[str, Number]
SOURCE = "this library's answer to the plan"


def training(answer: TrainingAnswer) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Of a training plan: groups of figures by what they are about."""
    step, mfu, tokens = answer.step_seconds, answer.mfu, answer.tokens_per_step
    through = Interval(tokens / answer.interval.high, tokens / answer.interval.low)
    counted = f"causal attention counted; full attention {mfu['full']:.1%}, 6N {mfu['parameters']:.1%}"
    groups = [
        ("", [
            ("A step takes", _of(step, "s", "on the clock", answer.interval)),
            ("Throughput", _of(answer.tokens_per_second, "token/s", "all accelerators", through)),
            ("MFU", _of(mfu["causal"], "%", counted)),
            ("Memory needed", _of(answer.memory_total, "B", "the accelerator that holds most")),
            ("Memory there", _of(answer.capacity, "B", "one accelerator", mark="stated")),
        ]),
    ]  # fmt: skip
    if (run := answer.run) is not None:
        stretch = float(run.seconds) / step
        whole = Interval(answer.interval.low * stretch, answer.interval.high * stretch)
        groups.append(("The run", [
            ("It takes", _of(float(run.seconds), "s", "on the clock, failures included", whole)),
            ("It costs", _of(float(run.cost), "USD", "accelerators for as long as they are kept")),
            ("Goodput", _of(float(run.goodput.useful), "%", "share of the time that goes into steps that last")),
            ("Interruptions", _of(float(run.failures), "", "expected")),
            ("Energy", _of(float(run.footprint.energy), "J", "at the meter")),
            ("Operation emits", _of(float(run.footprint.carbon), "kg", "CO2e, of the grid's electricity")),
        ]))  # fmt: skip
    return _known(groups)


def serving(answer: ServingAnswer | PoolsAnswer) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Of a serving plan."""
    full = answer.throughput_interval
    when_full = f"all replicas; {full.low:,.0f} to {full.high:,.0f} tokens/s when full"
    groups = [
        ("", [
            ("First token after", _latency(answer.ttft)),
            ("Each further token", _latency(answer.tpot)),
            ("Whole answer", _latency(answer.latency)),
            ("Requests", _of(answer.rate, "request/s", "served")),
            ("Requests at most", _of(answer.most, "request/s", "within the goals")),
            ("Output tokens", _of(answer.tokens_per_second, "token/s", when_full)),
            ("Accelerators", _of(answer.accelerators, "", "spares included")),
        ]),
        ("Cost", _costs(answer.cost)),
    ]  # fmt: skip
    if isinstance(answer, ServingAnswer):
        groups.insert(1, ("The replica", [
            ("Replicas", _of(answer.replicas, "", "that serve the load")),
            ("Decoded together", _of(answer.batch, "", "requests side by side in one replica, on average")),
            ("Busy", _of(answer.utilisation, "%", "of the time")),
            ("Memory needed", _of(answer.memory_total, "B", "the accelerator that holds most")),
            ("Memory there", _of(answer.capacity, "B", "one accelerator", mark="stated")),
            ("The cache holds", _of(answer.kv_capacity, "token", "one replica's")),
        ]))  # fmt: skip
    return _known(groups)


def goal(each: Goal, value: float) -> str:
    """A goal's value as text."""
    return (
        Number(value, "request/s" if each.name == "rate" else "s", "derived", SOURCE).plain
        if math.isfinite(value)
        else "no end"
    )


def _costs(cost: Cost) -> list[Row]:
    return [
        ("A million tokens out", _of(cost.usd_per_million_output, "USD", "rented, spares included")),
        ("A million tokens in", _of(cost.usd_per_million_input, "USD", "rented, spares included")),
        ("An hour", _of(cost.usd_per_hour, "USD", "rented, spares included")),
        ("An hour, owned", _of(cost.owned_usd_per_hour, "USD", "bought, spares included")),
        ("Energy of a request", _of(cost.joules_per_request, "J", "at the meter")),
    ]


def _latency(seen: Latency) -> Number:
    return _of(seen.mean, "s", "mean", seen.interval)


def _of(value: float, unit: str, basis: str, interval: Interval | None = None, mark: Mark = "derived") -> Number:
    ends = (interval.low, interval.high) if interval else (None, None)
    return Number(value, unit, mark, SOURCE, "", basis, 3, *ends)


def _known(groups: Iterable[tuple[str, Iterable[Row]]]) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    return tuple(
        (name, tuple((said, number) for said, number in rows if math.isfinite(number.value) and number.value != 0))
        for name, rows in groups
    )
