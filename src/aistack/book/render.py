"""Rendering: a page under a setting becomes HTML, with all that a site, a search and an e-book need to know of it."""

from __future__ import annotations

import datetime
import functools
import html
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from aistack.book import roles
from aistack.book.demo import Demo
from aistack.book.draft import Draft, Heading, Note
from aistack.book.markdown import blocks
from aistack.book.page import Kind, Page, Reader, neighbours
from aistack.book.page import page as page_of
from aistack.book.setting import Setting
from aistack.book.source import expand
from aistack.drawing import Figure, Layer

WORDS_A_MINUTE = 220
"""At which technical prose is read; about the mean of adults' silent reading of non-fiction, 238 (Brysbaert 2019),
less a little for formulas and figures."""


@dataclass(frozen=True)
class Section:
    """What stands below one heading, as plain words for search."""

    id: str
    """The heading's; empty above the first one."""
    title: str
    words: str


@dataclass(frozen=True)
class Rendered:
    """A page, ready to be put into a site, an app, a PDF or an EPUB."""

    page: Page
    setting: Setting
    title: str
    """Plain text."""
    lead: str
    """HTML of one sentence."""
    html: str
    """The body, without the title."""
    headings: tuple[Heading, ...]
    notes: tuple[Note, ...]
    terms: tuple[str, ...]
    """Of the glossary, in the order of their first use."""
    cites: tuple[str, ...]
    """Keys of the bibliography, in the order of their first use."""
    index: tuple[tuple[str, str], ...]
    """Entries of the index, each with the id that it leads to."""
    figures: Mapping[str, Figure]
    """By the ids of their elements."""
    demos: Mapping[str, Demo]
    """By name."""
    sections: tuple[Section, ...]
    previous: Page | None
    next: Page | None

    @property
    def id(self) -> str:
        """ "hardware/memory"."""
        return self.page.id

    @property
    def number(self) -> str:
        """ "1.3"."""
        return self.page.number

    @property
    def layer(self) -> Layer:
        """Of the stack."""
        return self.page.layer

    @property
    def kind(self) -> Kind:
        """Of page."""
        return self.page.front.kind

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Whose reading paths it lies on."""
        return self.page.front.readers

    @property
    def verified(self) -> datetime.date:
        """When its facts were last held against their sources."""
        return self.page.front.verified

    @property
    def words(self) -> str:
        """All of it as plain words."""
        return " ".join(section.words for section in self.sections)

    @property
    def minutes(self) -> int:
        """To read it."""
        return max(1, round(len(self.words.split()) / WORDS_A_MINUTE))


def render(page_id: str, setting: Setting | None = None, *, live: bool = False) -> Rendered:
    """The page under a setting; `live` makes its links keep the setting.

    Raises `UnknownName` for the page, and `BadInput` naming file and line for whatever is wrong in it.
    """
    return _render(page_of(page_id), setting or Setting(), live)


@functools.lru_cache(maxsize=32)
def _render(page: Page, setting: Setting, live: bool) -> Rendered:
    draft, body = compose(page, setting, live=live)
    before, after = neighbours(page.id)
    return Rendered(
        page=page,
        setting=setting,
        title=page.front.title,
        lead=html.escape(page.front.lead),
        html=body,
        headings=tuple(draft.headings),
        notes=tuple(draft.notes),
        terms=tuple(draft.terms),
        cites=tuple(draft.cites),
        index=tuple(draft.index),
        figures=draft.figures,
        demos=draft.demos,
        sections=sections(body),
        previous=before,
        next=after,
    )


def compose(page: Page, setting: Setting, *, live: bool = False) -> tuple[Draft, str]:
    """The body of a page, which need not be one of `pages()`, references at its end; and what it left on the way."""
    text = expand(page, setting)
    draft = Draft(page, setting, live, text)
    body = blocks(draft, text.markdown, 0, outermost=True)
    if draft.cites:
        entries = "".join(f'<li id="ref-{key}">{roles.reference(key)}</li>\n' for key in sorted(draft.cites))
        anchor = draft.heading(2, "References")
        body += f'<section class="references"><h2 id="{anchor}">References</h2>\n<ol>\n{entries}</ol></section>\n'
    return draft, body


def sections(body: str) -> tuple[Section, ...]:
    """The plain words of a body by its headings."""
    reader = _Words()
    reader.feed(body)
    return reader.sections()


class _Words(HTMLParser):
    """The plain words of a page by its headings, without drawings, formulas, tables of figures, margin and controls."""

    _LEFT_OUT = frozenset({"katex", "note", "drawing", "controls", "range", "references"})
    _WITHOUT_END = frozenset({"input", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        # id, pieces of the heading, pieces of what stands below it
        self._found: list[tuple[str, list[str], list[str]]] = [("", [], [])]
        self._skipping = 0
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag in self._WITHOUT_END:
            return
        left_out = tag in ("details", "form") or self._LEFT_OUT & {*given.get("class", "").split()}
        if self._skipping or left_out:
            self._skipping += 1
        elif tag in ("h2", "h3", "h4") and "id" in given:
            self._found.append((given["id"], [], []))
            self._in_heading = True

    def handle_endtag(self, tag: str) -> None:
        if tag in self._WITHOUT_END:
            return
        if self._skipping:
            self._skipping -= 1
        elif tag in ("h2", "h3", "h4"):
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            _, heading, below = self._found[-1]
            (heading if self._in_heading else below).append(data)

    def sections(self) -> tuple[Section, ...]:
        """What was found."""
        plain = [(anchor, _joined(title), _joined(words)) for anchor, title, words in self._found]
        return tuple(Section(*each) for each in plain if each[1] or each[2])


def _joined(pieces: list[str]) -> str:
    return " ".join("".join(pieces).replace("\u00a0", " ").split())
