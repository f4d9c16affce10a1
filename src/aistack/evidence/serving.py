"""Published serving throughput and latency against the planner's prediction: every row, its errors, and their sums.

The headline is the error on what the fit has not seen: each source is predicted with constants that were settled
without it, and so is each accelerator. It is of rows that are trusted: tier A or B, complete, and known to decode token
by token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aistack.evidence import serving_reading
from aistack.evidence.groups import noise
from aistack.evidence.serving_causes import cause
from aistack.evidence.serving_groups import Configuration, configurations
from aistack.evidence.serving_reading import METRICS, Metric, Question, Refusal
from aistack.evidence.serving_report import Comparison, Quantity, Report, RowResult
from aistack.evidence.serving_rows import BrokenRow, ServingRow
from aistack.evidence.serving_statistics import Point, weighed
from aistack.evidence.statistics import Failure, by

Array = npt.NDArray[np.float64]
Columns = tuple[Array, Array, Array]
"""Values (output tokens/s of all accelerators, or seconds), and the ends of their 80% interval."""
Predicted = Mapping[Metric, Columns]


class Predictor(Protocol):
    """What answers questions."""

    @property
    def sources(self) -> Collection[str]:
        """Sources of the rows that its constants were fitted on."""

    @property
    def accelerators(self) -> Collection[str]:
        """Accelerators of those rows, by their ids in the catalog."""

    def predict(self, questions: Sequence[Question], left_out: str | None = None) -> Predicted:
        """Of each quantity, its value for every question and the ends of its 80% interval; NaN where it has no answer.

        `left_out` names a source, or an accelerator, whose rows the constants may not have seen.
        """


def evaluate(rows: Iterable[ServingRow | BrokenRow], predictor: Predictor) -> Report:
    """Every row read, predicted with all that was fitted and without its own source and accelerator, and compared."""
    readings = [serving_reading.read(row) for row in rows]
    questions = [each for each in readings if isinstance(each, Question)]
    found = configurations(questions)
    asked = [questions[each.places[0]] for each in found]
    fitted = _filled(predictor.predict(asked), len(asked))
    no_source = _left_out(asked, predictor, fitted, [each.row.source for each in asked], predictor.sources)
    no_chip = _left_out(asked, predictor, fitted, [each.accelerator for each in asked], predictor.accelerators)
    results = iter(_results(questions, found, predictor, fitted, no_source, no_chip))
    return Report(
        rows=tuple(_refused(each) if isinstance(each, Refusal) else next(results) for each in readings),
        configurations=len(found),
        quantities=tuple(
            _quantity(metric, *(_points(metric, found, asked, columns) for columns in (fitted, no_source, no_chip)))
            for metric in METRICS
            if any(metric in each.groups for each in found)
        ),
    )


def family(question: Question) -> str:
    """The model's family, by the letters that its name begins with."""
    found = re.match(r"gpt-oss|[a-z]+", question.spec.name.lower())
    return found[0] if found else "other"


def load(question: Question) -> str:
    """What the requests of a question are, in words."""
    tokens = f"{question.prompt:g} + {question.output:g} tokens"
    held = f" after {question.held:g}" if question.held else ""
    if question.rate is not None:
        return f"{question.rate:g} requests/s of {tokens}{held}"
    if question.concurrency is None:
        return f"as many as fit of {tokens}{held}"
    what = "sequences" if question.scenario == "static" else "requests at once"
    return f"{question.concurrency:g} {what} of {tokens}{held}"


def plan(question: Question) -> str:
    """How a question divides the model, in words."""
    formats = f"{question.formats.weights}, KV {question.formats.kv}"
    if question.prefill is None:
        return f"{question.pool}, {formats}"
    return f"prefill {question.prefill}, decode {question.pool}, {formats}"


def _quantity(metric: Metric, fitted: list[Point], no_source: list[Point], no_chip: list[Point]) -> Quantity:
    kept = [point for point in no_source if point.question.trusted]
    chips = [point for point in no_chip if point.question.trusted]
    worst = sorted(kept or no_source, key=lambda point: abs(float(np.log(point.ratio))), reverse=True)[:10]
    return Quantity(
        metric=metric,
        noise=noise([point.group for point in no_source]),
        headline=weighed("sources left out", kept),
        headline_accelerators=weighed("accelerators left out", chips),
        left_out=weighed("sources left out, all rows", no_source),
        fitted=weighed("as shipped", [point for point in fitted if point.question.trusted]),
        by_source=by(kept, lambda point: point.group.source),
        by_accelerator=by(chips, lambda point: point.question.accelerator),
        by_engine=by(kept, lambda point: point.question.engine.name),
        by_family=by(kept, lambda point: family(point.question)),
        by_scenario=by(kept, lambda point: point.question.row.scenario),
        others_by_source=by(
            [point for point in no_source if not point.question.trusted], lambda point: point.group.source
        ),
        worst=tuple(_failure(point, no_source) for point in worst),
    )


def _filled(predicted: Predicted, count: int) -> dict[Metric, Columns]:
    """The columns of every quantity: those that are not predicted hold NaN."""
    blank = np.full(count, np.nan)
    return {metric: predicted.get(metric, (blank, blank, blank)) for metric in METRICS}


def _left_out(
    asked: Sequence[Question],
    predictor: Predictor,
    fitted: Mapping[Metric, Columns],
    names: Sequence[str],
    seen: Collection[str],
) -> dict[Metric, Columns]:
    """The predictions of each of `names` with constants that have not seen it."""
    columns = {metric: tuple(each.copy() for each in values) for metric, values in fitted.items()}
    for name in sorted(set(names) & set(seen)):
        places = [place for place, each in enumerate(names) if each == name]
        unseen = _filled(predictor.predict([asked[place] for place in places], name), len(places))
        for metric, values in unseen.items():
            for column, value in zip(columns[metric], values, strict=True):
                column[places] = value
    return {metric: (each[0], each[1], each[2]) for metric, each in columns.items()}


def _points(
    metric: Metric, found: Sequence[Configuration], asked: Sequence[Question], columns: Mapping[Metric, Columns]
) -> list[Point]:
    values, low, high = (column.tolist() for column in columns[metric])
    return [
        Point(metric, configuration.groups[metric], asked[place], values[place], low[place], high[place])
        for place, configuration in enumerate(found)
        if metric in configuration.groups and np.isfinite(values[place]) and values[place] > 0
    ]


def _results(
    questions: Sequence[Question],
    found: Sequence[Configuration],
    predictor: Predictor,
    fitted: Mapping[Metric, Columns],
    no_source: Mapping[Metric, Columns],
    no_chip: Mapping[Metric, Columns],
) -> list[RowResult]:
    """The result of each question: its configuration's predictions against its own measurements."""
    results: dict[int, RowResult] = {}
    for place, configuration in enumerate(found):
        for member in configuration.places:
            question = questions[member]
            comparisons = {
                metric: Comparison(
                    published=measured.value,
                    published_as=measured.said,
                    statistic=measured.statistic,
                    predicted=float(fitted[metric][0][place]),
                    low=float(fitted[metric][1][place]),
                    high=float(fitted[metric][2][place]),
                    source_left_out=float(no_source[metric][0][place]),
                    accelerator_left_out=float(no_chip[metric][0][place]),
                )
                for metric, measured in question.measured.items()
                if np.isfinite(fitted[metric][0][place])
            }
            if comparisons:
                results[member] = _result(question, predictor, comparisons)
            else:
                results[member] = _refused(Refusal(question.row, "the planner has no prediction for this deployment"))
    return [results[member] for member in range(len(questions))]


def _result(question: Question, predictor: Predictor, comparisons: Mapping[Metric, Comparison]) -> RowResult:
    row = question.row
    return RowResult(
        id=row.id,
        source=row.source,
        tier=row.tier,
        model=row.model,
        accelerator=question.accelerator,
        refused=None,
        chips=question.chips,
        engine=question.engine.name,
        plan=plan(question),
        load=load(question),
        comparisons=comparisons,
        source_in_fit=row.source in predictor.sources,
        accelerator_in_fit=question.accelerator in predictor.accelerators,
        complete=question.complete,
        trusted=question.trusted,
        assumed=question.assumptions,
    )


def _refused(refusal: Refusal) -> RowResult:
    row = refusal.row
    known = (row.tier, row.model, row.accelerator) if isinstance(row, ServingRow) else ("", "", "")
    return RowResult(row.id, row.source, *known, refused=refusal.reason)


def _failure(point: Point, others: Sequence[Point]) -> Failure:
    question = point.question
    return Failure(
        id=question.row.id,
        source=question.row.source,
        model=question.row.model,
        accelerator=f"{question.chips}x {question.accelerator}",
        plan=f"{question.engine.name}, {plan(question)}; {load(question)}",
        published=point.group.published,
        predicted=point.predicted,
        cause=cause(point, others),
    )
