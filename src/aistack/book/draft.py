"""A page while it is rendered: what roles and directives ask of it, and what they leave with it."""

from __future__ import annotations

import html
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from aistack.book import glossary
from aistack.book.demo import Demo
from aistack.book.labels import Label, labels
from aistack.book.page import Page
from aistack.book.setting import Setting
from aistack.book.source import MARKED, Text
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.errors import AistackError, BadInput


class WrongPage(BadInput):
    """Something wrong in a page; the message names file and line."""


@dataclass(frozen=True)
class Heading:
    """A heading of a page."""

    level: int
    id: str
    text: str


@dataclass(frozen=True)
class Note:
    """Something that stands in the margin."""

    kind: str
    """ "term" or "source"."""
    html: str


@dataclass
class Draft:
    """One page under one setting, in the making."""

    page: Page
    setting: Setting
    live: bool
    text: Text
    line: int = 0
    """Of the Markdown, from 0: where rendering has come to."""

    headings: list[Heading] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    shown_notes: int = 0
    """How many of the notes have found their place."""
    terms: dict[str, None] = field(default_factory=dict)
    cites: dict[str, None] = field(default_factory=dict)
    index: list[tuple[str, str]] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    demos: dict[str, Demo] = field(default_factory=dict)

    def label(self, anchor: str) -> Label:
        """The label of something that is being rendered: "fig-ridge"."""
        known = labels(self.page)
        if anchor not in known:
            raise BadInput(f"the fence of {anchor} must begin a line of its own")
        return known[anchor]

    @cached_property
    def drawing(self) -> Mapping[str, Callable[[], Figure]]:
        """What draws the page's figures, by name."""
        return self.page.figures(self.setting)

    @cached_property
    def tabulating(self) -> Mapping[str, Callable[[], Table]]:
        """What makes the page's tables, by name."""
        return self.page.tables(self.setting)

    @cached_property
    def playing(self) -> Mapping[str, Demo]:
        """The page's demos, by name."""
        return self.page.demos(self.setting)

    def blocks(self, markdown: str, line: int) -> str:
        """HTML of Markdown that begins on this line of the page's."""
        from aistack.book.markdown import blocks

        return blocks(self, markdown, line)

    def inline(self, markdown: str) -> str:
        """HTML of one line of Markdown."""
        from aistack.book.markdown import inline

        return inline(self, markdown)

    def words(self, text: str) -> str:
        """HTML of text that is no Markdown, its numbers shown as numbers."""
        return MARKED.sub(lambda found: self.number(int(found[1])), html.escape(text))

    def number(self, place: int) -> str:
        """HTML of a number by its place in the text's list."""
        name, one = self.text.numbers[place]
        return one.html(name)

    def link(self, file: str, fragment: str = "") -> str:
        """The address of a file of the site, from this page; within the live edition it keeps the scenario."""
        query = f"?{self.setting.query()}" if self.live and self.setting.query() else ""
        path = posixpath.relpath(file, posixpath.dirname(self.page.file))
        return html.escape(f"{path}{query}{'#' if fragment else ''}{fragment}", quote=True)

    def note(self, kind: str, inner: str) -> None:
        """Put something into the margin, beside the block that is being rendered."""
        self.notes.append(Note(kind, inner))

    def margin(self) -> str:
        """HTML of the notes that have no place yet; they have one now."""
        fresh = self.notes[self.shown_notes :]
        self.shown_notes = len(self.notes)
        return "".join(f'<aside class="note note-{note.kind}" role="note">{note.html}</aside>\n' for note in fresh)

    def heading(self, level: int, text: str) -> str:
        """The id of a new heading. Raises `BadInput` where another one has it."""
        anchor = glossary.slug(text) or "section"
        if any(each.id == anchor for each in self.headings):
            raise self.wrong(f"there are two headings {text!r} on this page")
        self.headings.append(Heading(level, anchor, text))
        return anchor

    def wrong(self, cause: str | AistackError, line: int | None = None) -> WrongPage:
        """The error to raise for something wrong here, or on another line; one that has its place keeps it."""
        if isinstance(cause, WrongPage):
            return cause
        at = min(self.line if line is None else line, len(self.text.lines) - 1)
        return WrongPage(f"{self.page.at(self.text.lines[at])}: {cause}")
