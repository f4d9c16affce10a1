"""Markdown, roles and directives: what they become, and what is said of those that are wrong."""

import re
import time
from pathlib import Path

import pytest
from writing import RIDGE, Write

from aistack.book import glossary
from aistack.book.demo import Control, Demo, Shown
from aistack.book.draft import Draft
from aistack.book.number import Number
from aistack.book.page import Page
from aistack.book.render import compose
from aistack.book.setting import PRESETS, Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.errors import BadInput, DoesNotFit

NUMBERS = {"ridge": RIDGE, "half": Number(147.6, "rows", "derived", "a test")}
GUIDE = Path(__file__).parent.parent.parent / "docs/book.md"


def _figure() -> Figure:
    import altair

    chart = altair.Chart(altair.Data(values=[{"x": 1, "y": 2}])).mark_point().encode(x="x:Q", y="y:Q")
    return Figure("hardware", "A finding", "What is drawn", "A source", "A point", chart, [{"x": 1, "y": 2}])


MODULE = {
    "numbers": NUMBERS,
    "figures": {"ridge": _figure},
    "tables": {"ridges": lambda: Table("A finding", "A source", [{"chip": "one", "ridge": RIDGE}])},
    "demos": {"rows": Demo("Rows", (Control("m", "Rows", (1, 2), 1),), lambda m: Shown({"ridge": RIDGE}))},
}


def _html(write: Write, body: str, setting: Setting | None = None, live: bool = False) -> str:
    return compose(write(body, **MODULE), setting or Setting(), live=live)[1]


def _draft(write: Write, body: str) -> Draft:
    return compose(write(body, **MODULE), Setting())[0]


def test_the_authors_guide_shows_what_works(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every directive of the guide's example is rendered as it stands there."""
    from aistack.book import predictions
    from aistack.book.directives import DIRECTIVES, future

    one = predictions.Prediction.model_validate(
        {
            "layer": "hardware", "statement": "It ships.", "probability": 0.5, "made": "2026-11-22",
            "resolves": "2028-01-01", "criterion": "c", "evidence": "e", "base_rate": "b", "against": "a",
            "sources": ["williams2009roofline"],
        }
    )  # fmt: skip
    monkeypatch.setattr(future, "prediction", lambda key: one)
    example = re.search(r"^````text\n(.*?)^````$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    assert example is not None
    shown = _html(write, example[1])
    assert {*DIRECTIVES} <= {*re.findall(r"\{([a-z]+)\}", example[1])}
    pieces = (
        'id="fig-ridge" id="tab-ridges" id="demo-rows" id="eq-roofline" class="takeaways" admonition-definition '
        'code-run code-shown id="ex-half" data-answer="147.6" data-unit="rows" code-starter class="research" '
        'id="prediction-hbm5-in-products"'
    )
    for piece in pieces.split():
        assert piece in shown, piece
    assert "{{" not in shown


def test_every_role_of_the_guide_is_there() -> None:
    from aistack.book.roles import ROLES

    assert {*re.findall(r"`` \{([a-z:]+)\}`", GUIDE.read_text(encoding="utf-8"))} == {*ROLES}


def test_numbers_stand_where_they_are_put(write: Write) -> None:
    shown = _html(write, "## The ridge is {{ ridge }}\n\nIt is **{{ ridge }}**, $x = {{ ridge }}$, `{{ ridge }}`.\n")
    assert shown.count('data-name="ridge"') == 2
    assert "<code>295 FLOP/B</code>" in shown
    assert r"x = 295\ \text{FLOP/B}" in shown
    assert 'id="the-ridge-is-295-flop-b"' in shown


def test_text_follows_the_scenario(write: Write) -> None:
    body = "{% if setting.job == 'serve' %}Served.{% else %}Trained.{% endif %}\n"
    assert "Trained." in _html(write, body)
    assert "Served." in _html(write, body, PRESETS["serve-70b"])


def test_loops_make_rows_of_one_table(write: Write) -> None:
    shown = _html(
        write,
        "| a |\n|---|\n{% for n in [1, 2] %}\n{% if true %}\n| row {{ n }} |\n{% endif %}\n{% endfor %}\n| last |\n"
        "{% if true %}\n\nA paragraph.\n{% endif %}\n\nEnd.\n",
    )
    assert shown.count("<table>") == 1 and shown.count("<tr>") == 4
    assert "<p>A paragraph.</p>" in shown and "\ue004" not in shown
    with pytest.raises(BadInput, match=r"a-page\.md:15: .*no term"):
        _html(write, "| a |\n|---|\n{% for n in [1, 2] %}\n| {{ n }} |\n{% endfor %}\n| x |\n\n{term}`nothing`\n")


def test_a_term_is_linked_and_explained_once(write: Write) -> None:
    shown = _html(write, "The {term}`roofline` and the {term}`roofline`.\n\nThe {term}`roofs <roofline>`.\n")
    assert shown.count("../glossary/roofline.html") == 2  # in the text, and in the margin
    assert shown.count('class="note note-term"') == 1
    # the note stands before the paragraph that it belongs to, and with it
    assert shown.index('<div class="noted">') < shown.index("note-term") < shown.index("<p>The ")


def test_terms_in_plain_words_are_linked_at_their_first_use(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _html(
        write,
        "## Of rooflines\n\n[A roofline](https://example.org) and `a roofline`. Rooflines, then a roofline.\n\n"
        "> A ridge point, they said.\n\nNot pre-roofline, not rooflined. A ridge\npoint. Two accelerators.\n",
    )
    assert '<h2 id="of-rooflines">Of rooflines</h2>' in shown
    assert '<a href="https://example.org">A roofline</a>' in shown
    assert '<a class="term" href="../glossary/roofline.html">Rooflines</a>, then a roofline.' in shown
    assert "Not pre-roofline, not rooflined." in shown
    assert "<p>A ridge point, they said.</p>" in shown
    assert '<a class="term" href="../glossary/accelerator.html">accelerators</a>' in shown


def test_acronyms_are_terms_in_capitals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"short": "is.", "layer": "hardware"}
    known = {
        "Adam": glossary.Term.model_validate({**entry, "also": ["AdamW"]}),
        "MFU": glossary.Term.model_validate({**entry, "also": ["model FLOP utilisation"]}),
        "context": glossary.Term.model_validate({**entry, "common": True}),
    }
    monkeypatch.setattr(glossary, "terms", lambda: known)
    for each in (glossary._names, glossary._mentioned):
        each.cache_clear()
    text = "adam met Adam, mfu MFUs, AdamW, Model FLOP utilisation in context"
    assert [(text[a:b], name) for a, b, name in glossary.mentions(text)] == [
        ("Adam", "Adam"), ("MFUs", "MFU"), ("AdamW", "Adam"), ("Model FLOP utilisation", "MFU"),
    ]  # fmt: skip
    for each in (glossary._names, glossary._mentioned):
        each.cache_clear()


def test_citations_lead_to_the_references(write: Write) -> None:
    shown = _html(write, "So it is {cite}`williams2009roofline`. {cite:t}`section 2 <williams2009roofline>` say so.\n")
    assert '(<a class="cite" href="#ref-williams2009roofline">Williams et al. 2009</a>)' in shown
    assert "Williams et al. (2009), section 2</a>" in shown
    assert shown.count('<li id="ref-williams2009roofline">') == 1
    assert "https://doi.org/10.1145/1498765.1498785" in shown


def test_links_of_the_live_edition_keep_the_scenario(write: Write) -> None:
    body = "See {doc}`hardware`.\n"
    assert 'href="index.html"' in _html(write, body, PRESETS["serve-70b"])
    assert 'href="index.html?preset=serve-70b"' in _html(write, body, PRESETS["serve-70b"], live=True)


def test_entries_of_the_index_lead_to_their_place(write: Write) -> None:
    draft = _draft(write, "All {index}`roofs <roofline>` leak.\n")
    assert draft.index == [("roofline", "index-1")]


def test_html_and_scripts_are_text(write: Write) -> None:
    assert "<script>" not in _html(write, "a <script>alert(1)</script> b\n")
    with pytest.raises(BadInput, match="leads out of the book"):
        _html(write, "[x](javascript:alert)\n\n[y](../other.html)\n")


@pytest.mark.parametrize(
    ("body", "line", "cause"),
    [
        ("one\n\n{{ rigde }}\n", 10, "Nearest: ridge"),
        ("one\n\n{% if ridge %}\n\nx\n", 10, "endif"),
        ("one\n\n{term}`rooflin`\n", 10, "roofline"),
        ("{cite}`williams2009`\n", 8, "williams2009roofline"),
        ("{ref}`fig-rigde`\n\n```{figure} ridge\n```\n", 8, "fig-ridge"),
        ("{doc}`hardware/why`\n", 8, "hardware/why-special-hardware"),
        ("{trem}`roofline`\n", 8, "term"),
        ("x\n\n```{figur} ridge\n```\n", 10, "figure"),
        ("```{figure} rigde\n```\n", 8, "ridge"),
        ("```{table} rigdes\n```\n", 8, "ridges"),
        ("```{demo} rovs\n```\n", 8, "rows"),
        ("x $\\frc{1}{2}$\n", 8, "frc"),
        ("x\n\n$$\n\\frac{1\n$$\n", 10, "formula"),
        (":::{admonition} notice\n:title: x\nx\n:::\n", 8, "note"),
        (":::{admonition} note\nx\n:::\n", 8, "title"),
        ("```{code} python\n:nam: x\nprint(1)\n```\n", 8, "name"),
        ("```{code} python\n:name: x\nprint(1\n```\n", 8, "not Python"),
        ("```{code} pyhton\n:mode: shown\nx\n```\n", 8, "python"),
        (":::{exercise} e\n:title: x\n:answer: hlaf\nx\n```{solution}\nx\n```\n:::\n", 8, "half"),
        (":::{exercise} e\n:title: x\nx\n```{solution}\nx\n```\n:::\n", 8, "needs either"),
        ("# Title\n", 8, "front matter"),
        ("## A\n\n#### B\n", 10, "skips a level"),
        ("## A\n\n## A\n", 10, "two headings"),
        ("x\n\n    indented\n", 10, "fence"),
        ("![x](y.png)\n", 8, "figure"),
        ("- ```{figure} ridge\n  ```\n", 8, "line of its own"),
        # within blocks within blocks
        ("::::{admonition} note\n:title: x\na\n\n:::{takeaways}\n- {term}`nothing`\n:::\n::::\n", 13, "no term"),
        # below what a scenario leaves out
        ("{% if false %}\na\nb\n{% endif %}\n{term}`nothing`\n", 12, "no term"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write: Write, body: str, line: int, cause: str) -> None:
    with pytest.raises(BadInput, match=rf"a-page\.md:{line}: ") as raised:
        _html(write, body)
    assert cause in str(raised.value)


def test_what_a_module_refuses_is_said_with_its_page(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write("Text.\n")

    def refuse(self: Page, setting: Setting) -> None:
        raise DoesNotFit("It does not fit.")

    monkeypatch.setattr(Page, "numbers", refuse)
    with pytest.raises(BadInput, match=r"a-page\.md:1: It does not fit"):
        compose(page, Setting())


def test_templates_cannot_reach_the_machine(write: Write) -> None:
    for body in (
        "{{ ridge.__class__.__mro__ }}\n",
        "{{ setting.chip.__init__.__globals__ }}\n",
        "{{ ''.__class__ }}\n",
    ):
        with pytest.raises(BadInput):
            _html(write, body)


def test_a_long_page_takes_less_than_half_a_second(write: Write) -> None:
    piece = (
        "## Part NN\n\nWords {{ ridge }} and $x_{NN} = \\frac{a}{NN}$ of {cite}`williams2009roofline`, a roofline.\n\n"
        "```{math}\n:label: law-NN\ny_{NN} = \\max(a, NN)\n```\n\n| a | b |\n|---|---:|\n| {{ ridge }} | NN |\n\n"
        "```{code} python\n:mode: shown\nprint(NN)\n```\n\n"
    )
    _html(write, "$x$ `warm`\n\n```{code} python\n:mode: shown\nx\n```\n")
    page = write("".join(piece.replace("NN", str(n)) for n in range(40)) + "Plain words. " * 3000, **MODULE)
    begun = time.process_time()
    assert len(compose(page, Setting())[1]) > 10**5
    assert time.process_time() - begun < 0.5


def test_a_column_needs_a_name() -> None:
    with pytest.raises(ValueError, match="has no name"):
        Table("A finding", "A source", [{"what": "carbon", "": 1.0}])
