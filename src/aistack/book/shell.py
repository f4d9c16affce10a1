"""What stands around a page's body: bar, rail, the way on, and the files that all pages share."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aistack import __version__
from aistack.book.page import Page, Reader, page, pages
from aistack.drawing import LAYERS, Layer
from aistack.drawing.theme import stylesheet

if TYPE_CHECKING:
    from jinja2 import Environment

    from aistack.book.render import Rendered

BOOK = "AI Stack DeepDive"
THEME = Path(__file__).parent / "theme"

_SAID_ELSEWHERE = ("Takeaways", "References")
"""Headings that every page has, and that the rail need not name."""

_SCRIPTS = ("path.js", "search.js", "numbers.js", "frames.js", "exercises.js", "demos.js", "charts.js")
_NEEDED_BY = {
    "numbers.js": 'class="n n-',
    "frames.js": 'class="player"',
    "exercises.js": "data-answer=",
    "demos.js": "data-demo=",
    "charts.js": "data-charts=",
}
"""What a page must hold to need a script; the others every page has."""


@dataclass(frozen=True)
class ReadingPath:
    """A reading path: the pages that one kind of reader is meant to read, in order."""

    id: Reader
    who: str
    """ "engineers"."""
    about: str

    @property
    def pages(self) -> tuple[Page, ...]:
        """Its pages."""
        return tuple(each for each in pages().values() if self.id in each.front.readers)


READING_PATHS = (
    ReadingPath(
        "engineer",
        "engineers",
        "You build, buy or run the machines and the software on them. This path derives each formula, runs the code "
        "and ends in exercises with numbers for answers.",
    ),
    ReadingPath(
        "data-scientist",
        "data scientists",
        "You train, tune and use models. This path keeps what decides the time, memory and quality of your own runs.",
    ),
    ReadingPath(
        "leader",
        "leaders",
        "You decide what is built and bought. This path keeps what moves cost, time and risk; each chapter's opening "
        "and takeaways can be read alone.",
    ),
)


@dataclass(frozen=True)
class Floor:
    """A layer as the rail and the contents show it."""

    layer: Layer
    number: int
    opening: Page | None
    chapters: tuple[Page, ...]

    @property
    def name(self) -> str:
        """ "Hardware"."""
        return self.layer.capitalize()

    @property
    def file(self) -> str:
        """Where a click leads."""
        return f"{self.layer}/index.html"


@functools.cache
def floors() -> tuple[Floor, ...]:
    """The six layers with their pages, the ground floor first."""
    of = {layer: [each for each in pages().values() if each.layer == layer] for layer in LAYERS}
    return tuple(
        Floor(
            layer,
            number,
            next((each for each in of[layer] if each.front.kind == "opening"), None),
            tuple(each for each in of[layer] if each.front.kind != "opening"),
        )
        for number, layer in enumerate(LAYERS, start=1)
    )


@functools.cache
def environment() -> Environment:
    """The templates. Values are escaped unless they are `Markup`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(THEME),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = day
    made.filters["listed"] = listed
    made.globals.update(book=BOOK, version=__version__, paths=READING_PATHS)
    return made


def document(
    template: str,
    here: str,
    title: str,
    *,
    layer: Layer | None = None,
    live: bool = False,
    bar: str = "",
    **values: Any,
) -> str:
    """A whole HTML document from a template of the theme. `here` is the file it becomes: "hardware/memory.html".

    `bar` is HTML that stands below the top bar: the live edition's scenario. A `live` document may stand at any address
    of the app, so its links begin at the app's root; the others' are relative.
    """
    from markupsafe import Markup

    context = {
        "here": here,
        "root": "/book/" if live else "../" * here.count("/"),
        "title": title,
        "layer": layer,
        "live": live,
        "bar": Markup(bar),
        "floors": floors(),
        "about": "",
        "look": "",
        "maths": False,
        "scripts": (),
        "headings": (),
        "charts": (),
        **values,
    }
    found = environment().get_template(template)
    # rendered without scripts first, to see which the page needs; cheap beside making its body
    text = found.render(context)
    needed = [name for name in _SCRIPTS if live or _NEEDED_BY.get(name, "") in text]
    return found.render({**context, "scripts": needed, "maths": live or 'class="katex' in text})


def page_html(rendered: Rendered, *, live: bool = False, bar: str = "") -> str:
    """The HTML document of a rendered page."""
    from markupsafe import Markup

    source = page(rendered.id)
    floor = floors()[source.part - 1]
    return document(
        "page.html.jinja",
        source.file,
        rendered.title,
        layer=rendered.layer,
        live=live,
        bar=bar,
        about=source.front.lead,
        page=rendered,
        part=floor,
        number=source.number,
        lead=Markup(rendered.lead),
        readers=listed([path.who for path in READING_PATHS if path.id in rendered.readers]),
        body=Markup(rendered.html),
        headings=[each for each in rendered.headings if each.level == 2 and each.text not in _SAID_ELSEWHERE],
        planned=source.front.planned,
        charts=[label for label, figure in rendered.figures.items() if figure.spec],
        turns=list(_turns(source)),
    )


def carry(document: str, query: str) -> str:
    """The document with the scenario in each of its links to other pages, so that it follows the reader."""
    if not query:
        return document
    with_query = re.compile(r'(<a [^>]*?href="(?:/[\w./+@-]*|(?:\.\./)*[\w-]+(?:/[\w-]+)*\.html))(#[^"]*)?"')
    return with_query.sub(lambda found: f'{found[1]}?{query.replace("&", "&amp;")}{found[2] or ""}"', document)


def assets() -> Iterator[tuple[str, bytes]]:
    """The files that pages share, by their path below "assets/"."""
    yield "style.css", (stylesheet() + "\n" + (THEME / "style.css").read_text(encoding="utf-8")).encode()
    yield "mark.svg", (THEME / "mark.svg").read_bytes()
    for file in sorted((THEME / "scripts").glob("*.js")):
        yield file.name, file.read_bytes()
    vendor = THEME / "vendor"
    yield "minisearch.js", (vendor / "minisearch" / "index.js").read_bytes()
    for file in sorted((vendor / "source-serif-4").glob("*.woff2")):
        yield file.name, file.read_bytes()
    yield "katex/katex.min.css", (vendor / "katex" / "katex.min.css").read_bytes()
    for file in sorted((vendor / "katex" / "fonts").glob("*.woff2")):
        yield f"katex/fonts/{file.name}", file.read_bytes()


@functools.cache
def vega() -> bytes:
    """The script that draws charts in the browser, `assets/vega.js`, as vl-convert carries it."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.aistackVega = vegaEmbed;")
    return bundle.encode()


def day(date: datetime.date) -> str:
    """A date as people read it: "22 November 2026"."""
    return f"{date.day} {date:%B %Y}"


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def _turns(here: Page) -> Iterator[Mapping[str, Any]]:
    """The pages before and after this one, in the book and on each path that it lies on."""
    ways: list[tuple[str, str, Sequence[Page]]] = [("", "", tuple(pages().values()))]
    ways += [(path.id, path.who, path.pages) for path in READING_PATHS]
    for name, who, way in ways:
        ids = [each.id for each in way]
        if here.id in ids:
            at = ids.index(here.id)
            yield {
                "id": name,
                "who": who,
                "before": way[at - 1] if at else None,
                "after": way[at + 1] if at + 1 < len(way) else None,
            }
