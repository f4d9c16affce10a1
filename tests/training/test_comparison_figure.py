"""Plans side by side: who is best, by what, and who may not be."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from aistack.drawing.theme import HUES, follow_scheme
from aistack.training.figures import comparison
from aistack.training.figures.comparison import Measure

COLUMNS = ["8xh100-sxm5", "8xb200-sxm", "8xmi300x"]
FIRST = Measure("Time to first token", "s", [0.2, 0.1, 0.3], [(0.15, 0.3), (0.08, 0.15), None], False)
SPEED = Measure("Tokens a second", "1", [400.0, 1000.0, math.nan], [None] * 3, True)


def _bars(svg: str) -> list[str]:
    """Colours of bars, in order: closed shapes that begin at nothing."""
    return re.findall(r'<path[^>]* d="M0,[\d.]+h[\d.]+v[^"]*Z"[^>]* fill="(#[0-9a-f]{6})"', svg)


def test_the_best_of_each_is_in_colour() -> None:
    figure = comparison.draw(COLUMNS, [FIRST, SPEED], [True] * 3, "a model")
    # the first of the measures
    assert figure.title == "Time to first token: 100 ms with 8xb200-sxm, 300 ms with 8xmi300x"
    assert [colour == HUES["serving"] for colour in _bars(figure.svg)] == [False, True, False] * 2
    assert not re.search(r'"(#[0-9a-f]{3,6}|rgb\([^)]*\))"', follow_scheme(figure.svg))
    ElementTree.fromstring(figure.svg)
    assert figure.table[0]["Time to first token, interval"] == "150 to 300 ms"
    assert figure.table[2]["Tokens a second"] == "unknown" and "NaN" not in figure.svg


def test_who_does_not_compete_is_not_the_best() -> None:
    figure = comparison.draw(COLUMNS, [FIRST], [True, False, True], "a model")
    assert [colour == HUES["serving"] for colour in _bars(figure.svg)] == [True, False, False]
    nobody = comparison.draw(COLUMNS, [FIRST], [False] * 3, "a model")
    assert not any(colour == HUES["serving"] for colour in _bars(nobody.svg))


@pytest.mark.parametrize("values", [[1.0, 1.0], [1.0, 1.0001]])
def test_plans_alike_have_no_best(values: list[float]) -> None:
    figure = comparison.draw(["a", "b"], [Measure("Step", "s", values, [None] * 2, False)], [True] * 2, "m", "training")
    assert figure.title == "The 2 plans do not differ in what is drawn"
    assert HUES["training"] not in figure.svg


def test_long_names_are_broken_and_many_plans_are_drawn() -> None:
    names = [f"{count}xh100-sxm5, fp8, tensor parallel {count}, pipeline parallel 2" for count in (1, 2, 4, 8, 16, 32)]
    measure = Measure("Accelerators", "1", [1.0, 2, 4, 8, 16, 32], [None] * 6, False)
    figure = comparison.draw(names, [measure], [True] * 6, "a model")
    assert figure.title == "Accelerators: 1 at best, 32 at worst" and len(_bars(figure.svg)) == 6
    assert figure.svg.count("pipeline parallel 2<") + figure.svg.count("parallel 2<") >= 6
