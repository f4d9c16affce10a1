"""What search looks through: the book's sections, terms and works as plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TypedDict

from aistack.book import bibliography, glossary
from aistack.book.back import definition, term_html
from aistack.book.render import Rendered
from aistack.book.render import sections as sections_of
from aistack.book.setting import Setting
from aistack.drawing import Layer


class Found(TypedDict):
    """Something that a search can find."""

    at: str
    """Where it is, from the site's root: "hardware/memory.html#bandwidth"."""
    kind: str
    """ "Chapter", "Glossary" or "Reference"."""
    title: str
    """Of the page."""
    heading: str
    """Of the section; empty above a page's first heading."""
    layer: Layer | None
    text: str


def entries(setting: Setting, rendered: Mapping[str, Rendered]) -> Iterator[Found]:
    """All that can be found, in reading order."""
    for page in rendered.values():
        for section in page.sections:
            if section.title == "References":
                continue
            at = f"{page.page.file}#{section.id}" if section.id else page.page.file
            # what is above the first heading is found by the page's lead too
            text = section.words if section.id else f"{page.page.front.lead} {section.words}".strip()
            yield Found(at=at, kind="Chapter", title=page.title, heading=section.title, layer=page.layer, text=text)
    for name, term in glossary.terms().items():
        words = " ".join(each.words for each in sections_of(term_html(name, setting)))
        text = " ".join(filter(None, [definition(name), " ".join(term.also), words]))
        yield Found(at=glossary.file(name), kind="Glossary", title=name, heading="", layer=term.layer, text=text)
    for key, work in bibliography.works().items():
        text = f"{', '.join(work.authors)} {work.year} {work.venue}"
        at = f"back/references.html#ref-{key}"
        yield Found(at=at, kind="Reference", title=work.title, heading="", layer=None, text=text)


def script(setting: Setting, rendered: Mapping[str, Rendered]) -> str:
    """The entries as a script, which pages that are opened from disk can load."""
    return f"aistackSections({json.dumps(list(entries(setting, rendered)), ensure_ascii=False)});\n"
