"""Numbers of figures, tables, equations, exercises, demos: by their order in the source, whatever a scenario shows."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aistack.book.page import Page, pages
from aistack.errors import BadInput, UnknownName

_FENCE = re.compile(r"^[ >]*(?:`{3,}|~{3,}|:{3,})\{(figure|table|exercise|demo|math)\}[ ]*(\S*)")
_LABEL = re.compile(r"^[ >]*:label:[ ]*(\S+)[ ]*$")

KINDS = MappingProxyType(
    {
        "figure": ("fig", "Figure"),
        "table": ("tab", "Table"),
        "exercise": ("ex", "Exercise"),
        "demo": ("demo", "Demo"),
        "math": ("eq", "Equation"),
    }
)
"""Directive -> how its labels begin, and what it is called."""


@dataclass(frozen=True)
class Label:
    """Something that text can refer to."""

    id: str
    """ "fig-ridge", its place in the page's HTML."""
    number: str
    """ "1.3.2": part, chapter, and which of its kind."""
    what: str
    """ "Figure"."""

    def __str__(self) -> str:
        return f"{self.what} {self.number}"


@functools.lru_cache(maxsize=512)
def labels(page: Page) -> Mapping[str, Label]:
    """All labels of a page by id. Raises `BadInput` where two are the same."""
    found: dict[str, Label] = {}
    counts = dict.fromkeys(KINDS, 0)
    lines = page.body.split("\n")
    for at, line in enumerate(lines):
        if not (fence := _FENCE.match(line)):
            continue
        kind, name = fence.groups()
        if kind == "math":
            label = _LABEL.match(lines[at + 1]) if at + 1 < len(lines) else None
            if label is None:
                continue
            name = label[1]
        counts[kind] += 1
        start, what = KINDS[kind]
        one = Label(f"{start}-{name}", f"{page.part}.{page.front.order}.{counts[kind]}", what)
        if one.id in found:
            raise BadInput(f"{page.at(page.first_line + at)}: there is another {kind} named {name!r} on this page.")
        found[one.id] = one
    return MappingProxyType(found)


def resolve(target: str, here: Page) -> tuple[Page, Label]:
    """What `fig-ridge` (on this page) or `hardware/memory#fig-ridge` names. Raises `UnknownName`."""
    page_id, _, label = target.rpartition("#")
    if page_id and page_id not in pages():
        raise UnknownName("page", page_id, pages())
    page = pages()[page_id] if page_id else here
    known = labels(page)
    if label not in known:
        raise UnknownName(f"label of {page.id}", label, known)
    return page, known[label]
