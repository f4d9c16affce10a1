"""Pages as files: front matter, order, labels."""

import itertools
from pathlib import Path

import pytest
from writing import HEAD, Write

from aistack.book import labels, page
from aistack.errors import BadInput, UnknownName


def test_pages_are_in_reading_order() -> None:
    everything = list(page.pages().values())
    assert everything[0].id == "hardware"
    assert [(each.part, each.front.order) for each in everything] == sorted((p.part, p.front.order) for p in everything)
    for before, after in itertools.pairwise(everything):
        assert page.neighbours(before.id)[1] is after
        assert page.neighbours(after.id)[0] is before
    assert page.neighbours(everything[0].id)[0] is None


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        ("no dashes\n", "begins with its front matter"),
        (HEAD.replace("kind: chapter", "kind: chaptre"), "chapter"),
        (HEAD.replace("order: 7", "ordre: 7"), "ordre"),
        (HEAD.replace("order: 7", "order: 7\norder: 8"), "twice"),
        (HEAD.replace("2026-11-22", "soon"), "verified"),
        (HEAD.replace("kind: chapter", "kind: opening"), "index.md"),
        (HEAD.replace("lead: Nothing is said here.", "lead: [x"), "YAML"),
    ],
)
def test_front_matter_that_cannot_be_used_is_named(write: Write, head: str, cause: str) -> None:
    with pytest.raises(BadInput, match=r"a-page\.md:1: ") as raised:
        write("", head=head)
    assert cause in str(raised.value)


def test_marks_of_our_own_cannot_be_typed(write: Write) -> None:
    with pytest.raises(BadInput, match=r"a-page\.md:10: "):
        write("one\n\n\ue0000\ue001\n")


def test_an_unknown_page_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="hardware/why-special-hardware"):
        page.page("hardware/why-special-hardwear")


def test_labels_count_in_the_order_of_the_source(write: Write) -> None:
    one = write(
        "```{figure} a\n```\n\n{% if false %}\n```{figure} b\n```\n{% endif %}\n\n```{table} a\n```\n\n"
        "```{math}\n:label: law\nx\n```\n\n```{math}\ny\n```\n\n```{figure} c\n```\n"
    )
    found = labels.labels(one)
    assert {key: str(each) for key, each in found.items()} == {
        "fig-a": "Figure 1.7.1",
        "fig-b": "Figure 1.7.2",
        "tab-a": "Table 1.7.1",
        "eq-law": "Equation 1.7.1",
        "fig-c": "Figure 1.7.3",
    }


def test_two_labels_of_one_name_are_refused(write: Write) -> None:
    with pytest.raises(BadInput, match=r"a-page\.md:11: there is another figure named 'a'"):
        labels.labels(write("```{figure} a\n```\n\n```{figure} a\n```\n"))


def test_part_and_chapter_make_the_number(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text(HEAD.replace("order: 7", "order: 0").replace("kind: chapter", "kind: opening"))
    opening = page.read(tmp_path / "index.md", "serving")
    assert (opening.id, opening.number, opening.file) == ("serving", "5", "serving/index.html")
