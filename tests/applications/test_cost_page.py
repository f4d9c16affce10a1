"""What Part 6 prints, against second formulas; and its figures."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from aistack.applications.figures import training_compute
from aistack.book.parts.applications import cost_and_trends as page
from aistack.book.setting import PRESETS, Setting
from aistack.catalog import accelerators, prices
from aistack.catalog.training_compute import leading
from aistack.drawing import Figure
from aistack.drawing.theme import ROLES
from aistack.infrastructure.figures import rental_history

CHAT = PRESETS["serve-70b"]


def test_the_exercise_is_the_formula_that_the_page_prints() -> None:
    found = {name: number.value for name, number in page.numbers(CHAT).items()}
    price, rate, busy = found["assumed_price"], found["capacity"], found["assumed_busy"]
    assert found["exercise_cost"] == pytest.approx(1e6 * price / (3600 * rate * busy))
    shown = page.demos(CHAT)["busy"].run(busy="25%", price="$2").numbers
    assert shown["a million tokens"].value == pytest.approx(found["exercise_cost"])


def test_prices_agree_with_each_other() -> None:
    found = {name: number.value for name, number in page.numbers(CHAT).items()}
    hourly = found["machines"] * found["hour"]
    assert found["thousand"] == pytest.approx(1000 * hourly / found["answers"])
    assert found["million"] == pytest.approx(1000 * found["thousand"] / (CHAT.prompt + CHAT.output))
    # the plan is for the most that it carries, so never idle
    assert 1e6 * found["hour"] / (3600 * found["capacity"]) == pytest.approx(found["million"], rel=0.01)
    assert 0 < found["electricity_share"] < 0.2 and 0 < found["reading"] < 1


def test_comparisons_are_what_their_sources_say() -> None:
    # 10,715 kWh a year are about 1.2 kW; Google says 0.24 Wh are less than nine seconds of television
    assert abs(page.HOME - 1223) < 1
    assert abs(page.PETROL - 2.35) < 0.01 and abs(page.FLUSH - 4.85) < 0.01


@pytest.mark.parametrize(
    "setting",
    [
        Setting(model="llama-3.1-405b", count=1),
        Setting(accelerator="mi300x"),
        Setting(accelerator="groq-lpu-v1"),
        Setting(model="gpt-oss-120b", accelerator="b200-sxm", output=1, rate=2.0),
        Setting(model="phi-2", accelerator="tpu-v5e", count=1),
    ],
    ids=str,
)
def test_it_answers_what_is_unusual(setting: Setting) -> None:
    words, numbers = page.words(setting), page.numbers(setting)
    assert words["fits"] == ("capacity" in numbers) and words["priced"] == ("thousand" in numbers)
    assert words["metered"] == ("energy" in numbers) and words["trained"] == ("share" in numbers)
    assert all(math.isfinite(number.value) for name, number in numbers.items() if name != "payback")
    assert bool(words["compared"]) <= ("offers" in page.tables(setting))
    for demo in page.demos(setting).values():
        assert demo.run(**demo.start).numbers


def _rent(accelerator: str) -> Figure:
    return rental_history.draw(
        prices.series(accelerator), prices.by_provider(accelerator), accelerators.KIND.load(accelerator).name
    )


@pytest.mark.parametrize("name", ["training", "h100-sxm5", "tpu-v6e", "gb200"])
def test_figures_keep_their_promises(name: str) -> None:
    figure = training_compute.draw(leading()) if name == "training" else _rent(name)
    ElementTree.fromstring(figure.svg)
    assert len(figure.svg) < 60_000
    known = {colour for colours in ROLES.values() for colour in colours}
    assert set(re.findall(r'"(#[0-9a-fA-F]{6})"', figure.svg)) <= known
    assert len({tuple(row) for row in figure.table}) == 1
    assert len(figure.table) == len(leading() if name == "training" else prices.series(name))


def test_the_history_says_how_often_prices_rose() -> None:
    # counted by hand in the table up to 2026-09-17: Lambda went 1.99, 3.49, 2.99, 3.29, 3.99; AWS fell once, RunPod
    # twice, Oblivus Cloud once; 11.06 and 11.0613 of Google are one price
    until = [row for row in prices.series("h100-sxm5") if row.date <= "2026-09-17"]
    providers = {
        who: [row for row in rows if row.date <= "2026-09-17"] for who, rows in prices.by_provider("h100-sxm5").items()
    }
    assert "of 8 changes of price 3 went up" in rental_history.draw(until, providers, "H100").title
    assert "went up" not in _rent("gb200").title
