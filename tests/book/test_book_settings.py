"""The reader's scenario: presets answer, addresses name it, and nothing else gets in."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack import catalog
from aistack.book.setting import PRESETS, Setting
from aistack.errors import BadInput, UnknownName
from aistack.scenario import answer, answer_serving

EVERY = {"default": Setting(), **PRESETS}


@pytest.mark.parametrize("name", EVERY)
def test_every_preset_has_answers(name: str) -> None:
    setting = EVERY[name]
    trained, served = answer(setting.training()), answer_serving(setting.serving())
    assert trained.cluster.chips == setting.count
    assert trained.step_seconds > 0
    assert served.tokens_per_second > 0
    # the job that a preset is about is one that can be done
    assert (served if setting.job == "serve" else trained).fits


def test_the_405b_preset_is_the_run_that_was_published() -> None:
    """Llama 3 405B: 3.8e25 FLOP, and 400 TFLOP/s of each of 16,384 H100 (arXiv:2407.21783, table 4)."""
    done = answer(PRESETS["train-405b"].training())
    assert done.run is not None
    flop = done.model_flop["parameters"]
    assert flop * float(done.run.steps) == pytest.approx(3.8e25, rel=0.05)
    published = flop / (16384 * 400e12)
    assert done.interval.low < published < done.interval.high


def test_a_plan_that_was_not_given_is_the_best_there_is() -> None:
    setting = Setting(model="llama-3.1-70b", count=64, batch=256)
    found = answer(setting.training())
    assert found.fits
    for tensor in (4, 8):
        given_plan = answer(Setting(model="llama-3.1-70b", count=64, batch=256, tensor_parallel=tensor).training())
        assert not given_plan.fits or found.step_seconds <= given_plan.step_seconds * 1.001


@settings(max_examples=60, deadline=None)
@given(
    job=st.sampled_from(["train", "serve", "tune"]),
    model=st.sampled_from(catalog.names("model")),
    accelerator=st.sampled_from(["h100-sxm5", "b200-sxm", "mi300x", "tpu-v5p", "apple-m1-max"]),
    count=st.integers(1, 10**6),
    tokens=st.sampled_from([1e6, 1.5e9, 15.6e12]),
    rate=st.one_of(st.none(), st.floats(0.01, 1e4).map(lambda x: float(f"{x:.5g}"))),
)
def test_an_address_names_a_setting(**fields: object) -> None:
    setting = Setting.of(fields)
    assert Setting.from_query(dict(parse_qsl(setting.query()))) == setting


def test_presets_have_short_addresses_and_can_be_changed() -> None:
    assert PRESETS["serve-70b"].query() == "preset=serve-70b"
    assert Setting().query() == ""
    changed = Setting.from_query({"preset": "serve-70b", "count": "16"})
    assert changed.count == 16 and changed.model == PRESETS["serve-70b"].model


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"model": "/etc/passwd"}, UnknownName),
        ({"model": "llama-9"}, UnknownName),
        ({"accelerator": "h100x"}, UnknownName),
        ({"count": "0"}, BadInput),
        ({"count": "many"}, BadInput),
        ({"tokens": "inf"}, BadInput),
        ({"colour": "red"}, BadInput),
        ({"preset": "nothing"}, UnknownName),
        ({"accelerator": "epyc-9654"}, BadInput),
    ],
)
def test_what_cannot_be_used_is_refused(query: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        Setting.from_query(query)


@pytest.mark.parametrize("accelerator", catalog.names("accelerator"))
def test_every_chip_that_a_setting_takes_can_be_described(accelerator: str) -> None:
    try:
        setting = Setting.of({"accelerator": accelerator})
    except BadInput:
        return
    assert setting.peak.value == setting.chip.rate(setting.matrix_format)
    assert setting.bandwidth.value == setting.chip.memory_bandwidth
