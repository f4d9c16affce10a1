import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Frame, Scale, arrow, circle, group, line, path, rect, text
from aistack.errors import BadInput

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = (
    rect(0, 0, 30, 20, "hardware", opacity=0.5, stroke="ink", dash="2 2", round=3),
    group(circle(5, 5, 2), line(0, 0, 9, 9, "muted", thick=2), move=(3, 4)),
    path([(0, 0), (1, 1), (2, 0)], fill="grid", closed=True),
    arrow(0, 0, 10, 0),
    text(4, 8, "weights & <sums>\nflow down", "muted", anchor="middle", bold=True, turn=90, halo=True),
)
MOVING = Diagram(
    60, 40, SHAPES, (Frame("a weight enters", (rect(0, 0, 1, 1),)), Frame("it leaves", (text(0, 9, "out"),))), still=0
)


def _figure(diagram: Diagram) -> Figure:
    return Figure("hardware", "It moves", "a thing in time", "made up", "A weight that enters.", diagram, [{"a": 1}])


def test_a_diagram_stands_where_a_chart_stands(tmp_path: Path) -> None:
    figure = _figure(Diagram(60, 40, SHAPES))
    page = figure.html(2)
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    ElementTree.fromstring(svg)
    assert "var(--layer-hardware)" in svg and not re.search(r'"#[0-9a-f]{6}"', svg)
    assert 'aria-label="A weight that enters."' in svg and "player" not in page
    for suffix in (".svg", ".png"):
        figure.save(tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").stat().st_size > 300
    with pytest.raises(BadInput, match=r"\.svg or \.png, not as .\.json"):
        figure.save(tmp_path / "a.json")


def test_frames_lie_in_one_drawing_and_only_the_still_one_is_seen() -> None:
    tree = ElementTree.fromstring(MOVING.svg)
    frames = [each for each in tree.iter(f"{SVG}g") if each.get("class") == "frame"]
    assert [each.get("data-caption") for each in frames] == ["a weight enters", "it leaves"]
    assert [each.get("display") for each in frames] == [None, "none"]
    page = _figure(MOVING).html(1)
    assert 'class="player"' in page and "a weight enters</p>" in page and 'max="2" value="1"' in page
    last = Diagram(60, 40, SHAPES, MOVING.frames)
    assert last.controls.count("it leaves") == 1
    with pytest.raises(ValueError, match="stand for 2 frames"):
        Diagram(60, 40, SHAPES, MOVING.frames, still=2)


def test_all_words_can_be_said_in_another_language() -> None:
    assert MOVING.words == ("weights & <sums>\nflow down", "out", "a weight enters", "it leaves")
    other = {words: f"{number}!" for number, words in enumerate(MOVING.words)}
    said = MOVING.with_words(other)
    assert said.words == ("0!", "1!", "2!", "3!")
    assert "enters" not in said.svg and said.svg.count("!") == 4


def test_a_scale_keeps_proportions() -> None:
    linear = Scale(0, 10, 100, 300)
    assert linear(5) == pytest.approx(200) and linear.length(2) == pytest.approx(40)
    decades = Scale(1, 1e4, 400, 0, log=True)
    assert [decades(10.0**power) for power in range(5)] == pytest.approx([400, 300, 200, 100, 0])
    with pytest.raises(ValueError, match="no lengths"):
        decades.length(1)


def test_numbers_are_short_and_the_same_each_time() -> None:
    assert 'x="0" y="0.33"' in rect(-0.001, 1 / 3, 1, 1).svg
    assert Diagram(60, 40, SHAPES).svg == Diagram(60, 40, SHAPES).svg
