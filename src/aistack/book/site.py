"""The static site: every page under one setting and all it needs. It opens from disk and asks no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from aistack.book import search
from aistack.book.back import back_html, back_matter
from aistack.book.demo import Demo
from aistack.book.directives.demos import shown
from aistack.book.home import home_html
from aistack.book.page import pages
from aistack.book.render import Rendered, render
from aistack.book.setting import Setting
from aistack.book.shell import assets, page_html, vega
from aistack.drawing.theme import ROLES
from aistack.errors import BadInput
from aistack.files import replacing

MARK = ".aistack-book"
"""A file that says that the folder is a site of ours, and may be written over."""


def build(out: Path, setting: Setting | None = None) -> tuple[str, ...]:
    """Write the site into the folder `out`; the files' paths in it, in the order written.

    A site that was there gives way; files in `out` that are not a site's are a `BadInput`. Raises what rendering
    raises, before anything is written.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).exists())):
        raise BadInput(f"{out} is there and is not a site of the book; give a new or empty folder.")
    made = dict(files(setting or Setting()))
    before = set((out / MARK).read_text(encoding="utf-8").split("\n")) if (out / MARK).exists() else set()
    for path, content in {**made, MARK: "\n".join(made).encode()}.items():
        with replacing(out / path) as partial:
            partial.write_bytes(content)
    for path in before - made.keys() - {""}:
        (out / path).unlink(missing_ok=True)
    return tuple(made)


def files(setting: Setting) -> Iterator[tuple[str, bytes]]:
    """Every file of the site by its path."""
    rendered = {page_id: render(page_id, setting) for page_id in pages()}
    for path, text in documents(setting, rendered):
        yield path, text.encode()
    for each in rendered.values():
        for name, demo in each.demos.items():
            yield f"demos/{each.id.replace('/', '-')}-{name}.js", grid(each.id, name, demo).encode()
        if drawn := charts(each):
            yield f"charts/{each.page.file.removesuffix('.html')}.js", drawn.encode()
    yield "assets/vega.js", vega()
    yield "assets/sections.js", search.script(setting, rendered).encode()
    for path, content in assets():
        yield f"assets/{path}", content


def documents(
    setting: Setting, rendered: dict[str, Rendered], *, live: bool = False, bar: str = ""
) -> Iterator[tuple[str, str]]:
    """Every HTML document by its path."""
    yield "index.html", home_html(setting, live=live, bar=bar)
    for each in rendered.values():
        yield each.page.file, page_html(each, live=live, bar=bar)
    for path in back_matter():
        yield path, back_html(path, setting, rendered, live=live, bar=bar)


def charts(rendered: Rendered) -> str:
    """A script that gives a page its charts to draw again, in the reader's colours; empty where it has none."""
    specs = {label: spec for label, figure in rendered.figures.items() if (spec := figure.spec)}
    roles = {on_paper: f"--{role}" for role, (on_paper, _) in ROLES.items()}
    return f"aistackCharts({json.dumps(roles)},{json.dumps(specs, ensure_ascii=False)});\n" if specs else ""


def grid(page_id: str, name: str, demo: Demo) -> str:
    """A script that gives a page what a demo shows for each choice."""
    answers = {demo.key(choice): shown(demo.run(**choice), name) for choice in demo.grid()}
    return f"aistackDemo({json.dumps(page_id)},{json.dumps(name)},{json.dumps(answers, ensure_ascii=False)});\n"
