"""What Ask looks through: the book, the catalog and this machine's last dive, in one full-text index in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aistack.applications.lab.index import TOKENIZE, match_expression
from aistack.book import search
from aistack.book.setting import Setting
from aistack.catalog.registry import KINDS
from aistack.errors import AistackError
from aistack.units import text
from aistack.web import machine
from aistack.web.book_pages import readable

LONGEST = 300
"""Characters of a question that are looked at."""
_MARK = "\x02", "\x03"


@dataclass(frozen=True)
class Passage:
    """Something that can be found, and where it is."""

    at: str
    """The page's address in the app, without the scenario."""
    kind: str
    """ "Chapter", "Glossary", "Reference", "Catalog" or "Dive"."""
    title: str
    heading: str
    layer: str
    text: str


@dataclass(frozen=True)
class Hit:
    """A passage that was found."""

    passage: Passage
    pieces: tuple[tuple[str, bool], ...]
    """An excerpt in pieces, each with whether a word of the question is in it."""

    @property
    def json(self) -> dict[str, str]:
        """As plain values."""
        each = self.passage
        return {
            "at": each.at, "kind": each.kind, "title": each.title, "heading": each.heading, "layer": each.layer,
            "excerpt": "".join(words for words, _ in self.pieces),
        }  # fmt: skip


class Library:
    """The index. Asking it is safe from any thread."""

    def __init__(self) -> None:
        self._passages = [*_book(), *_catalog(), *_dive()]
        self._lock = threading.Lock()
        self._words = sqlite3.connect(":memory:", check_same_thread=False)
        self._words.execute(f"CREATE VIRTUAL TABLE words USING fts5 (title, heading, text, {TOKENIZE})")
        self._words.executemany(
            "INSERT INTO words (rowid, title, heading, text) VALUES (?, ?, ?, ?)",
            ((number, each.title, each.heading, each.text) for number, each in enumerate(self._passages)),
        )

    def search(self, question: str, most: int) -> tuple[Hit, ...]:
        """The passages that suit the question best: those with all of its words first."""
        expression = match_expression(question[:LONGEST])
        if not expression:
            return ()
        every = expression.replace(" OR ", " AND ")
        found: dict[int, str] = {}
        with self._lock:
            for wanted in dict.fromkeys((every, expression)):
                rows = self._words.execute(
                    "SELECT rowid, snippet(words, 2, ?, ?, ' … ', 40) FROM words WHERE words MATCH ? "
                    "ORDER BY bm25(words, 4.0, 6.0, 1.0) LIMIT ?",
                    (*_MARK, wanted, most),
                )
                for number, marked in rows:
                    found.setdefault(number, marked)
        return tuple(Hit(self._passages[number], _pieces(marked)) for number, marked in list(found.items())[:most])


def _pieces(marked: str) -> tuple[tuple[str, bool], ...]:
    pieces: list[tuple[str, bool]] = []
    for part in marked.split(_MARK[0]):
        inside, closed, after = part.partition(_MARK[1])
        pieces += [(inside, True), (after, False)] if closed else [(part, False)]
    return tuple(piece for piece in pieces if piece[0])


def _book() -> Iterator[Passage]:
    for each in search.entries(Setting(), dict(readable())):
        at = f"/book/{each['at']}"
        yield Passage(at, each["kind"], each["title"], each["heading"], each["layer"] or "", each["text"])


def _catalog() -> Iterator[Passage]:
    for kind in KINDS:
        for name in kind.names():
            try:
                entry = kind.load(name)
                facts = "; ".join(f"{path.replace('_', ' ')} {fact.text}" for path, fact in kind.facts(entry))
            except AistackError:
                continue
            about = " ".join(filter(None, [getattr(entry, "about", ""), getattr(entry, "notes", "")]))
            yield Passage(f"/catalog/{kind.name}/{entry.id}", "Catalog", entry.name, "", "", f"{about} {facts}".strip())


def _dive() -> Iterator[Passage]:
    run = machine.last()
    if run is None:
        return
    try:
        results = run.results()
    except AistackError:
        return
    for result in results:
        said = "; ".join(
            f"{entry.quantity}: predicted {text(entry.predicted, entry.unit)}"
            + (f", measured {text(entry.measured, entry.unit)}" if entry.measured is not None else "")
            for entry in result.entries
        )
        at = f"/dives/{run.name}#{result.layer}"
        yield Passage(at, "Dive", f"Dive {run.name}", result.layer.capitalize(), result.layer, said)


def generated(endpoint: str, model: str | None, question: str, hits: tuple[Hit, ...]) -> Any:
    """What the endpoint's model makes of the passages; its problem where it makes nothing."""
    import os

    from aistack.applications.lab import assistant
    from aistack.applications.lab.endpoint import Endpoint

    with Endpoint(endpoint, os.environ.get("OPENAI_API_KEY"), timeout=45.0) as server:
        return assistant.generate(server, model, question, [hit.passage.text for hit in hits])
