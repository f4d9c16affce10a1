"""What stands behind the text: contents, reading paths, glossary, index, references, predictions, search."""

from __future__ import annotations

import datetime
import html
from collections import defaultdict
from typing import Any

from aistack.book import bibliography, glossary, roles
from aistack.book.page import FrontMatter, Page
from aistack.book.predictions import predictions, score
from aistack.book.render import Rendered, compose
from aistack.book.setting import Setting
from aistack.book.shell import READING_PATHS, document, floors
from aistack.drawing import Layer
from aistack.errors import BadInput


def back_matter() -> tuple[str, ...]:
    """The paths of all documents that are neither the home page nor a page of the text."""
    paths = [
        "back/contents.html",
        "back/index.html",
        "back/references.html",
        "back/predictions.html",
        "back/search.html",
    ]
    paths += ["paths/index.html", *(f"paths/{path.id}.html" for path in READING_PATHS), "glossary/index.html"]
    return (*paths, *(glossary.file(name) for name in glossary.terms()))


def back_html(path: str, setting: Setting, rendered: dict[str, Rendered], *, live: bool = False, bar: str = "") -> str:
    """One of `back_matter`. Raises `BadInput` for another path."""
    from markupsafe import Markup

    about: dict[str, Any] = {"live": live, "bar": bar}
    # how long pages are to read and what they say in a sentence
    about |= {"minutes": {name: each.minutes for name, each in rendered.items()}}
    reading = {way.id: sum(rendered[page.id].minutes for page in way.pages) for way in READING_PATHS}
    about |= {"reading": reading, "leads": {name: Markup(each.lead) for name, each in rendered.items()}}
    if path == "back/contents.html":
        return document("contents.html.jinja", path, "Contents", **about)
    if path == "back/index.html":
        return document("index.html.jinja", path, "Index", letters=_letters(rendered), **about)
    if path == "back/references.html":
        return document("references.html.jinja", path, "References", works=_works(rendered), **about)
    if path == "back/predictions.html":
        keys = sorted(predictions(), key=lambda key: (predictions()[key].resolves, key))
        body = "\n\n".join(f"```{{prediction}} {key}\n```" for key in keys)
        return document(
            "predictions.html.jinja",
            path,
            "Predictions",
            body=Markup(_composed(path, "hardware", body, setting)),
            scores=score(predictions().values()),
            **about,
        )
    if path == "back/search.html":
        return document("search.html.jinja", path, "Search", **about)
    if path == "glossary/index.html":
        terms = [
            {"file": glossary.file(name), "layer": term.layer, "line": Markup(term_line(name))}
            for name, term in sorted(glossary.terms().items(), key=lambda each: each[0].casefold())
        ]
        return document("glossary.html.jinja", path, "Glossary", terms=terms, **about)
    if path == "paths/index.html":
        lead = "The book can be read from end to end, or along a path that keeps what one kind of reader needs."
        return document("paths.html.jinja", path, "Reading paths", lead=lead, shown=READING_PATHS, **about)
    for way in READING_PATHS:
        if path == f"paths/{way.id}.html":
            title = f"The book for {way.who}"
            return document("paths.html.jinja", path, title, lead=way.about, shown=(way,), **about)
    for name in glossary.terms():
        if path == glossary.file(name):
            return _term(name, path, setting, rendered, about)
    raise BadInput(f"The book has no page {path!r}.")


def term_html(name: str, setting: Setting) -> str:
    """What the glossary says of a term beyond its one sentence. Raises `UnknownName`, and `BadInput` for its text."""
    term = glossary.terms()[glossary.find(name)]
    return _composed(glossary.file(name), term.layer, term.long, setting) if term.long else ""


def definition(name: str) -> str:
    """A term's one sentence with the term in it, as its entry's verb is written for the margin."""
    short = glossary.terms()[name].short
    return f"{name[0].upper()}{name[1:]} {short}" if short[0].islower() else short


def _term(name: str, path: str, setting: Setting, rendered: dict[str, Rendered], about: dict[str, Any]) -> str:
    from markupsafe import Markup

    term = glossary.terms()[name]
    return document(
        "term.html.jinja",
        path,
        name,
        layer=term.layer,
        part=next(floor.name for floor in floors() if floor.layer == term.layer),
        short=definition(name),
        also=term.also,
        body=Markup(term_html(name, setting)),
        see=[{"name": other, "file": glossary.file(other)} for other in term.see],
        used=[each.page for each in rendered.values() if name in each.terms],
        **about,
    )


def _letters(rendered: dict[str, Rendered]) -> list[tuple[str, list[tuple[str, list[dict[str, str]]]]]]:
    """Entries by their first letter, each with its places: of the index, and where terms are first used."""
    places: dict[str, list[dict[str, str]]] = defaultdict(list)
    for each in rendered.values():
        for entry, anchor in each.index:
            places[entry].append({"at": f"{each.page.file}#{anchor}", "number": each.number})
        for term in each.terms:
            if not any(place["number"] == each.number for place in places[term]):
                places[term].append({"at": each.page.file, "number": each.number})
    letters: dict[str, list[tuple[str, list[dict[str, str]]]]] = defaultdict(list)
    for entry in sorted(places, key=str.casefold):
        letter = entry[0].upper()
        letters[letter if letter.isascii() and letter.isalpha() else "0–9"].append((entry, places[entry]))
    return sorted(letters.items())


def _works(rendered: dict[str, Rendered]) -> list[dict[str, object]]:
    from markupsafe import Markup

    works = sorted(bibliography.works().items(), key=lambda each: (each[1].authors[0].casefold(), each[1].year))
    return [
        {
            "key": key,
            "html": Markup(roles.reference(key)),
            "cited": [each.page for each in rendered.values() if key in each.cites],
        }
        for key, _ in works
    ]


def term_line(name: str) -> str:
    """HTML of a term with its one sentence, where many stand below each other."""
    short = glossary.terms()[name].short
    return f"<b>{html.escape(name)}{'' if short[0].islower() else '.'}</b> {html.escape(short)}"


def _composed(file: str, layer: Layer, body: str, setting: Setting) -> str:
    """HTML of text that lies in no page of its own, as if it stood in `file`."""
    front = FrontMatter(title=file, order=1, kind="notes", lead=file, verified=datetime.date.min)
    page = Page(file.removesuffix(".html"), layer, glossary.FILE, front, body, first_line=1)
    return compose(page, setting)[1]
