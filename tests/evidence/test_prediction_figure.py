"""Published against predicted, drawn: what the picture names is what the comparison found."""

from __future__ import annotations

import re

import pytest

from aistack.drawing.theme import follow_scheme
from aistack.evidence.figures import predictions
from aistack.evidence.statistics import Errors, Failure
from aistack.evidence.training import Report, RowResult


def row(number: int, source: str, published: float, ratio: float) -> RowResult:
    return RowResult(
        id=f"row-{number}", source=source, model=f"Model {number}", accelerator="H100", refused=None,
        published=published, predicted=published * ratio, left_out=published * ratio, ratio=ratio,
    )  # fmt: skip


def errors(of: str, rows: list[RowResult]) -> Errors:
    off = sorted(abs((each.ratio or 1) - 1) for each in rows)
    return Errors(of, len(rows), len(rows), off[len(off) // 2], sum(off) / len(off), off[-1], 1.0, 0.8)


def report(rows: list[RowResult]) -> Report:
    kept = [each for each in rows if each.refused is None]
    sources = dict.fromkeys(each.source for each in kept)
    worst = sorted(kept, key=lambda each: -abs((each.ratio or 1) - 1))[:10]
    all_of_them = errors("all", kept) if kept else None
    return Report(
        rows=tuple(rows), groups=len(kept), noise=None, headline=None, left_out=all_of_them, fitted=all_of_them,
        ordering=None, by_accelerator=(), by_family=(),
        by_source=tuple(errors(name, [each for each in kept if each.source == name]) for name in sources),
        worst=tuple(
            Failure(each.id, each.source, each.model, each.accelerator, "DP 8", 1.0, 1.0, "") for each in worst
        ),
    )  # fmt: skip


def test_the_picture_states_the_error_and_names_the_misses() -> None:
    rows = [
        row(number, f"It's source {number % 3}", 10 ** (number / 12 - 1), 0.8 + number / 60) for number in range(36)
    ]
    rows.append(RowResult("row-x", "another", "M", "H100", refused="says nothing"))
    figure = predictions.draw(report(rows))
    off = sorted(abs(each.ratio - 1) for each in rows if each.ratio)
    assert figure.title == f"Half of the published step times are predicted within {off[18]:.1%}"
    assert "36 of 37 published rows" in figure.subtitle
    assert "Model 35, H100, 1.38 times the published" in figure.alt
    assert [each["rows"] for each in figure.table] == [12, 12, 12]
    svg = follow_scheme(figure.svg)
    assert "Model 35, H100, 1.38" in svg and "NaN" not in svg
    assert not re.search(r'"#[0-9a-f]{6}"', svg)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no predicted row"):
        predictions.draw(report([RowResult("row-x", "another", "M", "H100", refused="says nothing")]))
