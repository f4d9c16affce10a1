import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from aistack.drawing import HUES, LAYERS, Figure, stack
from aistack.drawing.theme import HUES_ON_INK, ROLES, stylesheet
from aistack.errors import BadInput

FLOORS = {
    "hardware": ("Chips, memory, number formats", "What does one operation cost, and what bounds it?"),
    "infrastructure": ("Links, collectives, storage, power", "What does it cost to move bytes, and to keep them?"),
    "frameworks": ("Text into shards, models into operators", "How much is there to compute, and to hold in memory?"),
    "training": ("Scaling laws, schedules, checkpoints", "How fast will it learn, and how well?"),
    "serving": ("Batching, KV caches, quantisation", "How quickly will it answer, and how many at once?"),
    "applications": ("Retrieval, assistants, energy, cost", "Is the answer right, and what did it cost?"),
}
ALT = "Six layers of the AI stack, from hardware at the bottom to applications at the top, each with its question."


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_seven_to_one_and_hues_can_be_told_from_paper(scheme: int) -> None:
    paper = ROLES["paper"][scheme]
    assert _contrast(ROLES["ink"][scheme], paper) >= 7
    assert _contrast(ROLES["muted"][scheme], paper) >= 7
    hues = (HUES, HUES_ON_INK)[scheme]
    # WCAG 2.2, 1.4.3: large text and graphics need 3:1, small text 4.5:1
    assert all(_contrast(hues[layer], paper) >= 4.5 for layer in LAYERS)


def test_both_schemes_define_every_role() -> None:
    css = stylesheet()
    for role in ROLES:
        assert css.count(f"--{role}:") == 3


def test_the_picture_of_the_readme_is_the_one_drawn() -> None:
    drawn = stack.section(FLOORS, ALT)
    ElementTree.fromstring(drawn)
    assert (Path(__file__).parent.parent / "docs" / "stack.svg").read_text(encoding="utf-8") == drawn
    with pytest.raises(ValueError, match="alt"):
        stack.section(FLOORS, " ")


def _figure(alt: str = "A line that rises.") -> Figure:
    import altair

    rows = [{"x": 1, "y": 2.0}, {"x": 2, "y": 3.0}]
    chart = altair.Chart(altair.Data(values=rows)).mark_line(color=HUES["training"]).encode(x="x:Q", y="y:Q")
    return Figure("training", "It rises", "y over x", "made up", alt, chart, rows)


def test_a_figure_needs_its_words() -> None:
    with pytest.raises(ValueError, match="alt"):
        _figure(alt=" ")


def test_a_figure_follows_the_scheme_and_carries_its_table(tmp_path: Path) -> None:
    figure = _figure()
    page = figure.html(3)
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    ElementTree.fromstring(svg)
    assert "var(--layer-training)" in svg and HUES["training"] not in svg
    assert not re.search(r'"#[0-9a-f]{6}"', svg), "every colour must be one of the theme's"
    assert 'aria-label="A line that rises."' in svg and "<td>3</td>" in page and "Figure 3" in page
    for suffix in (".svg", ".png", ".json"):
        figure.save(tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").stat().st_size > 500
    with pytest.raises(BadInput, match="gif"):
        figure.save(tmp_path / "a.gif")
