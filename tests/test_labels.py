"""Labels beside points: none covers a point or another, all lie inside."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

import altair
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from aistack.drawing.labels import Label, layers, place, spread, width
from aistack.drawing.theme import INK

POINT = st.tuples(st.floats(0, 400), st.floats(0, 300))


def box(point: tuple[float, float], label: Label, words: str) -> tuple[float, float, float, float]:
    wide = width(words)
    left = point[0] + label.dx - {"left": 0, "center": wide / 2, "right": wide}[label.align]
    return left, left + wide, point[1] + label.dy - 5, point[1] + label.dy + 5


@given(st.lists(POINT, max_size=12), st.lists(POINT, max_size=12))
def test_labels_cover_nothing(points: list[tuple[float, float]], taken: list[tuple[float, float]]) -> None:
    words = [f"plan {number}" for number in range(len(points))]
    labels = place(points, words, (400, 300), radius=4, taken=taken)
    boxes = [box(*each) for each in zip(points, labels, words, strict=True) if each[1]]  # type: ignore[arg-type]
    for left, right, top, bottom in boxes:
        assert left >= 0 and right <= 400 and top >= 0 and bottom <= 300
        assert not any(left < x < right and top < y < bottom for x, y in (*points, *taken))
    for one, other in itertools.combinations(boxes, 2):
        apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
        assert apart


def test_a_lonely_point_has_its_label_to_the_right() -> None:
    (label,) = place([(200, 150)], ["alone"], (400, 300))
    assert label is not None and label.align == "left" and label.dx > 0 and label.dy == 0
    assert place([(200, 150)], [""], (400, 300)) == [None]
    assert place([(200, 150)], ["too long for this" * 9], (400, 300)) == [None]


@given(st.lists(st.floats(0, 300), max_size=30))
def test_spread_keeps_order_and_distance(wanted: list[float]) -> None:
    found = spread(wanted, 14, 0, 300)
    gap = min(14, 300 / max(1, len(wanted) - 1))
    ranked = [found[number] for number in sorted(range(len(wanted)), key=lambda number: wanted[number])]
    assert all(after - before >= gap - 1e-6 for before, after in itertools.pairwise(ranked))
    assert all(-1e-6 <= value <= 300 + 1e-6 for value in found)


def test_spread_leaves_what_is_apart_and_centres_what_is_not() -> None:
    assert spread([10, 100, 200], 14, 0, 300) == [10, 100, 200]
    assert spread([100, 100], 14, 0, 300) == pytest.approx([93, 107])


def test_layers_put_labels_where_place_found_room() -> None:
    points = [(100.0, 50.0), (100.0, 50.0), (390.0, 200.0)]
    words = ["first", "", "at the edge"]
    placed = place(points, words, (400, 300))
    dots = altair.Chart(altair.Data(values=[{"a": 1, "b": 1}])).mark_point().encode(x="a:Q", y="b:Q")
    texts = layers(points, words, placed, [INK] * 3)
    assert len(texts) == 2, "one layer an alignment"
    svg = vl_convert.vegalite_to_svg(altair.layer(dots, *texts).properties(width=400, height=300).to_dict())
    found = {
        each.text: tuple(float(number) for number in re.findall(r"-?[\d.]+", each.get("transform", ""))[:2])
        for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    }
    assert placed[0] is not None and placed[2] is not None
    assert found["first"][0] == pytest.approx(100 + placed[0].dx)
    assert found["at the edge"][0] == pytest.approx(390 + placed[2].dx)
