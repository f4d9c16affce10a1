"""Predictions and their scores."""

import json
import math
from collections.abc import Mapping

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from aistack.book import predictions
from aistack.book.predictions import Prediction, score
from aistack.cli import app


def one(probability: float, happened: bool | None = None, **more: object) -> Prediction:
    outcome = None if happened is None else {"happened": happened, "date": "2028-01-02", "why": "w", "source": "s"}
    values = {
        "layer": "serving", "statement": f"It happens ({probability}).", "probability": probability,
        "made": "2026-11-22", "resolves": "2028-01-01", "criterion": "c", "evidence": "e", "base_rate": "b",
        "against": "a", "sources": ["s"],
        "outcome": outcome,
    }  # fmt: skip
    return Prediction.model_validate({**values, **more})


def test_scores_are_those_of_the_definitions() -> None:
    found = score([one(0.8, True), one(0.3, False), one(0.9, False), one(0.5)])
    assert found is not None
    assert (found.resolved, found.happened) == (3, 1)
    assert found.brier == pytest.approx((0.04 + 0.09 + 0.81) / 3)
    assert found.logarithmic == pytest.approx(-(math.log(0.8) + math.log(0.7) + math.log(0.1)) / 3)


def test_one_half_scores_what_the_page_says_it_does() -> None:
    found = score([one(0.5, True), one(0.5, False)])
    assert found is not None
    assert (found.brier, round(found.logarithmic, 3)) == (0.25, 0.693)


def test_honesty_is_the_best_policy() -> None:
    """Both scores are proper: of all things to say, the true chance has the best expected score."""
    said = [step / 20 for step in range(1, 20)]
    for true in said:
        for name in ("brier", "logarithmic"):

            def expected(probability: float, true: float = true, name: str = name) -> float:
                yes, no = score([one(probability, True)]), score([one(probability, False)])
                return float(true * getattr(yes, name) + (1 - true) * getattr(no, name))

            assert min(said, key=expected) == true


def test_nothing_settled_is_no_score() -> None:
    assert score([one(0.5)]) is None


@pytest.mark.parametrize("more", [{"probability": 1.0}, {"resolves": "2026-11-22"}, {"sources": []}, {"colour": "red"}])
def test_what_cannot_be_scored_is_refused(more: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError):
        one(**{"probability": 0.5, **more})  # type: ignore[arg-type]


def test_the_command_lists_and_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {"late": one(0.8, True), "early": one(0.3, resolves="2027-01-01"), "other": one(0.6, layer="hardware")}
    monkeypatch.setattr(predictions, "predictions", lambda: every)
    shown = CliRunner().invoke(app, ["predictions"])
    assert shown.exit_code == 0
    assert shown.output.index("(0.3)") < shown.output.index("(0.8)")
    assert "Brier score 0.040" in shown.output
    of_one = json.loads(CliRunner().invoke(app, ["predictions", "--layer", "hardware", "--json"]).output)
    assert [each["key"] for each in of_one["predictions"]] == ["other"] and of_one["scores"] is None
    still_open = json.loads(CliRunner().invoke(app, ["predictions", "--open", "--json"]).output)
    assert {each["key"] for each in still_open["predictions"]} == {"early", "other"}
    assert json.loads(CliRunner().invoke(app, ["predictions", "--json"]).output)["scores"]["resolved"] == 1
