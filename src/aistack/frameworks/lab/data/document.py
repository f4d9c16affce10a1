"""A document: the unit that the pipeline keeps, drops and splits by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 16_000
"""Characters; a longer text becomes several documents, so that a split by document can share a single big file."""

_BREAK = re.compile(r"\n[ \t\r]*\n")


@dataclass(frozen=True, slots=True)
class Document:
    """A text with where it comes from."""

    id: str
    text: str
    source: str
    """The package, or the file or folder, that it belongs to."""
    licence: str
    """An SPDX expression where its source states one, else the source's own words, else "unknown"."""


def parts(text: str, longest: int = LONGEST) -> Iterator[str]:
    """Cut `text` into parts of at most `longest` characters: at a blank line, else at a line's end, else anywhere.

    Joining the parts gives the text back.
    """
    start = 0
    while len(text) - start > longest:
        window = text[start : start + longest]
        blank = [match.end() for match in _BREAK.finditer(window, longest // 4)]
        end = blank[-1] if blank else window.rfind("\n", longest // 4) + 1 or longest
        yield window[:end]
        start += end
    yield text[start:]


def place(key: str, salt: str = "") -> float:
    """A number in [0, 1) that depends on `key` (and `salt`) alone: the same in every run, on every machine."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=7, key=salt.encode()).digest()
    return int.from_bytes(digest, "big") / (1 << 56)
