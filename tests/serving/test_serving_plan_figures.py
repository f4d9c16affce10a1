"""The charts of a serving plan: a larger batch, and the roofline while prompts are read and answers written."""

from __future__ import annotations

import re

import pytest

from aistack.drawing import Figure
from aistack.drawing.theme import follow_scheme
from aistack.serving.figures import batch_latency, serving_frontier, serving_roofline
from aistack.serving.figures.batch_latency import Point

PEAKS, BANDWIDTH = {"fp8": 2e15, "bf16": 1e15}, 4e12


def drawn(figure: Figure) -> str:
    """The title of a figure that is whole: every colour follows the page's scheme, every row has the same keys."""
    assert figure.layer == "serving" and figure.table
    assert len({frozenset(row) for row in figure.table}) == 1
    svg = follow_scheme(figure.svg)
    assert "NaN" not in svg and "undefined" not in svg
    assert not re.search(r'"(#[0-9a-f]{3,6}|rgb\([^)]*\))"', svg), "every colour must be one of the theme's"
    assert len(figure.title) <= 90, "a title of three lines on a telephone"
    return figure.title


def _points(memory: float, arithmetic: float) -> list[Point]:
    """Memory that takes as long for any batch, arithmetic that takes `arithmetic` for each sequence."""
    return [
        Point(batch, memory + arithmetic * batch, batch / (memory + arithmetic * batch), memory, arithmetic * batch)
        for batch in (1.0, 4.0, 16.0, 64.0, 256.0)
    ]


def test_where_arithmetic_takes_over() -> None:
    points = _points(10e-3, 0.1e-3)
    figure = batch_latency.draw(points, (50.0, 15e-3, 3300.0), "a model", goal=30e-3)
    # 10 ms = 0.1 ms x 100
    assert "memory binds up to" in figure.svg and "100 sequences at once" in figure.svg
    assert "Memory binds up to 100 sequences at once" in figure.alt
    assert drawn(figure).startswith("50 at once make 33.3 times the tokens of one, each 1.5 times as slow")
    assert "goal 30 ms" in figure.svg and "planned: 50 at once" in figure.svg


@pytest.mark.parametrize(("memory", "arithmetic", "which"), [(10.0, 1e-6, "memory"), (1e-6, 1.0, "arithmetic")])
def test_one_of_them_may_bind_at_every_batch(memory: float, arithmetic: float, which: str) -> None:
    figure = batch_latency.draw(_points(memory, arithmetic), (1.0, memory, 1 / memory), "a model")
    assert drawn(figure) == f"{which.capitalize()} binds at every batch up to 256"
    assert "goal" not in figure.svg


def test_the_roofline_says_what_each_phase_computes_on_a_byte() -> None:
    prefill = [("gate projection", "fp8", 1e15, 1e12, 1.0), ("attention", "bf16", 2e14, 1e11, 0.4)]
    decode = [("gate projection", "fp8", 5e12, 1e12, 0.3), ("attention", "bf16", 4e12, 1e12, 0.5)]
    figure = serving_roofline.draw(prefill, decode, PEAKS, BANDWIDTH, "a model", ("Reading", "Writing"))
    # 1.2e15 / 1.1e12, 9e12 / 2e12, 2e15 / 4e12
    title = "Reading a prompt computes 1.09e+03 FLOP on each byte, decoding 4.5; the ridge is at 500"
    assert drawn(figure) == title.replace("1.09e+03", "1,091")
    rows = {(row["phase"], row["operation"]): row for row in figure.table}
    # each under the roof of its own format: 5e14 of 1e15 in 16 bits, 8e12 of 4 FLOP a byte x 4 TB/s
    assert rows["Reading", "attention"]["of the roof"] == "50%"
    assert rows["Writing", "attention"]["of the roof"] == "50%"
    assert rows["Writing", "attention"]["of the time"] == "62.5%"
    for words in ("Reading", "Writing", "gate projection 71%", "fp8 2 PFLOP/s", "bf16 1 PFLOP/s", "memory 4 TB/s"):
        assert words in figure.svg


def test_a_frontier_has_the_colours_of_the_theme_and_one_legend() -> None:
    points = {
        f"chip {number}": [(100.0 / scale, 50.0 * scale, f"TP {scale}") for scale in (1, 2, 4, 8)]
        for number in range(1, 6)
    }
    figure = serving_frontier.draw(points, "a model", goal=20.0)
    assert drawn(figure).startswith("At 20 tokens/s a user, 200 tokens a second")
    assert figure.svg.count(">chip 3<") == 1, "a legend of colours and dashes at once"
