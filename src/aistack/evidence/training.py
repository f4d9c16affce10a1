"""Published training throughput against the planner's prediction: every row, its error, and what the errors sum to.

The headline is the error on sources that the fit has not seen: each source is predicted with constants that were
settled without it. Of a source that no fit has used, that is the ordinary prediction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aistack.evidence import conventions, reading, recipes
from aistack.evidence.groups import Group, groups, noise
from aistack.evidence.reading import Question, Refusal
from aistack.evidence.statistics import Errors, Failure, Ordering, Point, by, errors, ordering
from aistack.evidence.training_rows import BrokenRow, TrainingRow

Array = npt.NDArray[np.float64]
Columns = tuple[Array, Array, Array]
"""Seconds, and the ends of their interval."""


class Predictor(Protocol):
    """What answers questions."""

    @property
    def sources(self) -> Collection[str]:
        """Sources of the rows that its constants were fitted on."""

    @property
    def accelerators(self) -> Collection[str]:
        """Accelerators of those rows, by their ids in the catalog."""

    def predict(self, questions: Sequence[Question], left_out: str | None = None) -> Columns:
        """Seconds of each question's step, and its 80% interval; NaN where it has no answer.

        `left_out` names a source whose rows the constants may not have seen.
        """


@dataclass(frozen=True)
class RowResult:
    """One row of the file: predicted, or refused with the reason."""

    id: str
    source: str
    model: str
    accelerator: str
    refused: str | None
    published: float | None = None
    """Seconds of a step."""
    published_as: str | None = None
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    left_out: float | None = None
    """Predicted with constants that were fitted without this row's source."""
    ratio: float | None = None
    """Predicted over published."""
    plan: str | None = None
    source_in_fit: bool = False
    accelerator_in_fit: bool = False
    complete: bool = False
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole comparison. Errors are of groups of re-measurements, each counting once."""

    rows: tuple[RowResult, ...]
    groups: int
    noise: float | None
    """The noise floor: how far re-measurements of one configuration lie apart, as a fraction."""
    headline: Errors | None
    """On sources left out of the fit, of rows that state their configuration whole."""
    left_out: Errors | None
    """The same of all rows."""
    fitted: Errors | None
    """All rows, with the constants as they ship."""
    ordering: Ordering | None
    """Of plans, on left-out sources."""
    by_source: tuple[Errors, ...]
    by_accelerator: tuple[Errors, ...]
    by_family: tuple[Errors, ...]
    worst: tuple[Failure, ...]

    @property
    def predicted(self) -> int:
        """Rows that have a prediction."""
        return sum(row.refused is None for row in self.rows)

    def json(self) -> dict[str, Any]:
        """As plain values: a summary, and one object a row."""
        return {
            "rows_read": len(self.rows),
            "rows_predicted": self.predicted,
            "rows_refused": len(self.rows) - self.predicted,
            **{name: value for name, value in asdict(self).items() if name != "rows"},
            "pairs_ordered_rightly": self.ordering.share if self.ordering else None,
            "rows": [_row_json(row) for row in self.rows],
        }


def evaluate(rows: Iterable[TrainingRow | BrokenRow], predictor: Predictor) -> Report:
    """Every row read, predicted with all that was fitted and without its own source, and compared."""
    readings = [reading.read(row) for row in rows]
    questions = [each for each in readings if isinstance(each, Question)]
    found = groups(questions)
    asked = [questions[group.members[0]] for group in found]
    fitted = predictor.predict(asked)
    unseen = _left_out(asked, predictor, fitted)
    answered = np.isfinite(fitted[0]) & np.isfinite(unseen[0])
    results = iter(_results(questions, found, predictor, fitted, unseen[0], answered))
    points = [_points(found, asked, columns, answered) for columns in (fitted, unseen)]
    shipped, left_out = points
    return Report(
        rows=tuple(_refused(each) if isinstance(each, Refusal) else next(results) for each in readings),
        groups=len(left_out),
        noise=noise(found),
        headline=errors("sources left out, complete rows", [point for point in left_out if point.question.complete]),
        left_out=errors("sources left out, all rows", left_out),
        fitted=errors("as shipped, all rows", shipped),
        ordering=ordering(left_out),
        by_source=by(left_out, lambda point: point.group.source),
        by_accelerator=by(left_out, lambda point: point.question.accelerator),
        by_family=by(left_out, lambda point: family(point.question)),
        worst=tuple(_failure(point, left_out) for point in sorted(left_out, key=_how_wrong, reverse=True)[:10]),
    )


def family(question: Question) -> str:
    """The model's family, by the letters that its name begins with."""
    name = re.sub(r"[^a-z0-9 ]", "", recipes.base_name(question.row.model).lower())
    known = {"gpt oss": "gpt-oss", "gptoss": "gpt-oss", "mtnlg": "gpt", "opt": "gpt", "deepseek": "deepseek"}
    for start, meant in known.items():
        if name.startswith(start):
            return meant
    found = re.match(r"[a-z]+", name)
    kind = found[0] if found else "other"
    return f"{kind}, LoRA" if question.lora_rank else kind


_RECOMPUTED = 0.7
"""Of a step that recomputes everything, what a step without takes at least: three passes of four, and a little."""
_FASTER = 1.5
"""Other runs of a model that are as many times as fast tell of software, not of the model here."""


def cause(point: Point, others: Sequence[Point] = ()) -> str:
    """The likeliest reason of a wrong prediction, from what the row leaves unsaid or says against itself, or from
    `others`, among which are the same model's.
    """
    question = point.question
    if decisive := sorted(question.open - {"recomputation", "zero"}):
        return f"the row does not state {', '.join(each.replace('_', ' ') for each in decisive)}"
    if point.group.spread > 0.1:
        return f"re-measurements of it lie {point.group.spread:.0%} apart"
    if point.ratio < 1 and (faster := _faster(point, others)) is not None:
        return faster
    if (said := _contradiction(question)) is not None:
        return said
    if not question.complete:
        return "the row does not state the model's shape or the sequence length"
    if "recomputation" in question.open and _RECOMPUTED < point.ratio < 1:
        return "recomputation is not stated; with some, a step takes longer"
    if "recomputation" in question.open and point.ratio > 1:
        return "recomputation is not stated; with less, a step takes less"
    if question.measured_from.startswith(("FLOP/s", "MFU")):
        return "the step time follows from FLOP/s, whose convention may be another"
    return "nothing that the row says: the model is wrong here"


def _faster(point: Point, others: Sequence[Point]) -> str | None:
    """Where runs of the same model and sequences on the same accelerator are much faster."""

    def speed(each: Point) -> float:
        asked = each.question
        return asked.global_batch * asked.seq_len / each.group.published / asked.chips

    def kind(each: Point) -> tuple[object, ...]:
        asked = each.question
        return asked.spec, asked.accelerator, asked.seq_len, asked.plan.precision, asked.lora_rank

    same = [each for each in others if kind(each) == kind(point)]
    best = max(same, key=speed, default=point)
    times = speed(best) / speed(point)
    if times < _FASTER:
        return None
    return f"another release or plan runs it {times:.1f} times as fast per accelerator ({best.question.row.id})"


def _contradiction(question: Question) -> str | None:
    """Where the row's FLOP/s, tokens per second and convention cannot all be true of its model."""
    row = question.row
    convention = conventions.read(row.flops_convention)
    if not (row.flops_per_second and row.tokens_per_second and convention) or question.lora_rank:
        return None
    ours = conventions.flops_per_token(question.spec, question.seq_len, convention)
    printed = row.flops_per_second / row.tokens_per_second
    if 0.9 < printed / ours < 1.1:
        return None
    return f"the row prints {printed / 1e9:.3g} GFLOP a token, its model makes {ours / 1e9:.3g}"


def _left_out(questions: Sequence[Question], predictor: Predictor, fitted: Columns) -> Columns:
    """The predictions of each source with constants that have not seen it."""
    columns = tuple(each.copy() for each in fitted)
    names = np.array([question.row.source for question in questions])
    for source in sorted(set(names.tolist()) & set(predictor.sources)):
        places = np.flatnonzero(names == source)
        for column, values in zip(
            columns, predictor.predict([questions[i] for i in places.tolist()], source), strict=True
        ):
            column[places] = values
    return columns[0], columns[1], columns[2]


def _points(
    found: Sequence[Group], asked: Sequence[Question], columns: Columns, answered: npt.NDArray[np.bool_]
) -> list[Point]:
    rows = zip(found, asked, *(column.tolist() for column in columns), answered.tolist(), strict=True)
    return [Point(group, question, seconds, low, high) for group, question, seconds, low, high, kept in rows if kept]


def _results(
    questions: Sequence[Question],
    found: Sequence[Group],
    predictor: Predictor,
    fitted: Columns,
    left_out: Array,
    answered: npt.NDArray[np.bool_],
) -> list[RowResult]:
    """The result of each question: its group's prediction against its own measurement."""
    results: dict[int, RowResult] = {}
    for place, group in enumerate(found):
        for member in group.members:
            question = questions[member]
            if answered[place]:
                seconds, low, high = (float(column[place]) for column in fitted)
                results[member] = _result(question, predictor, seconds, low, high, float(left_out[place]))
            else:
                results[member] = _refused(Refusal(question.row, "the planner has no prediction for this plan"))
    return [results[member] for member in range(len(questions))]


def _how_wrong(point: Point) -> float:
    return float(abs(np.log(point.ratio)))


def _failure(point: Point, others: Sequence[Point]) -> Failure:
    question = point.question
    return Failure(
        id=question.row.id,
        source=question.row.source,
        model=question.row.model,
        accelerator=f"{question.chips}x {question.accelerator}",
        plan=str(question.plan),
        published=point.group.published,
        predicted=point.predicted,
        cause=cause(point, others),
    )


def _refused(refusal: Refusal) -> RowResult:
    row = refusal.row
    known = (row.model, row.accelerator) if isinstance(row, TrainingRow) else ("", "")
    return RowResult(row.id, row.source, *known, refused=refusal.reason)


def _result(
    question: Question, predictor: Predictor, seconds: float, low: float, high: float, left_out: float
) -> RowResult:
    return RowResult(
        id=question.row.id,
        source=question.row.source,
        model=question.row.model,
        accelerator=question.accelerator,
        refused=None,
        published=question.measured,
        published_as=question.measured_from,
        predicted=seconds,
        low=low,
        high=high,
        left_out=left_out,
        ratio=seconds / question.measured,
        plan=str(question.plan),
        source_in_fit=question.row.source in predictor.sources,
        accelerator_in_fit=question.accelerator in predictor.accelerators,
        complete=question.complete,
        assumed=question.assumptions,
    )


def _row_json(row: RowResult) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "model": row.model,
        "accelerator": row.accelerator,
        "refused": row.refused,
        "published_step_s": row.published,
        "published_as": row.published_as,
        "predicted_step_s": row.predicted,
        "interval_80_s": None if row.low is None else [row.low, row.high],
        "predicted_step_s_source_left_out": row.left_out,
        "ratio": row.ratio,
        "plan": row.plan,
        "source_used_in_fit": row.source_in_fit,
        "accelerator_used_in_fit": row.accelerator_in_fit,
        "complete": row.complete,
        "assumed": list(row.assumed),
    }
