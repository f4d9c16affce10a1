"""Published rows asked of the planner, and constants that a fit finds again."""

from dataclasses import replace

import numpy as np
import pytest

from aistack.catalog.fitted import constants, replaced
from aistack.evidence import fit_serving, serving_predictor, serving_reading, serving_rows
from aistack.evidence.serving_reading import Measured, Question
from aistack.hardware.chip import chip
from aistack.serving import calibration
from aistack.serving.engines import keys


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    read = (serving_reading.read(row) for row in serving_rows.shipped()[::16])
    return [each for each in read if isinstance(each, Question) and fit_serving.usable(each)]


def test_questions_asked_together_have_the_answers_that_each_has_alone(questions):
    some = questions[:40]
    for asked in serving_predictor.ask(some):
        together = asked.predict()
        for place, where in enumerate(asked.places):
            (alone,) = serving_predictor.ask([some[where]])
            for metric, values in alone.predict().items():
                # a closed loop's batch limit is that of the most clients asked together
                assert together[metric][place] == pytest.approx(float(values[0]), rel=0.02)


def test_old_releases_have_profiles_of_their_own(questions):
    profiles = {(question.row.source, serving_predictor.profile(question)) for question in questions}
    assert ("Argonne LLM-Inference-Bench", "vllm-v0") in profiles
    assert ("Argonne LLM-Inference-Bench", "vllm") not in profiles
    assert ("AIConfigurator silicon sample (InferenceX)", "vllm") in profiles


def test_the_planner_answers_with_intervals_whether_or_not_it_has_seen_the_source(questions):
    planner = serving_predictor.shipped()
    some = [question for question in questions if question.row.source.startswith("TensorRT-LLM perf")][:8]
    for left_out in (None, "TensorRT-LLM perf-overview", some[0].accelerator):
        found = planner.predict(some, left_out)
        for value, low, high in found.values():
            assert np.all((low < value) & (value < high))
    assert some[0].row.source in planner.sources
    assert some[0].accelerator in planner.accelerators


def test_a_fit_finds_constants_again_that_made_the_numbers(questions):
    kept = [question for question in questions if question.accelerator in {"a100-sxm4-40gb", "l40s", "a100-pcie-80gb"}]
    chosen = fit_serving.parameters()
    planted = [parameter.start * {"memory": 0.9, "compute": 0.8}.get(parameter.constant, 1.0) for parameter in chosen]
    known = fit_serving.with_values(planted)
    made = list(kept)
    for asked in serving_predictor.ask(kept):
        values = asked.predict(known)
        for place, where in enumerate(asked.places):
            measured = {
                metric: Measured(float(values[metric][place]), each.statistic, each.said)
                for metric, each in kept[where].measured.items()
            }
            made[where] = replace(kept[where], measured=measured)
    before, after = (np.median(np.abs(fit_serving.fit(made, rounds=rounds).residuals)) for rounds in (0, 3))
    # what is expected beforehand draws a little the other way
    assert after < 0.05 < 0.08 < before


def test_sets_of_constants_together_are_each_alone(questions):
    shipped = constants("serving")
    slower = replaced(shipped, {("memory", "all"): 0.5, ("memory", "hopper"): 0.5, ("step_overhead", "vllm"): 0.01})
    for asked in serving_predictor.ask(questions[::25]):
        together = asked.predict_each([shipped, slower])
        for place, known in enumerate((shipped, slower)):
            # priced as one deployment with plain numbers, as plans are
            alone = asked.replica.with_engine(asked._engine(known))
            wide = asked.replica.with_engines([asked._engine(shipped), asked._engine(slower)])
            assert float(alone.decode(8, 8000)) == pytest.approx(float(wide.decode(8, 8000)[place]), rel=1e-12)
            assert float(alone.prefill(700)) == pytest.approx(float(wide.prefill(700)[place]), rel=1e-12)
            for metric, values in asked.predict(known).items():
                assert values == pytest.approx(together[metric][:, place], rel=1e-12)


def test_every_fitted_value_is_in_the_shipped_file_and_plausible():
    shipped = constants("serving")
    for parameter in fit_serving.parameters():
        assert parameter.key in shipped[parameter.constant].values, (parameter.constant, parameter.key)
    assert 40 <= len(fit_serving.parameters()) <= 60
    fitted = {parameter.constant for parameter in fit_serving.parameters()}
    assert sum(len(shipped[name].values) for name in fitted) == len(fit_serving.parameters())
    for name in ("memory", "attention"):
        assert all(0.2 < value < 1.05 for value in shipped[name].values.values()), name
    assert all(value < 0.02 for value in shipped["step_overhead"].values.values())


def test_a_value_that_one_source_alone_could_settle_stays_where_it_starts():
    sources: dict[tuple[str, str], set[str]] = {}
    shipped = constants("serving")
    for row in serving_rows.shipped():
        asked = serving_reading.read(row)
        if isinstance(asked, Question) and fit_serving.usable(asked) and fit_serving.shapes(asked):
            places = keys(serving_predictor.profile(asked), chip(asked.accelerator))
            for name, constant in shipped.items():
                if not name.startswith("interval"):
                    sources.setdefault((name, constant.nearest(*places)[0]), set()).add(row.source)
    for parameter in fit_serving.parameters():
        if parameter.key != "all" and len(sources.get((parameter.constant, parameter.key), ())) < 2:
            value = shipped[parameter.constant][parameter.key]
            assert value == pytest.approx(parameter.start, rel=0.03), (parameter.constant, parameter.key)


def test_all_sources_count_alike_in_an_interval():
    """One source of 900 points that all miss by a tenth does not hide one of ten points that miss by half."""
    asked = replace(
        next(each for each in map(serving_reading.read, serving_rows.shipped()) if isinstance(each, Question)),
        complete=True,
    )

    def points(source: str, count: int) -> list[fit_serving.Point]:
        question = replace(asked, row=replace(asked.row, source=source, tier="A"))
        return [fit_serving.Point("ttft", question, 1.0, 0, 0)] * count

    listed = (*points("large", 900), *points("small", 10))
    whole = fit_serving.Fit(np.zeros(0), np.zeros(910), np.zeros((910, 0)), (), listed)
    missed = np.concatenate([np.full(900, -0.1), np.full(10, 0.5)])
    assert fit_serving.intervals(whole, missed) == {"ttft": pytest.approx(np.exp(0.5), rel=1e-3)}
    assert fit_serving.intervals(whole, missed, "small") == {"ttft": pytest.approx(np.exp(0.1), rel=1e-3)}
    # of eleven sources ten of which miss by a tenth, eight of ten points miss by no more
    many = tuple(point for name in "abcdefghij" for point in points(name, 10)) + tuple(points("k", 10))
    whole = fit_serving.Fit(np.zeros(0), np.zeros(110), np.zeros((110, 0)), (), many)
    missed = np.concatenate([np.full(100, -0.1), np.full(10, 0.5)])
    assert fit_serving.intervals(whole, missed)["ttft"] == pytest.approx(np.exp(0.1), rel=1e-3)


def test_an_interval_is_wider_on_a_kind_of_accelerator_that_was_hardly_measured():
    for metric in serving_reading.METRICS:
        low, high = calibration.interval(metric, chip("h100-sxm5"))
        lower, higher = calibration.interval(metric, chip("intel-max-1550"))
        assert lower < low < 1 < high < higher
        assert calibration.interval(metric, chip("dgx-spark-gb10")) == (low, high)


def test_first_ports_of_an_engine_count_as_its_old_release():
    found = {}
    for row in serving_rows.shipped():
        asked = serving_reading.read(row)
        if isinstance(asked, Question) and asked.engine.name == "vllm":
            old = serving_predictor.profile(asked) == "vllm-v0"
            kept = found.setdefault((row.source, asked.accelerator, old), [])
            kept.append(asked.trusted)
    # Argonne's paper is of October 2024, before vLLM's new engine; all kinds of its accelerators count
    for accelerator in ("mi300x", "intel-max-1550", "h100-sxm5"):
        assert any(found["Argonne LLM-Inference-Bench", accelerator, True])
        assert ("Argonne LLM-Inference-Bench", accelerator, False) not in found
    assert ("AMD ROCm performance page", "mi300x", False) in found
