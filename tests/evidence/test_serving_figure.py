"""The picture of published serving against predictions has a dot for every trusted row, where its numbers say."""

import json

import pytest

from aistack.evidence.figures import serving_predictions
from aistack.evidence.serving_report import Comparison, Quantity, Report, RowResult
from aistack.evidence.serving_statistics import Weighed
from aistack.evidence.statistics import Errors, Failure

ERRORS = Errors("sources left out", 3, 3, 0.1, 0.2, 0.3, 1.0, 0.8)
WEIGHED = Weighed("sources left out", 2, 0.12, 0.2, 0.3, 0.8, "one", 0.2, ERRORS)


def _row(name: str, published: float, left_out: float, trusted: bool = True) -> RowResult:
    seen = Comparison(published, "s", "mean", published, published, published, left_out, left_out)
    return RowResult(name, "one", "A", "m", "1x h100", None, comparisons={"ttft": seen}, trusted=trusted)


def _report(*rows: RowResult) -> Report:
    worst = (Failure("b", "one", "m", "1x h100", "", 1.0, 3.0, ""),)
    quantity = Quantity("ttft", None, WEIGHED, None, None, None, (ERRORS,), (), (), (), (), (), worst)
    return Report(rows, 3, (quantity,))


def test_dots_are_the_trusted_rows_predicted_without_their_source() -> None:
    report = _report(_row("a", 0.1, 0.2), _row("b", 1.0, 3.0), _row("c", 9.0, 1.0, trusted=False))
    figure = serving_predictions.draw(report)
    drawn = json.dumps(figure.spec)
    assert '"published": 0.1, "predicted": 0.2' in drawn and '"published": 9.0' not in drawn
    assert "12%" in figure.title and figure.table[0]["source"] == "sources left out"
    assert "ttft" not in figure.alt and "time to first token" in figure.alt.lower()
    assert figure.html(1).count("<svg") == 1


def test_nothing_trusted_is_nothing_to_draw() -> None:
    quantity = Quantity("ttft", None, None, None, None, None, (), (), (), (), (), (), ())
    with pytest.raises(ValueError, match="no trusted row"):
        serving_predictions.draw(Report((), 0, (quantity,)))
