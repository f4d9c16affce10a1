"""Settling the constants of `fitted/serving.yaml` on published measurements, and again with each source and each
accelerator left out.

As for training (`fit_training`): predictions are compared as logarithms, one point for each quantity of each
configuration; the points of a source's quantity weigh by the square root of their number, so that none decides alone;
large misses count linearly (Huber); each constant is drawn towards its starting value or towards the one that it strays
from, and what one source alone could settle stays where it starts. Gauss-Newton with numerical derivatives: each
replica is priced once and predicted with all sets of constants together, in each of which all values of one are moved.

A source or an accelerator is left out by solving again without its points, with the derivatives of the whole fit.
Intervals are a percentile of the misses of points whose source was left out, all sources alike.

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

from aistack.catalog.fitted import Constant, constants, fitted
from aistack.catalog.reading import DATA
from aistack.evidence import serving_predictor, serving_reading, serving_rows
from aistack.evidence.fit_training import Parameter, quantile, solve
from aistack.evidence.serving_groups import configurations
from aistack.evidence.serving_predictor import Asked
from aistack.evidence.serving_reading import METRICS, Metric, Question
from aistack.evidence.serving_statistics import FEWEST
from aistack.files import write_json, write_text

Array = npt.NDArray[np.float64]

STEP = 0.02
WEIGHT = 0.2
"""Points of a source have one cause of missing in common, so that each says less than it would alone."""
UNTRUSTED = 0.3
"""Weight of a point of a row that leaves something open, over that of a trusted one."""
ONE_SOURCE = 0.01
"""How far a value strays that one source alone could settle, or none: it stays where it starts."""
INSIDE = 0.8


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
    found: list[Parameter] = []

    def add(constant: str, start: float, spread: float, *own: str, stray: float = 0.2) -> None:
        """A constant for all, and one of its own for each key of `own`, with how far it strays."""
        found.append(Parameter(constant, "all", start, False, spread))
        found.extend(Parameter(constant, key, start, False, stray, parent="all") for key in own)

    engines = ("vllm", "vllm-v0", "sglang", "tensorrt-llm", "llama.cpp")
    families = ("ampere", "hopper", "blackwell", "ada", "geforce", "cdna3")
    add("step_overhead", 1e-3, 0.3, *engines, stray=0.5)
    add("sequence_overhead", 1e-5, 0.3)
    add("request_overhead", 0.015, 0.3, "vllm", "sglang", "tensorrt-llm", stray=0.4)
    add("gap", 2e-6, 0.2)
    add("dispatch", 6e-6, 0.2)
    # 12 ms for a step of Llama 2 7B, which has 296 kernels here and some 1.5 ms beside them, before vLLM captured
    # graphs (github.com/vllm-project/vllm, pull request 1440)
    found.append(Parameter("dispatch", "vllm-v0", 3.5e-5, False, 0.3))
    add("compute", 0.85, 0.1, *families, "dgx-spark-gb10", stray=0.3)
    add("own_kernels", 1.0, ONE_SOURCE, "sglang", "tensorrt-llm", "llama.cpp")
    add("memory", 0.85, 0.05, *families, "dgx-spark-gb10", stray=0.1)
    add("experts", 0.9, 0.2)
    add("attention", 0.7, 0.15)
    add("prompt_attention", 0.75, 0.1)
    found.append(Parameter("prompt_attention", "llama.cpp", 0.75, False, 0.5, parent="all"))
    add("dequantisation", 0.75, 0.2, "llama.cpp", stray=0.4)
    add("traffic", 1.3, 0.2)
    add("communication", 1.2, 0.2, "vllm", "vllm-v0", "sglang", "tensorrt-llm", stray=0.3)
    add("burst", 0.7, 0.3)
    # NVIDIA's Triton, in C++; attention before llama.cpp fused it: scores go through memory four times, 4 bytes each,
    # and those that the mask hides are computed as well
    found.append(Parameter("request_overhead", "triton", 0.006, False, ONE_SOURCE))
    found.append(Parameter("prompt_attention", "llama.cpp-2024", 0.1, False, ONE_SOURCE))
    return tuple(found)


def with_values(values: Sequence[float]) -> Mapping[str, Constant]:
    """The shipped constants, of which those that are fitted have these values of the parameters and no others."""
    known = dict(constants("serving"))
    for name, own in _by_constant(values).items():
        known[name] = known[name].model_copy(update={"values": own})
    return known


def _by_constant(values: Sequence[float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for parameter, value in zip(parameters(), values, strict=True):
        found.setdefault(parameter.constant, {})[parameter.key] = value
    return found


def usable(question: Question) -> bool:
    """Whether a question takes part: not a weak row, nor one that speculates."""
    return question.row.tier in {"A", "B"} and not question.speculation


def shapes(question: Question) -> bool:
    """Whether a question moves constants: what an engine does that is only taken for one of ours says nothing of it."""
    return not question.engine.assumption


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
    """Of each point: one over the square root of the points of its source's quantity; less where something is open, and
    nothing where it moves no constant."""
    counts = Counter((point.source, point.metric) for point in found)
    raw = [counts[point.source, point.metric] ** -0.5 * _says(point.question) for point in found]
    return WEIGHT * np.array(raw)


def _says(question: Question) -> float:
    return float(shapes(question)) * (1.0 if question.trusted else UNTRUSTED)


def residuals(asked: Sequence[Asked], found: Sequence[Point], known: Mapping[str, Constant]) -> Array:
    """Logarithm of predicted over published of the points."""
    return _residuals(asked, found, [known])[:, 0]


def _residuals(asked: Sequence[Asked], found: Sequence[Point], known: Sequence[Mapping[str, Constant]]) -> Array:
    """The same, [point, set of constants], with each set of constants."""
    numbers = {point.asked for point in found}
    values = {number: asked[number].predict_each(known) for number in numbers}
    predicted = np.array([values[point.asked][point.metric][point.place] for point in found])
    published = np.array([[point.published] for point in found])
    return np.asarray(np.log(np.maximum(predicted, 1e-12) / published))


def fit(questions: Sequence[Question], rounds: int = 4, *, report: Callable[[str], None] = lambda _: None) -> Fit:
    """Fit all parameters on `questions`, whose configurations count once each."""
    chosen = parameters()
    asked, found = points(questions)
    start = np.array([parameter.to_free(parameter.start) for parameter in chosen])
    free = start.copy()
    weigh = weights(found)
    for turn in range(rounds):
        current, jacobian = _derived(asked, found, chosen, free)
        free = solve(chosen, free, start, current, jacobian, weigh)
        report(f"round {turn + 1}: median miss {np.median(np.abs(np.expm1(current))):.1%}")
    return Fit(free, *_derived(asked, found, chosen, free), asked, found)


def _derived(
    asked: Sequence[Asked], found: Sequence[Point], chosen: Sequence[Parameter], free: Array
) -> tuple[Array, Array]:
    """Residuals, and their derivatives by each parameter. All values of one constant are moved at once, since each
    replica takes one of them."""
    names = list(dict.fromkeys(parameter.constant for parameter in chosen))
    of = np.array([names.index(parameter.constant) for parameter in chosen])
    sets = [with_values(_values(chosen, free + STEP * (of == number))) for number in range(-1, len(names))]
    values = _residuals(asked, found, sets)
    columns = {(parameter.constant, parameter.key): place for place, parameter in enumerate(chosen)}
    own = [[columns.get((name, each.key(name, sets[0])), -1) for name in names] for each in asked]
    jacobian = np.zeros((len(found), len(chosen) + 1))
    rows = np.arange(len(found))
    for place in range(len(names)):
        column = np.array([own[point.asked][place] for point in found])
        jacobian[rows, column] = (values[:, place + 1] - values[:, 0]) / STEP
    return values[:, 0], jacobian[:, :-1]


def _values(chosen: Sequence[Parameter], free: Array) -> tuple[float, ...]:
    return tuple(parameter.from_free(each) for parameter, each in zip(chosen, free, strict=True))


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)


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
            found[name] = _rounded(_values(chosen, solved))
    return found


def misses(whole: Fit, without: Mapping[str, Sequence[float]]) -> Array:
    """Logarithm of measured over predicted of each point, its source left out."""
    missed = np.zeros(len(whole.points))
    for source in {point.source for point in whole.points}:
        places = [place for place, point in enumerate(whole.points) if point.source == source]
        own = [whole.points[place] for place in places]
        missed[places] = -residuals(whole.asked, own, with_values(without[source]))
    return missed


def intervals(whole: Fit, missed: Array, without: str | None = None) -> dict[str, float]:
    """Times which, or by which divided, a prediction holds eight of ten points of a source that had no part.

    By quantity, "<metric>" of trusted points and "<metric>/assumed" of the others: the 80th percentile of the misses,
    as logarithms, all sources alike that have a few. Few sources, each biased in its own way, say little of each side
    alone. `without` is a source or an accelerator that has no part.
    """
    kept = [without not in {point.source, point.question.accelerator} for point in whole.points]
    found: dict[str, float] = {}
    for metric in METRICS:
        for assumed in (False, True):
            own = [point.metric == metric and point.question.trusted != assumed for point in whole.points]
            chosen = np.flatnonzero(np.array(kept) & np.array(own))
            if len(chosen):
                counts = Counter(whole.points[place].source for place in chosen)
                large = {source: count for source, count in counts.items() if count >= FEWEST} or counts
                chosen = np.array([place for place in chosen if whole.points[place].source in large])
                alike = np.array([1 / large[whole.points[place].source] for place in chosen])
                factor = float(np.exp(quantile(np.abs(missed[chosen]), alike, INSIDE)))
                found[f"{metric}/assumed" if assumed else metric] = float(f"{factor:.4g}")
    return found


def _ends(factors: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    return {key: (float(f"{1 / factor:.4g}"), factor) for key, factor in factors.items()}


def settle(report: Callable[[str], None] = lambda _: None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit on the shipped rows: the content of `fitted/serving.yaml`, and that of `evidence/data/serving_fit.json`."""
    read = [each for each in map(serving_reading.read, serving_rows.shipped()) if isinstance(each, Question)]
    whole = fit([question for question in read if usable(question)], report=report)
    without = left_out(whole)
    missed = misses(whole, without)
    sources = sorted({point.source for point in whole.points})
    accelerators = sorted({point.question.accelerator for point in whole.points})
    around = _ends(intervals(whole, missed))
    content = fitted("serving").model_dump()
    chosen = parameters()
    for name, own in _by_constant(_rounded(_values(chosen, whole.free))).items():
        content["constants"][name]["values"] = own
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
            name: {"values": without[name], "intervals": _ends(intervals(whole, missed, name))}
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
