"""Everything that can be wrong with the book, found at once."""

from __future__ import annotations

import re
import traceback
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from aistack.book import bare, bibliography, code, glossary, labels, outputs
from aistack.book.back import term_html
from aistack.book.page import PARTS, REQUIRED, Page, pages
from aistack.book.page import page as page_of
from aistack.book.predictions import predictions
from aistack.book.render import Rendered, render
from aistack.book.setting import PRESETS, Setting
from aistack.drawing import LAYERS
from aistack.errors import AistackError, nearest

_REQUEST = re.compile(
    r"""(?:src|srcset|poster|action|formaction)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|@import"""
)
_LONG_ENOUGH = 12
"""Words of a paragraph that must not be there twice."""
_BACK = ("index.html", "glossary/index.html", "back/references.html", "back/index.html", "back/predictions.html")


@dataclass(frozen=True)
class Problem:
    """Something to put right."""

    where: str
    """File and line, or the file alone."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def problems(only: str = "", *, settings: Iterable[Setting] = (), run_code: bool = True) -> list[Problem]:
    """What is wrong with the book, or with `only` one page, under these settings (none: the default and all presets).

    `run_code` also runs what the pages say is run, unless it is known how that comes out. Raises `UnknownName` for
    the page.
    """
    try:
        everything = pages()
        for read in (bibliography.works, glossary.terms, predictions):
            read()
    except AistackError as error:
        return [Problem("parts", str(error))]
    looked_at = [page_of(only)] if only else list(everything.values())
    found: list[Problem] = []
    rendered: dict[str, Rendered] = {}
    for setting in tuple(settings) or (Setting(), *PRESETS.values()):
        for page in looked_at:
            try:
                one = render(page.id, setting)
            except AistackError as error:
                found.append(_from(error, _with(setting)))
                continue
            except Exception as error:
                # a slip in the page's module; the others are still looked at
                place = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno}){_with(setting)}"
                found.append(Problem(page.at(1), what))
                continue
            found += _of_html(one)
            rendered.setdefault(page.id, one)
    for page in looked_at:
        found += [
            _at(page, line, f"{text!r} is typed; let the catalog or the page's module give it")
            for line, text in bare.bare_numbers(page)
        ]
        if run_code:
            try:
                found += [_at(page, line, what) for line, what in code.problems(page)]
            except AistackError as error:
                found.append(_from(error))
    if only:
        return list(dict.fromkeys(found))
    found += _of_glossary()
    found += _of_parts(everything.values())
    found += _of_lists(everything.values())
    found += _twice(rendered.values())
    found += _strays(everything.values())
    found += _of_theme(PARTS.parent / "theme")
    return list(dict.fromkeys(found))


def _with(setting: Setting) -> str:
    return f" (with {setting.query()})" if setting.query() else ""


def _at(page: Page, line: int, what: str) -> Problem:
    return Problem(page.at(line), what)


def _from(error: AistackError, remark: str = "") -> Problem:
    where, colon, what = str(error).partition(": ")
    return Problem(where, what + remark) if colon and "/" in where else Problem("parts", f"{error}{remark}")


def _of_html(rendered: Rendered) -> Iterator[Problem]:
    """What the HTML of a page shows: drawings without words, requests to elsewhere, ids there twice, dead links."""
    page = rendered.page
    where = page.at(page.first_line)
    seen = _Seen()
    seen.feed(rendered.html)
    for what in seen.without_words:
        yield Problem(where, f"{what} has no text for those who cannot see it")
    for found in _REQUEST.findall(rendered.html):
        yield Problem(where, f"the page asks another host for something: {found}")
    for name, count in Counter(seen.ids).items():
        if count > 1:
            yield Problem(where, f"the id {name!r} is there {count} times")
    files = {each.file for each in pages().values()} | {glossary.file(name) for name in glossary.terms()} | {*_BACK}
    for address in dict.fromkeys(seen.links):
        path, _, anchor = address.partition("#")
        if re.match(r"https?:", path):
            continue
        file = _file(page, path)
        if path and file not in files:
            yield Problem(where, f"the link to {address!r} leads nowhere")
        if not path and anchor not in seen.ids:
            near = nearest(anchor, seen.ids)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            yield Problem(where, f"there is no {anchor!r} on the page to link to{hint}")
    if re.search(r"&lt;span class=|[\ue000-\ue003]", rendered.html):
        yield Problem(where, "a number was joined with text within {{ }}; give it braces of its own")


def _file(page: Page, path: str) -> str:
    import posixpath

    return posixpath.normpath(posixpath.join(posixpath.dirname(page.file), path.partition("?")[0]))


def _of_parts(everything: Iterable[Page]) -> Iterator[Problem]:
    """What a part lacks; one whose opening still plans chapters is not held to be complete."""
    kinds = defaultdict(list)
    orders: Counter[tuple[str, int]] = Counter()
    for page in everything:
        kinds[page.layer].append(page)
        orders[page.layer, page.front.order] += 1
        if orders[page.layer, page.front.order] > 1:
            yield Problem(page.at(1), f"another page of the part has the order {page.front.order} too")
        if page.front.kind == "chapter" and "{takeaways}" not in page.body:
            yield Problem(page.at(1), "a chapter needs its takeaways")
        if page.front.kind == "notes" and not any(each.startswith("ex-") for each in labels.labels(page)):
            yield Problem(page.at(1), "learning notes need exercises")
        if page.front.planned and page.front.kind != "opening":
            yield Problem(page.at(1), "only a part's opening plans chapters")
    for layer in LAYERS:
        openings = [page for page in kinds[layer] if page.front.kind == "opening"]
        if not openings:
            yield Problem(f"parts/{layer}", "the part has no opening (index.md)")
        elif not openings[0].front.planned:
            have = {page.front.kind for page in kinds[layer]}
            yield from (
                Problem(f"parts/{layer}", f"the part lacks its {kind}") for kind in REQUIRED if kind not in have
            )


def _of_glossary() -> Iterator[Problem]:
    for name, term in glossary.terms().items():
        for _, text in bare.in_markdown(f"{term.short}\n\n{term.long}"):
            yield Problem("parts/glossary.yaml", f"{name}: {text!r} is typed; let the catalog give it")
        try:
            term_html(name, Setting())
        except AistackError as error:
            yield Problem("parts/glossary.yaml", f"{name}: {error}")
    slugs = Counter(map(glossary.slug, glossary.terms()))
    for slug, count in slugs.items():
        if count > 1:
            yield Problem("parts/glossary.yaml", f"{count} terms have the address {slug!r}")


def _of_lists(everything: Iterable[Page]) -> Iterator[Problem]:
    """Entries of the lists that no page uses in any scenario; works that are there twice."""
    places = defaultdict(list)
    for key, work in bibliography.works().items():
        places[work.link.casefold()].append(key)
    for link, keys in places.items():
        if len(keys) > 1:
            yield Problem("parts/bibliography.yaml", f"{' and '.join(keys)} are one work ({link})")
    text = "\n".join([*(page.body for page in everything), *(term.long for term in glossary.terms().values())])
    cited = {
        key.strip() for keys in re.findall(r"\{cite(?::t)?\}`(?:[^`<]*<)?([^`>]+)", text) for key in keys.split(",")
    }
    cited |= {*re.findall(r"\{research\}[ ]*(\S+)", text)}
    for one in predictions().values():
        cited |= {*one.sources, *([one.outcome.source] if one.outcome else [])}
    used = {found for _, _, found in glossary.mentions(text)}
    used |= {name for one in re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)", text) for name in _named(one)}
    used |= {other for each in glossary.terms().values() for other in each.see}
    shown = {*re.findall(r"\{prediction\}[ ]*(\S+)", text)}
    # the vision of a part to come will show its predictions; until then the list of all does
    with_vision = {page.layer for page in everything if page.front.kind == "vision"}
    shown |= {key for key, each in predictions().items() if each.layer not in with_vision}
    for key in sorted(cited - bibliography.works().keys()):
        yield Problem("parts", f"{key!r} is cited, but not in bibliography.yaml")
    for what, file, unused in (
        ("work is not cited", "bibliography.yaml", bibliography.works().keys() - cited),
        ("term is not used", "glossary.yaml", glossary.terms().keys() - used),
        ("prediction is not shown", "predictions.yaml", predictions().keys() - shown),
    ):
        yield from (Problem(f"parts/{file}", f"{key}: the {what} on any page") for key in sorted(unused))


def _named(term: str) -> tuple[str, ...]:
    try:
        return (glossary.find(term.strip()),)
    except AistackError:
        # rendering says so
        return ()


def _twice(rendered: Iterable[Rendered]) -> Iterator[Problem]:
    """Paragraphs that the book has twice."""
    first: dict[str, str] = {}
    for each in rendered:
        body = re.sub(r'<(aside class="note|section class="references).*?</(aside|section)>', "", each.html, flags=re.S)
        for paragraph in re.findall(r"<p>(.*?)</p>", body, re.S):
            words = " ".join(re.sub(r"<[^>]+>", "", paragraph).split()).casefold()
            if len(words.split()) < _LONG_ENOUGH:
                continue
            where = each.page.at(each.page.first_line)
            if words in first:
                yield Problem(where, f"this paragraph is in {first[words]} too: {words[:60]}...")
            first.setdefault(words, each.id)


def _strays(everything: Collection[Page]) -> Iterator[Problem]:
    """Files among the parts that belong to no page."""
    owned = {path for page in everything for path in (page.path, page.module_path, outputs.file(page))}
    owned |= {page.module_path.with_suffix(suffix) for page in everything for suffix in (".json", ".yaml", ".csv")}
    owned |= {bibliography.FILE, glossary.FILE, PARTS / "predictions.yaml"}
    for path in sorted(PARTS.rglob("*")):
        if path.is_file() and path not in owned and path.name != "__init__.py" and path.suffix != ".pyc":
            yield Problem(str(path.relative_to(PARTS.parent)), "the file belongs to no page")


class _Seen(HTMLParser):
    """Ids, links and drawings without words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.without_words: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img" and not given.get("alt", "").strip():
            self.without_words.append("an image")
        if tag == "svg" and given.get("role") == "img" and not given.get("aria-label", "").strip():
            self.without_words.append("a drawing")


def _of_theme(folder: Path) -> Iterator[Problem]:
    """Requests to other hosts that templates, styles and scripts of the theme would make."""
    for path in sorted(folder.rglob("*")):
        ours = "vendor" not in path.parts and path.suffix in (".jinja", ".js", ".html")
        if ours or path.suffix == ".css":
            for found in _REQUEST.findall(path.read_text(encoding="utf-8")):
                yield Problem(str(path.relative_to(folder.parent)), f"it asks another host for something: {found}")
