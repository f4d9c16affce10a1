"""The words of the field: one sentence each for the margin, and a page for those who want more."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aistack.book.listing import read
from aistack.book.page import PARTS
from aistack.drawing import Layer
from aistack.errors import BadInput, UnknownName

FILE = PARTS / "glossary.yaml"


class Term(BaseModel):
    """One word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    short: Annotated[str, Field(min_length=1)]
    """One sentence, plain text."""
    long: str = ""
    """Markdown, as pages have it; maths, roles and `fact(...)` too."""
    layer: Layer
    also: tuple[str, ...] = ()
    """Other names that it goes by: "high-bandwidth memory"."""
    common: bool = False
    """Whether it is a word of everyday language too, so that only {term} means this one."""
    see: tuple[str, ...] = ()
    """Related terms."""


@functools.cache
def terms() -> Mapping[str, Term]:
    """Every term by its name. Raises `BadInput` for a file that cannot be used."""
    found = read(FILE, Term)
    for name, each in found.items():
        for other in each.see:
            if other not in found:
                raise BadInput(f"{FILE}: {name}: see: {UnknownName('term', other, found)}")
    return found


@functools.cache
def _names() -> Mapping[str, str]:
    known: dict[str, str] = {}
    for name, each in terms().items():
        for one in (name, *each.also):
            known.setdefault(one.casefold(), name)
    return MappingProxyType(known)


def find(name: str) -> str:
    """The term that a name, another name of it or its plural means. Raises `UnknownName`."""
    folded = name.casefold()
    for each in (folded, folded.removesuffix("s"), folded.removesuffix("es")):
        if each in _names():
            return _names()[each]
    raise UnknownName("term in glossary.yaml", name, (*terms(), *_names()))


@functools.cache
def _mentioned() -> re.Pattern[str]:
    known = sorted((one for one, name in _names().items() if not terms()[name].common), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known)) or '(?!)'})(?:e?s)?(?![\w-])", re.IGNORECASE)


def mentions(text: str) -> Iterator[tuple[int, int, str]]:
    """Where `text` uses terms in plain words: start, end, and the term. Acronyms count in capitals only."""
    for found in _mentioned().finditer(text):
        name = find(found[0])
        spelled = next(
            (one for one in (name, *terms()[name].also) if found[0].casefold().startswith(one.casefold())), name
        )
        if spelled[:2].islower() or found[0].startswith(spelled):
            yield found.start(), found.end(), name


def slug(text: str) -> str:
    """`text` as it stands in an address: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def file(name: str) -> str:
    """Where the page of a term lies in the site: "glossary/hbm.html"."""
    return f"glossary/{slug(name)}.html"
