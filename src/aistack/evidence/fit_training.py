"""Settling the constants of `fitted/training.yaml` on published steps, and again with each source left out.

Predictions are compared as logarithms, one point for each group of re-measurements; a group weighs less the more
there are of its source, so that none decides alone. Large misses count linearly (Huber). Each constant is drawn towards
its starting value, so that what the rows do not settle stays there. Gauss-Newton with numerical derivatives, which are
taken only of the rows that a constant concerns.

A source is left out by solving again without its rows, with the derivatives of the whole fit, and predicting them with
the constants that come out. Intervals are quantiles of measured over predicted, again of the other sources.

    python -m aistack.evidence.fit_training     writes fitted/training.yaml and evidence/data/training_fit.json
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

from aistack.catalog.architecture import MixtureOfExperts
from aistack.catalog.fitted import Constant, constants, fitted, replaced
from aistack.catalog.reading import DATA
from aistack.evidence import predictor, reading, training_rows
from aistack.evidence.groups import Group, groups
from aistack.evidence.reading import Question
from aistack.files import write_json, write_text
from aistack.hardware.chip import chip
from aistack.training.engine import ENGINES

Array = npt.NDArray[np.float64]

FEWEST_GROUPS, FEWEST_SOURCES = 40, 3
"""For an interval of an engine's own."""
LINEAR_FROM = 0.1
"""Misses larger than this, as a logarithm, count linearly."""
STEP = 0.02


@dataclass(frozen=True)
class Parameter:
    """One value of one constant."""

    constant: str
    key: str
    start: float
    share: bool
    """Whether it lies between 0 and 1 (then fitted as log-odds; otherwise as a logarithm)."""
    spread: float
    """How far it may stray from its start, as a standard deviation of what is fitted."""
    concerns: Callable[[Any], bool] = lambda _: True
    """Whether it moves the answer to a question."""
    parent: str = ""
    """The key of the same constant that it strays from, instead of `start`."""

    def to_free(self, value: float) -> float:
        """As an unbounded number."""
        return float(np.log(value / (1 - value)) if self.share else np.log(value))

    def from_free(self, free: float) -> float:
        """The value again."""
        return float(1 / (1 + np.exp(-free)) if self.share else np.exp(free))


@dataclass(frozen=True)
class Fit:
    """Parameters as unbounded numbers, and each group's predicted over published step as a logarithm."""

    free: Array
    residuals: Array
    jacobian: Array
    asked: tuple[predictor.Asked, ...]
    found: tuple[Group, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The parameters' values."""
        return values_of(self.free)


def parameters() -> tuple[Parameter, ...]:
    """What is fitted: a fraction of each accelerator family and precision, and what engines hide and add."""

    def engine(*names: str) -> Callable[[Question], bool]:
        return lambda question: question.engine in names

    def on(family: str, *precisions: str) -> Callable[[Question], bool]:
        return lambda question: (
            family in {chip(question.accelerator).family, question.accelerator}
            and (not precisions or question.plan.precision in precisions)
        )

    def others(*families: str) -> Callable[[Question], bool]:
        return lambda question: chip(question.accelerator).family not in families

    def routed(question: Question) -> bool:
        return any(isinstance(block.feed_forward, MixtureOfExperts) for block in question.spec.blocks)

    families = ("volta", "ampere", "hopper", "blackwell", "cdna3", "cdna4", "trainium", "ascend", "tpu")
    found = [Parameter("derate", "all", 0.85, False, 0.2, others(*families))]
    found += [Parameter("derate", key, 0.85, False, 0.15, on(*key.split("/")), parent="all") for key in families]
    found += [
        Parameter("derate", key, 0.85, False, spread, on(*key.split("/")), parent=key.split("/")[0])
        for key, spread in (
            ("hopper/fp8", 0.05),
            ("blackwell/fp8", 0.05),
            ("blackwell/mxfp8", 0.05),
            ("blackwell/nvfp4", 0.3),
        )
    ]
    found += [
        Parameter("tensor_overlap", "megatron", 0.4, True, 1.0, engine("megatron")),
        Parameter("data_overlap", "megatron", 0.7, True, 1.0, engine("megatron")),
        Parameter("data_overlap", "all", 0.7, True, 1.0, engine("fsdp", "composer", "neuron", "mindspeed")),
        Parameter("data_overlap", "jax", 0.7, True, 1.0, engine("jax")),
        Parameter("data_overlap", "paxml", 0.7, True, 1.0, engine("paxml")),
        Parameter("context_overlap", "all", 0.7, True, 1.0, lambda question: question.plan.context_parallel > 1),
        Parameter("expert_overlap", "all", 0.3, True, 1.0, lambda question: question.plan.expert_parallel > 1),
        Parameter("expert_work", "all", 1.3, False, 0.3, routed),
        Parameter("routing", "all", 1.5, False, 0.4, routed),
        Parameter("accumulation", "megatron", 4.0, False, 0.5, engine("megatron")),
        Parameter("accumulation", "megatron-lm", 12.0, False, 0.5, engine("megatron-lm")),
        Parameter("accumulation", "megatron-deepspeed", 18.0, False, 0.5, engine("megatron-deepspeed")),
        Parameter("step_overhead", "all", 0.01, False, 1.0, lambda _: True),
        Parameter("straggling", "all", 0.005, False, 1.0, lambda question: question.chips > 1),
        Parameter("traffic", "all", 1.2, False, 0.2, engine("fsdp", "neuron", "mindspeed")),
    ]
    for name in ("megatron", "megatron-lm", "megatron-deepspeed", "composer", "jax", "paxml"):
        # kernels of FlashAttention's first version, which Composer's published runs had, take 1.3 to 1.5 times as
        # long as those of the second (arXiv:2307.08691, section 4.1)
        start = 0.72 if name == "composer" else 1.0
        found.append(Parameter("attention", name, start, False, 0.1, engine(name)))
        found.append(Parameter("traffic", name, 1.2, False, 0.1, engine(name), parent="all"))
    return tuple(found)


def with_values(chosen: Sequence[Parameter], values: Sequence[float]) -> Mapping[str, Constant]:
    """The shipped constants with these values in their places."""
    placed = {(each.constant, each.key): value for each, value in zip(chosen, values, strict=True)}
    return replaced(constants("training"), placed)


def weights(found: Sequence[Group]) -> Array:
    """Of each group: one over the fourth root of its source's groups, on average 1."""
    counts = Counter(group.source for group in found)
    raw = np.array([counts[group.source] ** -0.25 for group in found])
    weigh: Array = raw / raw.mean()
    return weigh


def fit(questions: Sequence[Question], rounds: int = 6, *, report: Callable[[str], None] = lambda _: None) -> Fit:
    """Fit all parameters on `questions`, whose groups count once each."""
    chosen = parameters()
    found = groups(questions)
    asked = [predictor.ask(questions[group.members[0]]) for group in found]
    published = np.log([group.published for group in found])
    start = np.array([parameter.to_free(parameter.start) for parameter in chosen])
    free = start.copy()
    weigh = weights(found)

    def residuals(at: Array, places: npt.NDArray[np.int64]) -> Array:
        known = with_values(chosen, [p.from_free(f) for p, f in zip(chosen, at, strict=True)])
        seconds: Array = np.array([asked[place].seconds(known) for place in places])
        return np.asarray(np.log(seconds) - published[places])

    everything = np.arange(len(asked))
    current, jacobian = residuals(free, everything), np.zeros((len(asked), len(chosen)))
    for turn in range(rounds):
        jacobian = np.zeros((len(asked), len(chosen)))
        for column, parameter in enumerate(chosen):
            places = np.array(
                [place for place in everything if parameter.concerns(asked[place].question)], dtype=np.int64
            )
            if len(places):
                moved = free.copy()
                moved[column] += STEP
                jacobian[places, column] = (residuals(moved, places) - current[places]) / STEP
        free = solve(chosen, free, start, current, jacobian, weigh)
        current = residuals(free, everything)
        report(f"round {turn + 1}: median miss {np.median(np.abs(np.expm1(current))):.1%}")
    return Fit(free, current, jacobian, tuple(asked), found)


def values_of(free: Array) -> tuple[float, ...]:
    """Parameters' values from unbounded numbers, to four digits."""
    return tuple(float(f"{parameter.from_free(each):.4g}") for parameter, each in zip(parameters(), free, strict=True))


def left_out(whole: Fit) -> dict[str, tuple[float, ...]]:
    """For each source, the parameters' values that the others settle on."""
    chosen = parameters()
    start = np.array([parameter.to_free(parameter.start) for parameter in chosen])
    weigh = weights(whole.found)
    sources = np.array([group.source for group in whole.found])
    return {
        source: values_of(
            solve(chosen, whole.free, start, whole.residuals, whole.jacobian, weigh * (sources != source))
        )
        for source in sorted(set(sources.tolist()))
    }


def misses(whole: Fit, without: Mapping[str, Sequence[float]]) -> Array:
    """Logarithm of measured over predicted of each group, its source left out."""
    chosen = parameters()
    known = {source: with_values(chosen, values) for source, values in without.items()}
    return np.array(
        [
            np.log(group.published / asked.seconds(known[group.source]))
            for group, asked in zip(whole.found, whole.asked, strict=True)
        ]
    )


def intervals(whole: Fit, missed: Array, without: str | None = None) -> dict[str, tuple[float, float]]:
    """Measured over predicted that one of ten was below and one of ten above, by what is known of a row.

    Keys are "<engine>/complete", "<engine>/assumed" where there are enough groups of several sources, "complete" and
    "assumed" for all engines. Groups weigh as in the fit; `without` is a source that has no part.
    """
    weigh = weights(whole.found)
    found: dict[str, tuple[float, float]] = {}
    for complete in (True, False):
        for engine in (None, *ENGINES):
            chosen = [
                place
                for place, (group, asked) in enumerate(zip(whole.found, whole.asked, strict=True))
                if asked.question.complete == complete
                and engine in {None, asked.question.engine}
                and group.source != without
            ]
            sources = {whole.found[place].source for place in chosen}
            if engine is not None and (len(chosen) < FEWEST_GROUPS or len(sources) < FEWEST_SOURCES):
                continue
            key = "/".join([*([engine] if engine else []), "complete" if complete else "assumed"])
            low, high = (quantile(missed[chosen], weigh[chosen], share) for share in (0.1, 0.9))
            found[key] = (float(f"{np.exp(low):.4g}"), float(f"{np.exp(high):.4g}"))
    return found


def quantile(values: Array, weigh: Array, share: float) -> float:
    """The weighted quantile."""
    order = np.argsort(values)
    passed = np.cumsum(weigh[order]) - weigh[order] / 2
    return float(np.interp(share * weigh.sum(), passed, values[order]))


def solve(
    chosen: Sequence[Parameter], free: Array, start: Array, residuals: Array, jacobian: Array, weigh: Array
) -> Array:
    """One step: the least robust sum of squares of the linear model around `free`, drawn towards `start`."""
    rows, target = _prior(chosen, start)
    moved = free.copy()
    for _ in range(30):
        miss = residuals + jacobian @ (moved - free)
        each = weigh * np.minimum(1.0, LINEAR_FROM / np.maximum(np.abs(miss), 1e-9)) / LINEAR_FROM**2
        normal = jacobian.T @ (each[:, None] * jacobian) + rows.T @ rows
        right = jacobian.T @ (each * (jacobian @ free - residuals)) + rows.T @ target
        moved = np.asarray(np.linalg.solve(normal, right), dtype=np.float64)
    step: Array = free + np.clip(moved - free, -0.7, 0.7)
    return step


def _prior(chosen: Sequence[Parameter], start: Array) -> tuple[Array, Array]:
    """What is expected before any row is seen: each parameter near its start or near its parent, in its spread."""
    keys = [(parameter.constant, parameter.key) for parameter in chosen]
    rows: Array = np.eye(len(chosen), dtype=np.float64)
    target: Array = start.copy()
    for place, parameter in enumerate(chosen):
        if parameter.parent:
            rows[place, keys.index((parameter.constant, parameter.parent))] = -1.0
            target[place] = 0.0
        rows[place] /= parameter.spread
        target[place] /= parameter.spread
    return rows, target


def settle(report: Callable[[str], None] = lambda _: None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit on the shipped rows: the content of `fitted/training.yaml`, and that of `evidence/data/training_fit.json`."""
    questions = [each for each in map(reading.read, training_rows.shipped()) if isinstance(each, Question)]
    whole = fit(questions, report=report)
    without = left_out(whole)
    missed = misses(whole, without)
    sources = sorted({group.source for group in whole.found})
    around = intervals(whole, missed)
    content = fitted("training").model_dump()
    for parameter, value in zip(parameters(), whole.values, strict=True):
        content["constants"][parameter.constant]["values"][parameter.key] = value
    for name, place in (("interval_low", 0), ("interval_high", 1)):
        content["constants"][name]["values"] = {key: ends[place] for key, ends in around.items()}
    content["fitted_on"] = (
        f"{len(questions):,} published steps in {len(whole.found)} configurations of {len(sources)} sources "
        f"(evidence/data/training.csv), {len(parameters())} values; median miss with the source left out "
        f"{float(np.median(np.abs(np.expm1(-missed)))):.1%}"
    )
    kept = {
        "parameters": [f"{parameter.constant} {parameter.key}" for parameter in parameters()],
        "sources": {
            source: {"values": without[source], "intervals": intervals(whole, missed, source)} for source in sources
        },
        "accelerators": sorted({asked.question.accelerator for asked in whole.asked}),
    }
    return content, kept


def main() -> None:
    """Write the two files."""
    content, kept = settle(report=print)
    text = yaml.safe_dump(content, sort_keys=False, width=118, allow_unicode=True)
    write_text(DATA / "fitted" / "training.yaml", text)
    write_json(Path(__file__).parent / "data" / "training_fit.json", kept)


if __name__ == "__main__":
    main()
