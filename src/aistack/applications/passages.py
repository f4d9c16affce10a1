"""Passages: documents cut where sentences end, small enough to cite and to fit in a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SIZE = 600
"""Characters that a passage may have: about 120 words, a third of a 256-token context."""

# A sentence ends at its punctuation before a capital, a quote or a bracket, or at an empty line.
_END = re.compile(r"(?:(?<=[.!?:])|(?<=[.!?][\"')\]]))\s+(?=[A-Z0-9\"'`(\[*#-])|\n\s*\n\s*")


@dataclass(frozen=True)
class Document:
    """A text with what a citation of it has to say."""

    id: str
    text: str
    source: str
    licence: str


@dataclass(frozen=True)
class Passage:
    """A piece of a document; `id` is the document's id and the piece's number in it."""

    id: str
    text: str
    source: str
    licence: str


def sentences(text: str) -> list[str]:
    """The sentences of `text`, stripped, without empty ones. A rule of thumb: it knows punctuation, not grammar."""
    return [part for part in (piece.strip() for piece in _END.split(text)) if part]


def cut(document: Document, size: int = SIZE) -> Iterator[Passage]:
    """Cut a document into passages of whole sentences, each at most `size` characters.

    Nothing but white space at the cuts is lost. A sentence longer than `size` is cut at white space, or, where it has
    none, at `size` characters.
    """
    for number, text in enumerate(_packed(document.text, size)):
        yield Passage(f"{document.id}#{number}", text, document.source, document.licence)


def _packed(text: str, size: int) -> Iterator[str]:
    start = end = 0
    for stop in _stops(text, size):
        if stop - start > size and end > start:
            if piece := text[start:end].strip():
                yield piece
            start = end
        end = stop
    if piece := text[start:].strip():
        yield piece


def _stops(text: str, size: int) -> Iterator[int]:
    """Where `text` may be cut: ascending offsets at most `size` apart, the last one its end."""
    last = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        while end - last > size:
            space = max(text.rfind(" ", last + 1, last + size), text.rfind("\n", last + 1, last + size))
            last = space + 1 if space > 0 else last + size
            yield last
        last = end
        yield end
