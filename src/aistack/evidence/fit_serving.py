"""Settling the constants of `fitted/serving.yaml` on published measurements, and again with each source and each
accelerator left out.

As for training (`fit_training`): predictions are compared as logarithms, one point for each quantity of each
configuration; the points of a source's quantity weigh by the square root of their number, so that none decides alone;
large misses count linearly (Huber); each constant is drawn towards its starting value or towards the one that it strays
from. Gauss-Newton with numerical derivatives, taken only of the replicas that a constant concerns.

A source or an accelerator is left out by solving again without its points, with the derivatives of the whole fit.
Intervals are quantiles of measured over predicted, of points whose source was left out.

    python -m aistack.evidence.fit_serving     writes fitted/serving.yaml and evidence/data/serving_fit.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from aistack.catalog.fitted import Constant, constants, fitted, replaced
from aistack.catalog.reading import DATA
from aistack.evidence import serving_predictor, serving_reading, serving_rows
from aistack.evidence.fit_training import Parameter, quantile, solve
from aistack.evidence.serving_groups import configurations
from aistack.evidence.serving_predictor import Asked
from aistack.evidence.serving_reading import METRICS, Metric, Question
from aistack.files import write_json, write_text
from aistack.hardware.chip import chip
from aistack.serving.engines import ENGINES, OLDER
from aistack.serving.formats import weights as format_of

Array = npt.NDArray[np.float64]
Concerns = Callable[[Question], bool]

STEP = 0.02
WEIGHT = 0.2
"""Points of a source have one cause of missing in common, so that each says less than it would alone."""
UNTRUSTED = 0.3
"""Weight of a point of a row that leaves something open, over that of a trusted one."""
FEWEST_POINTS, FEWEST_SOURCES, FEWEST_OF_A_SOURCE = 30, 2, 5
"""For an interval of an engine's own; a source with fewer points than the last does not count as one."""


@dataclass(frozen=True)
class Point:
    """One quantity of one configuration."""

    metric: Metric
    question: Question
    published: float
    asked: int
    """The replica that answers it."""
    place: int
    """Its place among that replica's questions."""

    @property
    def source(self) -> str:
        """The publications of one origin that it is from."""
        return self.question.row.source


@dataclass(frozen=True)
class Fit:
    """Parameters as unbounded numbers, and each point's predicted over published as a logarithm."""

    free: Array
    residuals: Array
    jacobian: Array
    asked: tuple[Asked, ...]
    points: tuple[Point, ...]


def parameters() -> tuple[Parameter, ...]:
    """What is fitted: what engines add a step, a sequence, a request and a kernel, and what kernels sustain in them, by
    engine and by family of accelerators."""

    def on(*names: str) -> Concerns:
        def concerned(question: Question) -> bool:
            mine = serving_predictor.profile(question)
            # an old release takes the constants of its engine where it has none
            return mine in names or OLDER.get(mine) in names

        return concerned

    def family(*names: str) -> Concerns:
        return lambda question: bool({chip(question.accelerator).family, question.accelerator} & set(names))

    def every(_: Question) -> bool:
        return True

    def experts(question: Question) -> bool:
        return any(hasattr(block.feed_forward, "experts") for block in question.spec.blocks)

    def widened(question: Question) -> bool:
        return format_of(question.formats.weights).widened(chip(question.accelerator))

    def shared(question: Question) -> bool:
        return question.pool.chips > question.pool.instances

    found: list[Parameter] = []

    def add(
        constant: str,
        start: float,
        spread: float,
        own: Mapping[str, float],
        concerns: Concerns = every,
    ) -> None:
        """A constant for all, and one of its own for each key of `own`, with how far it strays."""
        found.append(Parameter(constant, "all", start, False, spread, concerns))
        for key, stray in own.items():
            whose = [on(part) if part in ENGINES else family(part) for part in key.split("/")]
            found.append(Parameter(constant, key, start, False, stray, _all(concerns, *whose), parent="all"))

    def each(stray: float, *names: str) -> dict[str, float]:
        return dict.fromkeys(names or ("vllm", "vllm-v0", "sglang", "tensorrt-llm", "llama.cpp"), stray)

    # what an engine's old releases did on accelerators that were new to it says little of today's
    early = {"vllm-v0/cdna3": 1.5, "vllm-v0/xe": 1.5}
    families = each(0.3, "ampere", "hopper", "blackwell", "ada", "geforce", "dgx-spark-gb10", "cdna3", "apple")
    add("step_overhead", 1e-3, 0.3, each(0.5) | {"vllm-v0/cdna3": 1.0, "vllm-v0/xe": 1.0})
    add("sequence_overhead", 1e-5, 0.3, each(0.5))
    add("request_overhead", 0.015, 0.3, each(0.4, "vllm", "sglang", "tensorrt-llm"))
    found.append(Parameter("request_overhead", "triton", 0.006, False, 0.4, serving_predictor.behind_triton))
    add("gap", 2.0e-6, 0.2, each(0.2))
    add("dispatch", 6e-6, 0.2, each(0.3))
    add("compute", 0.85, 0.1, families | {"dgx-spark-gb10": 1.5, "apple": 0.7} | early)
    add("own_kernels", 1.0, 0.01, each(0.2, "sglang", "tensorrt-llm") | {"llama.cpp": 0.4})
    add("memory", 0.85, 0.05, dict.fromkeys((*families, "vllm-v0"), 0.1) | {"vllm-v0/cdna3": 0.2, "vllm-v0/xe": 0.5})
    add("experts", 0.9, 0.2, each(0.2), experts)
    add("attention", 0.7, 0.15, each(0.15))
    add("prompt_attention", 0.75, 0.1, each(0.1) | {"llama.cpp": 0.5, "llama.cpp-2024": 1.5})
    add("dequantisation", 0.75, 0.2, {"llama.cpp": 0.4}, widened)
    add("traffic", 1.3, 0.2, each(0.2))
    add("communication", 1.2, 0.2, each(0.3) | early, shared)
    waiting = {"vllm": 0.3, "tensorrt-llm": 0.3, "sglang": 1.0}
    add("burst", 0.7, 0.3, waiting, lambda question: question.scenario in {"closed", "rate"})
    return tuple(found)


def _all(*conditions: Concerns) -> Concerns:
    return lambda question: all(condition(question) for condition in conditions)


def with_values(values: Sequence[float]) -> Mapping[str, Constant]:
    """The shipped constants with these values of the parameters in their places."""
    placed = {(each.constant, each.key): value for each, value in zip(parameters(), values, strict=True)}
    return replaced(constants("serving"), placed)


def usable(question: Question) -> bool:
    """Whether a question takes part: not a weak row, nor one that speculates."""
    return question.row.tier in {"A", "B"} and not question.speculation


def points(questions: Sequence[Question]) -> tuple[tuple[Asked, ...], tuple[Point, ...]]:
    """The replicas, and what each configuration measured that they answer."""
    found = configurations(questions)
    first = [questions[each.places[0]] for each in found]
    asked = serving_predictor.ask(first)
    listed = []
    for number, each in enumerate(asked):
        values = each.predict()
        for place, where in enumerate(each.places):
            for metric, group in found[where].groups.items():
                if np.isfinite(values[metric][place]) and values[metric][place] > 0:
                    listed.append(Point(metric, first[where], group.published, number, place))
    return asked, tuple(listed)


def weights(found: Sequence[Point]) -> Array:
    """Of each point: one over the square root of the points of its source's quantity; less where something is open."""
    counts = Counter((point.source, point.metric) for point in found)
    raw = np.array(
        [counts[point.source, point.metric] ** -0.5 * (1.0 if point.question.trusted else UNTRUSTED) for point in found]
    )
    return np.asarray(WEIGHT * raw)


def residuals(
    asked: Sequence[Asked], found: Sequence[Point], known: Mapping[str, Constant], numbers: set[int]
) -> Array:
    """Logarithm of predicted over published of the points of the replicas in `numbers`; 0 elsewhere."""
    values = {number: asked[number].predict(known) for number in numbers}
    return np.array(
        [
            np.log(max(values[point.asked][point.metric][point.place], 1e-12) / point.published)
            if point.asked in numbers
            else 0.0
            for point in found
        ]
    )


def fit(questions: Sequence[Question], rounds: int = 3, *, report: Callable[[str], None] = lambda _: None) -> Fit:
    """Fit all parameters on `questions`, whose configurations count once each."""
    chosen = parameters()
    asked, found = points(questions)
    start = np.array([parameter.to_free(parameter.start) for parameter in chosen])
    free, weigh = start.copy(), weights(found)
    concerned = [
        {number for number, each in enumerate(asked) if any(map(parameter.concerns, each.questions[:1]))}
        for parameter in chosen
    ]
    everything = set(range(len(asked)))

    def at(where: Array, numbers: set[int]) -> Array:
        return residuals(asked, found, with_values(_values(chosen, where)), numbers)

    current, jacobian = at(free, everything), np.zeros((len(found), len(chosen)))
    numbers = np.array([point.asked for point in found])
    for turn in range(rounds):
        jacobian = np.zeros((len(found), len(chosen)))
        for column, mine in enumerate(concerned):
            if mine:
                moved = free.copy()
                moved[column] += STEP
                here = np.isin(numbers, list(mine))
                jacobian[here, column] = (at(moved, mine)[here] - current[here]) / STEP
        free = solve(chosen, free, start, current, jacobian, weigh)
        current = at(free, everything)
        report(f"round {turn + 1}: median miss {np.median(np.abs(np.expm1(current))):.1%}")
    return Fit(free, current, jacobian, asked, found)


def _values(chosen: Sequence[Parameter], free: Array) -> tuple[float, ...]:
    return tuple(float(f"{parameter.from_free(each):.4g}") for parameter, each in zip(chosen, free, strict=True))


def left_out(whole: Fit) -> dict[str, tuple[float, ...]]:
    """For each source and each accelerator, the parameters' values that the other points settle on."""
    chosen = parameters()
    start = np.array([parameter.to_free(parameter.start) for parameter in chosen])
    weigh = weights(whole.points)
    found = {}
    for names in ([point.source for point in whole.points], [point.question.accelerator for point in whole.points]):
        each = np.array(names)
        for name in sorted(set(names)):
            solved = solve(chosen, whole.free, start, whole.residuals, whole.jacobian, weigh * (each != name))
            found[name] = _values(chosen, solved)
    return found


def misses(whole: Fit, without: Mapping[str, Sequence[float]]) -> Array:
    """Logarithm of measured over predicted of each point, its source left out."""
    missed = np.zeros(len(whole.points))
    for source in {point.source for point in whole.points}:
        numbers = {point.asked for point in whole.points if point.source == source}
        values = residuals(whole.asked, whole.points, with_values(without[source]), numbers)
        own = np.array([point.source == source for point in whole.points])
        missed[own] = -values[own]
    return missed


def intervals(whole: Fit, missed: Array, without: str | None = None) -> dict[str, tuple[float, float]]:
    """Measured over predicted that one of ten points was below and one of ten above, by quantity and engine.

    Keys are "<metric>/<engine>" where there are enough points of several sources, and "<metric>"; of trusted points,
    but "<metric>/assumed" of the others. `without` is a source or an accelerator that has no part.
    """
    weigh = weights(whole.points)
    found: dict[str, tuple[float, float]] = {}

    def settle(key: str, chosen: list[int], always: bool) -> None:
        counts = Counter(whole.points[place].source for place in chosen)
        sources = [source for source, count in counts.items() if count >= FEWEST_OF_A_SOURCE]
        if (always and chosen) or (len(chosen) >= FEWEST_POINTS and len(sources) >= FEWEST_SOURCES):
            low, high = (quantile(missed[chosen], weigh[chosen], share) for share in (0.1, 0.9))
            found[key] = (float(f"{np.exp(low):.4g}"), float(f"{np.exp(high):.4g}"))

    seen = [
        (place, point)
        for place, point in enumerate(whole.points)
        if without not in {point.source, point.question.accelerator}
    ]
    for metric in METRICS:
        own = [(place, point) for place, point in seen if point.metric == metric]
        settle(metric, [place for place, point in own if point.question.trusted], True)
        settle(f"{metric}/assumed", [place for place, point in own if not point.question.trusted], True)
        for engine in sorted({serving_predictor.profile(point.question) for _, point in own}):
            mine = [
                p for p, point in own if point.question.trusted and serving_predictor.profile(point.question) == engine
            ]
            settle(f"{metric}/{engine}", mine, False)
    return found


def settle(report: Callable[[str], None] = lambda _: None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit on the shipped rows: the content of `fitted/serving.yaml`, and that of `evidence/data/serving_fit.json`."""
    read = [each for each in map(serving_reading.read, serving_rows.shipped()) if isinstance(each, Question)]
    whole = fit([question for question in read if usable(question)], report=report)
    without = left_out(whole)
    missed = misses(whole, without)
    sources = sorted({point.source for point in whole.points})
    accelerators = sorted({point.question.accelerator for point in whole.points})
    around = intervals(whole, missed)
    content = fitted("serving").model_dump()
    chosen = parameters()
    for parameter, value in zip(chosen, _values(chosen, whole.free), strict=True):
        content["constants"][parameter.constant]["values"][parameter.key] = value
    for name, place in (("interval_low", 0), ("interval_high", 1)):
        content["constants"][name]["values"] = {key: ends[place] for key, ends in around.items()}
    trusted = np.array([point.question.trusted for point in whole.points])
    content["fitted_on"] = (
        f"{len(whole.points):,} published throughputs and latencies of {len(sources)} sources "
        f"(evidence/data/serving.csv.gz), {len(chosen)} values; median miss of trusted rows with the source left out "
        f"{float(np.median(np.abs(np.expm1(-missed[trusted])))):.1%}"
    )
    kept = {
        "parameters": [f"{parameter.constant} {parameter.key}" for parameter in chosen],
        "sources": sources,
        "accelerators": accelerators,
        "left_out": {
            name: {"values": without[name], "intervals": intervals(whole, missed, name)}
            for name in (*sources, *accelerators)
        },
    }
    return content, kept


def main() -> None:
    """Write the two files."""
    content, kept = settle(report=print)
    text = yaml.safe_dump(content, sort_keys=False, width=118, allow_unicode=True)
    write_text(DATA / "fitted" / "serving.yaml", text)
    write_json(Path(__file__).parent / "data" / "serving_fit.json", kept)


if __name__ == "__main__":
    main()
