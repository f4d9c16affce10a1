"""The check of the whole book, and that it finds each kind of thing that it says it finds."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from aistack.book import chapter, check, glossary, predictions
from aistack.book import page as pages_module
from aistack.book.page import PARTS
from aistack.book.setting import PRESETS, Setting
from aistack.errors import BadInput, UnknownName


def _what(found: list[check.Problem]) -> str:
    return "\n".join(map(str, found))


def test_the_book_has_no_problems() -> None:
    found = check.problems(settings=[Setting()])
    assert not found, _what(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_the_book_has_no_problems_in_other_scenarios(name: str) -> None:
    found = check.problems(settings=[PRESETS[name]], run_code=False)
    assert not found, _what(found)


HARD = {
    "a giant on a laptop": {"job": "serve", "model": "llama-3.1-405b", "accelerator": "apple-m1-max", "count": 1},
    "experts on TPUs": {"model": "deepseek-v3", "accelerator": "tpu-v5p", "count": 256},
    "a dwarf on an old card": {"job": "serve", "model": "gpt2", "accelerator": "t4", "count": 1, "prompt": 256},
    "a hybrid on Trainium": {"model": "nemotron-h-56b", "accelerator": "trainium2", "count": 64},
    "tuning experts": {"job": "tune", "model": "mixtral-8x7b", "accelerator": "mi300x", "count": 8},
    "memory on the chip alone": {"job": "serve", "model": "llama-3.1-8b", "accelerator": "groq-lpu-v1", "count": 64},
    "the newest": {"job": "serve", "model": "kimi-k2", "accelerator": "gb300", "count": 72, "precision": "nvfp4"},
    "a wafer": {"model": "llama-3.1-70b", "accelerator": "cerebras-wse3", "count": 1},
}
"""Scenarios in which little fits or little is known: each page still says something true."""


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_pages_stand_in_hard_scenarios(name: str) -> None:
    found = check.problems(settings=[Setting.of(HARD[name])], run_code=False)
    assert not found, _what(found)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A book of one page, with one of everything that lists hold; its folder of parts."""
    parts = tmp_path / "book/parts"
    for layer in pages_module.LAYERS:
        (parts / layer).mkdir(parents=True)
        head = f"title: {layer}?\norder: 0\nkind: opening\nlead: Of {layer}.\nverified: 2026-11-22"
        planned = f"planned:\n  - title: More of {layer}\n    answers: What more?"
        (parts / layer / "index.md").write_text(f"---\n{head}\n{planned}\n---\n\nA part called {layer}.\n")
    write(parts, "Read {cite}`one2020` of {term}`roofline`.\n")
    (parts / "bibliography.yaml").write_text(
        "one2020:\n  authors: [One]\n  title: A\n  year: 2020\n  url: https://example.org/a\n"
    )
    (parts / "glossary.yaml").write_text("roofline:\n  short: is a bound.\n  layer: hardware\n")
    (parts / "predictions.yaml").write_text("{}\n")
    (tmp_path / "book/theme").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (pages_module, check):
        monkeypatch.setattr(module, "PARTS", parts)
    for module, name in ((check.bibliography, "bibliography"), (glossary, "glossary"), (predictions, "predictions")):
        monkeypatch.setattr(module, "FILE", parts / f"{name}.yaml")
    forget()
    yield parts
    forget()


def write(parts: Path, body: str, kind: str = "chapter") -> None:
    head = f"title: A?\norder: 1\nkind: {kind}\nlead: A.\nverified: 2026-11-22"
    box = ":::{takeaways}\n- One.\n:::\n\n" if kind == "chapter" else ""
    (parts / "hardware/a.md").write_text(f"---\n{head}\n---\n\n{box}{body}")


def forget() -> None:
    works = (check.bibliography.works, check.bibliography._years)
    for each in (
        pages_module.pages,
        *works,
        glossary.terms,
        glossary._names,
        glossary._mentioned,
        predictions.predictions,
    ):
        each.cache_clear()


def found(parts: Path) -> str:
    forget()
    return _what(check.problems())


def test_a_sound_book_is_sound(book: Path) -> None:
    assert found(book) == ""


USED = "Read {cite}`one2020` of {term}`roofline`.\n\n"


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        ("{term}`ruflain`", "hardware/a.md:15", "no term"),
        ("It has 80 GB.", "hardware/a.md:15", "'80 GB' is typed"),
        ("$\\nonsense$", "hardware/a.md:15", "nonsense"),
        ("[x](#nowhere)", "hardware/a.md", "no 'nowhere' on the page"),
        ("```{code} python\n:name: x\nprint(1)\n```", "hardware/a.md:15", "no output of the code 'x' is kept"),
        ("{{ fact('h100-sxm5', 'tdp') ~ ' in all' }}", "hardware/a.md", "braces of its own"),
        (" ".join(["again"] * 20) + "\n\nx\n\n" + " ".join(["again"] * 20), "hardware/a.md", "this paragraph is in"),
    ],
)
def test_wrong_pages_are_named(book: Path, body: str, where: str, what: str) -> None:
    write(book, USED + body + "\n")
    said = found(book)
    assert where in said and what in said, said


def test_lists_are_held_to_what_uses_them(book: Path) -> None:
    write(book, "Nothing.\n")
    said = found(book)
    assert "one2020: the work is not cited" in said
    assert "roofline: the term is not used" in said


def test_predictions_are_shown_by_the_vision_of_their_part_once_there_is_one(book: Path) -> None:
    about = "\n".join(f"  {key}: x" for key in ("statement", "criterion", "evidence", "base_rate", "against"))
    when = "  made: 2026-11-22\n  resolves: 2027-01-01\n  probability: 0.5\n  sources: [one2020]"
    (book / "predictions.yaml").write_text(f"here:\n  layer: hardware\n{about}\n{when}\n")
    write(book, USED)
    assert found(book) == ""
    write(book, USED, kind="vision")
    assert "here: the prediction is not shown" in found(book)
    write(book, USED + "```{prediction} here\n```\n", kind="vision")
    assert found(book) == ""


def test_a_work_that_is_there_twice_is_named(book: Path) -> None:
    path = book / "bibliography.yaml"
    path.write_text(path.read_text() + path.read_text().replace("one2020", "one2020again"))
    assert "one2020 and one2020again are one work" in found(book)
    path.write_text(path.read_text().replace("one2020again", "one2020"))
    assert "there twice" in found(book)


def test_what_a_term_says_is_held_to_the_same(book: Path) -> None:
    path = book / "glossary.yaml"
    sound = path.read_text()
    path.write_text(sound + "  long: As {cite}`nobody1999` says.\n")
    assert "glossary.yaml: roofline: " in found(book) and "nobody1999" in found(book)
    path.write_text(sound + "  long: It takes 5 ms.\n")
    assert "roofline: '5 ms' is typed" in found(book)


def test_a_complete_part_has_all_its_sections(book: Path) -> None:
    path = book / "serving/index.md"
    path.write_text(path.read_text().replace("planned:\n  - title: More of serving\n    answers: What more?\n", ""))
    said = found(book)
    for kind in ("chapter", "research", "challenges", "vision", "notes"):
        assert f"parts/serving: the part lacks its {kind}" in said
    path.unlink()
    assert "parts/serving: the part has no opening" in found(book)


def test_pages_keep_to_their_kind(book: Path) -> None:
    write(book, USED, kind="notes")
    assert "learning notes need exercises" in found(book)
    path = book / "hardware/a.md"
    path.write_text(path.read_text().replace("kind: notes", "kind: chapter"))
    assert "a chapter needs its takeaways" in found(book)


def test_files_of_no_page_are_named(book: Path) -> None:
    (book / "hardware/left_over.py").write_text("")
    assert "hardware/left_over.py: the file belongs to no page" in found(book)


@pytest.mark.parametrize(
    "text", ['<script src="https://cdn.example/x.js">', "a{background:url(//cdn.example/x.png)}", '@import "x.css"']
)
def test_requests_to_other_hosts_are_named(book: Path, text: str) -> None:
    (book.parent / "theme/x.css").write_text(text)
    assert "asks another host" in found(book)


def test_broken_front_matter_is_a_problem_like_others(book: Path) -> None:
    path = book / "hardware/a.md"
    path.write_text(path.read_text().replace("order: 1", "order: one"))
    assert "order must be a whole number" in found(book)


def test_a_new_chapter_is_sound(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapter, "PARTS", book)
    forget()
    text, module = chapter.begin("hardware/second-thoughts", "Why think twice?", datetime.date(2026, 11, 22))
    assert (text.name, module.name) == ("second-thoughts.md", "second_thoughts.py")
    namespace: dict[str, object] = {}
    exec(compile(module.read_text(), str(module), "exec"), namespace)
    monkeypatch.setattr(
        pages_module.Page,
        "_of",
        lambda self, what, setting: namespace[what](setting) if "second" in self.id and what in namespace else {},  # type: ignore[operator]
    )
    assert found(book) == ""
    assert pages_module.pages()["hardware/second-thoughts"].front.order == 2
    with pytest.raises(BadInput, match="is there already"):
        chapter.begin("hardware/second-thoughts", "Why?")


@pytest.mark.parametrize(
    ("page", "title", "error"),
    [("hardvare/x", "Why?", UnknownName), ("hardware/../x", "Why?", BadInput), ("hardware/x", "a: b", BadInput),
     ("hardware/index", "Why?", BadInput), ("hardware/X y", "Why?", BadInput)],
)  # fmt: skip
def test_a_new_chapter_needs_a_name(page: str, title: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        chapter.begin(page, title)
    assert not (PARTS / "hardware/x.md").exists()
