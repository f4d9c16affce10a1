"""The stack as the home page: its numbers are the scenario's, and its weights are what they say they are."""

import pytest

from aistack.book.home import Home, home, home_html
from aistack.book.setting import PRESETS, Setting
from aistack.drawing import LAYERS
from aistack.scenario import answer

SETTINGS = {"default": Setting(), **{name: PRESETS[name] for name in ("train-405b", "serve-70b")}}


@pytest.fixture(scope="module")
def homes() -> dict[str, Home]:
    return {name: home(setting) for name, setting in SETTINGS.items()}


def test_six_floors_the_ground_floor_first(homes: dict[str, Home]) -> None:
    for made in homes.values():
        assert tuple(storey.layer for storey in made.storeys) == LAYERS
        assert made.storeys[0].numbers and made.roof


def test_the_weights_are_all_of_the_final_figure(homes: dict[str, Home]) -> None:
    for name, made in homes.items():
        weights = [storey.weight.value for storey in made.storeys if storey.weight]
        assert sum(weights) == pytest.approx(1), name
        assert all(0 <= weight <= 1 for weight in weights), name


def test_a_weight_is_an_elasticity() -> None:
    """Twice as many failures' worth of lost time, and the run takes as much longer as infrastructure's weight says."""
    setting = PRESETS["train-405b"]
    told = answer(setting.training())
    assert told.run is not None
    useful = float(told.run.goodput.useful)
    network = sum(share.seconds for share in told.waterfall if share.layer == "infrastructure")
    # the run with all that infrastructure takes one percent shorter
    lost = float(told.run.seconds) * (1 - useful)
    steps = float(told.run.seconds) * useful * network / told.step_seconds
    weight = next(storey.weight for storey in home(setting).storeys if storey.layer == "infrastructure")
    assert weight is not None
    shorter = float(told.run.seconds) - 0.01 * (lost + steps)
    assert 1 - shorter / float(told.run.seconds) == pytest.approx(0.01 * weight.value)


def test_twice_the_tokens_take_twice_the_time_and_money(homes: dict[str, Home]) -> None:
    once = dict(homes["default"].roof)
    twice = dict(home(Setting(tokens=2e12)).roof)
    for name in once:
        assert twice[name].value == pytest.approx(2 * once[name].value, rel=0.01), name


def test_a_run_that_does_not_fit_says_so() -> None:
    made = home(Setting(model="llama-3.1-405b", count=8))
    assert "does not fit" in made.caveat


def test_a_scenario_without_an_answer_is_a_page_that_says_why() -> None:
    setting = Setting(job="serve", model="llama-3.1-405b", count=1)
    page = home_html(setting)
    assert "This scenario has no answer" in page and "does not fit" in page
    assert page.count('<li class="layer-') == 6
