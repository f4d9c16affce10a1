"""The static site: every link leads somewhere, nothing leads out, and pages stay small."""

import json
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest

from aistack.book.page import pages
from aistack.book.setting import Setting
from aistack.book.shell import carry
from aistack.book.site import MARK, build
from aistack.errors import BadInput

BUDGET = 300_000
"""Bytes of a page before the parts that load when asked for: its HTML, style, scripts and the fonts of its text."""


class _Read(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe", "source") or (tag == "link" and "href" in given):
            self.loaded.append(given.get("src") or given.get("href", ""))
        self.inline += [name for name in given if name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.inline.append("script")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("book") / "site"
    build(out)
    return out


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, _Read]:
    return {file.relative_to(site).as_posix(): _Read(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}


def test_every_page_is_there(read: dict[str, _Read]) -> None:
    assert {page.file for page in pages().values()} <= read.keys()


def test_every_link_leads_somewhere(read: dict[str, _Read]) -> None:
    for path, page in read.items():
        for link in page.links:
            if link.startswith("https://"):
                continue
            file, anchor = urldefrag(link)
            there = posixpath.normpath(posixpath.join(posixpath.dirname(path), file)) if file else path
            assert there in read, f"{path} links to {link}"
            assert not anchor or anchor in read[there].ids, f"{path} links to {link}"


def test_ids_are_unique(read: dict[str, _Read]) -> None:
    for path, page in read.items():
        assert len(page.ids) == len(set(page.ids)), path


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(site: Path, read: dict[str, _Read]) -> None:
    for path, page in read.items():
        assert not page.inline, path
        for name in page.loaded:
            assert (site / posixpath.normpath(posixpath.join(posixpath.dirname(path), name))).exists(), (path, name)
    style = (site / "assets/style.css").read_text(encoding="utf-8")
    for name in re.findall(r"url\(([^)]+)\)", style):
        assert (site / "assets" / name).exists(), name
    assert "//" not in re.sub(r"/\*.*?\*/", "", style)


def test_pages_are_small(site: Path, read: dict[str, _Read]) -> None:
    fonts = sum(file.stat().st_size for file in (site / "assets").glob("*.woff2"))
    # what only moves, answers or is drawn when a script is asked to
    optional = re.compile(r'<g class="frame"[^>]* display="none">.*?(?=<g class="frame"|</svg>)', re.DOTALL)
    scripts = {"frames.js", "demos.js", "exercises.js", "charts.js"}
    for path, page in read.items():
        own = len(optional.sub("", (site / path).read_text(encoding="utf-8")).encode()) + fonts
        loaded = [name for name in set(page.loaded) if posixpath.basename(name) not in scripts]
        own += sum((site / posixpath.dirname(path) / name).resolve().stat().st_size for name in loaded)
        assert own < BUDGET, f"{path}: {own:,} bytes"


def test_every_choice_of_a_demo_is_in_its_grid(site: Path) -> None:
    from aistack.book.render import render

    for page_id in pages():
        for name, demo in render(page_id, Setting()).demos.items():
            text = (site / "demos" / f"{page_id.replace('/', '-')}-{name}.js").read_text(encoding="utf-8")
            page, called, answers = json.loads(
                "[" + text.removeprefix("aistackDemo(").rstrip().removesuffix(");") + "]"
            )
            assert (page, called) == (page_id, name)
            count = 1
            for control in demo.controls:
                count *= len(control.values)
            assert len(answers) == count


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="not a site of the book"):
        build(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_page_that_is_gone_goes_from_the_site_too(site: Path) -> None:
    (site / "hardware/old.html").write_text("old")
    (site / MARK).write_text((site / MARK).read_text() + "\nhardware/old.html")
    (site / "hardware/mine.html").write_text("not ours")
    build(site)
    assert not (site / "hardware/old.html").exists()
    assert (site / "hardware/mine.html").exists()
    (site / "hardware/mine.html").unlink()


def test_links_carry_the_scenario() -> None:
    text = '<a href="../hardware/memory.html#a">x</a> <a href="https://a.b/c.html">y</a> <a href="#z">z</a>'
    assert carry(text, "model=x&count=8") == (
        '<a href="../hardware/memory.html?model=x&amp;count=8#a">x</a> <a href="https://a.b/c.html">y</a> '
        '<a href="#z">z</a>'
    )
