"""The book as an EPUB 3: one zip file of XHTML with MathML and SVG. The same book makes the same bytes."""

from __future__ import annotations

import datetime
import html
import posixpath
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aistack import __version__
from aistack.book import bibliography, glossary, roles
from aistack.book.back import term_html, term_line
from aistack.book.markup import Attributes, rewritten
from aistack.book.page import pages
from aistack.book.render import render
from aistack.book.setting import Setting
from aistack.book.shell import BOOK, THEME
from aistack.drawing.theme import ROLES
from aistack.files import replacing

_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container version="1.0" '
    'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="book/package.opf" '
    'media-type="application/oebps-package+xml"/></rootfiles></container>\n'
)
_LEFT_OUT = frozenset({"katex-html", "answer", "player"})
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can name; all entries have it."""


@dataclass(frozen=True)
class _Chapter:
    file: str
    title: str
    level: int
    body: str

    @property
    def properties(self) -> str:
        """What a reading system must be able to do for it."""
        found = [name for name, tag in (("mathml", "<math"), ("svg", "<svg")) if tag in self.body]
        return f' properties="{" ".join(found)}"' if found else ""


def write(path: Path, setting: Setting | None = None) -> None:
    """Write the book under a setting to `path`, whole or not at all. Raises what rendering raises."""
    setting = setting or Setting()
    chapters = list(_chapters(setting))
    modified = max(page.front.verified for page in pages().values())
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as book:
        # uncompressed and first, so that the file says what it is at a fixed place
        _add(book, "mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        _add(book, "META-INF/container.xml", _CONTAINER)
        _add(book, "book/package.opf", _package(chapters, setting, modified))
        _add(book, "book/nav.xhtml", _document("Contents", _nav(chapters)))
        _add(book, "book/style.css", (THEME / "epub.css").read_text(encoding="utf-8"))
        for chapter in chapters:
            _add(book, f"book/{chapter.file}", _document(chapter.title, chapter.body))


def _chapters(setting: Setting) -> Iterator[_Chapter]:
    mark = _within((THEME / "mark.svg").read_text(encoding="utf-8"), "title.html")
    about = f"Computed for {setting.model} on {setting.count:,} {setting.accelerator}. Version {__version__}. "
    cover = (
        f'<section class="cover">{mark}<h1>{BOOK}</h1><p>The whole AI stack in six layers, from silicon to what people '
        f'use.</p><p class="source">{html.escape(about)}Text and figures CC BY 4.0, code Apache 2.0.</p></section>'
    )
    yield _Chapter("title.xhtml", BOOK, 1, cover)
    for page_id, page in pages().items():
        rendered = render(page_id, setting)
        head = (
            f'<p class="kicker">Part {page.number}</p><h1>{html.escape(rendered.title)}</h1>'
            f'<p class="lead">{rendered.lead}</p>'
        )
        body = f'<article class="layer-{page.layer}">{_within(head + rendered.html, page.file)}</article>'
        yield _Chapter(_file(page.file), rendered.title, 1 if rendered.kind == "opening" else 2, body)
    yield _Chapter("glossary.xhtml", "Glossary", 1, _glossary(setting))
    yield _Chapter("references.xhtml", "References", 1, _references())


def _glossary(setting: Setting) -> str:
    entries = "".join(
        f'<section id="{glossary.slug(name)}"><p>{term_line(name)}</p>'
        f"{_within(term_html(name, setting), glossary.file(name))}</section>"
        for name in sorted(glossary.terms(), key=str.casefold)
    )
    return f"<h1>Glossary</h1>{entries}"


def _references() -> str:
    works = sorted(bibliography.works().items(), key=lambda each: (each[1].authors[0].casefold(), each[1].year))
    entries = "".join(f'<li id="ref-{key}">{roles.reference(key)}</li>' for key, _ in works)
    return f"<h1>References</h1><ol>{_within(entries, 'back/references.html')}</ol>"


def _within(text: str, file: str) -> str:
    """HTML of the site's `file` as XHTML of the book: still, without what needs a script, links led to its files."""

    def change(tag: str, attributes: Attributes) -> tuple[str, Attributes] | None:
        classes = attributes.get("class", "").split()
        if tag in ("form", "button") or _LEFT_OUT.intersection(classes) or attributes.get("display") == "none":
            return None
        if tag == "details" and "solution" not in classes:
            return None
        if tag == "section" and "references" in classes:
            return None
        if tag in ("details", "summary"):
            # reading systems fold nothing
            tag = "div" if tag == "details" else "h4"
        if tag == "a" and "href" in attributes:
            attributes["href"] = _target(attributes["href"], file)
        if "paint-order" in attributes:
            # an attribute of SVG 2; EPUB's checker knows it as a style alone
            attributes["style"] = f"paint-order:{attributes.pop('paint-order')}"
        if "n" in classes:
            attributes = {"class": attributes["class"]}
        left_out = ("tabindex", "aria-live", "aria-labelledby", "aria-describedby")
        kept = {
            name: _plain(value)
            for name, value in attributes.items()
            if name not in left_out and not name.startswith("data-")
        }
        return tag, kept

    return rewritten(text, change)


def _plain(value: str) -> str:
    """A colour variable as its colour on paper."""
    for role, (on_paper, _) in ROLES.items():
        value = value.replace(f"var(--{role})", on_paper)
    return value


def _target(href: str, file: str) -> str:
    parts = urlsplit(href)
    if parts.scheme:
        return href
    if parts.fragment.startswith("ref-"):
        return f"references.xhtml#{parts.fragment}"
    if not parts.path:
        return href
    there = posixpath.normpath(posixpath.join(posixpath.dirname(file), parts.path))
    if there.startswith("glossary/"):
        return f"glossary.xhtml#{posixpath.basename(there).removesuffix('.html')}"
    return _file(there) + (f"#{parts.fragment}" if parts.fragment else "")


def _file(path: str) -> str:
    return f"{path.removesuffix('.html').removesuffix('/index').replace('/', '-')}.xhtml"


def _document(title: str, body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        'xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en"><head><meta charset="UTF-8"/>'
        f'<title>{html.escape(title)}</title><link rel="stylesheet" href="style.css"/></head>'
        f"<body>{body}</body></html>\n"
    )


def _nav(chapters: Sequence[_Chapter]) -> str:
    items = ""
    open_item = False
    for place, chapter in enumerate(chapters):
        link = f'<a href="{chapter.file}">{html.escape(chapter.title)}</a>'
        deeper = place + 1 < len(chapters) and chapters[place + 1].level > chapter.level
        if chapter.level == 1:
            items += f"<li>{link}<ol>" if deeper else f"<li>{link}</li>"
            open_item = deeper
        else:
            items += f"<li>{link}</li>"
            last = place + 1 == len(chapters) or chapters[place + 1].level == 1
            if last and open_item:
                items += "</ol></li>"
                open_item = False
    return f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{items}</ol></nav>'


def _package(chapters: Sequence[_Chapter], setting: Setting, modified: datetime.date) -> str:
    name = f"aistack-{__version__}-{modified}-{setting.query()}"
    items = "".join(
        f'<item id="c{place}" href="{chapter.file}" media-type="application/xhtml+xml"{chapter.properties}/>'
        for place, chapter in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{place}"/>' for place in range(1, len(chapters)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id" xml:lang="en"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}</dc:identifier>'
        f"<dc:title>{BOOK}</dc:title><dc:language>en</dc:language><dc:creator>The {BOOK} authors</dc:creator>"
        "<dc:rights>CC BY 4.0</dc:rights><dc:subject>Artificial intelligence</dc:subject>"
        f"<dc:date>{modified}</dc:date>"
        f'<meta property="dcterms:modified">{modified}T00:00:00Z</meta>'
        '<meta property="schema:accessMode">textual</meta><meta property="schema:accessMode">visual</meta>'
        '<meta property="schema:accessModeSufficient">textual</meta>'
        '<meta property="schema:accessibilityFeature">alternativeText</meta>'
        '<meta property="schema:accessibilityFeature">MathML</meta>'
        '<meta property="schema:accessibilityFeature">tableOfContents</meta>'
        '<meta property="schema:accessibilityHazard">none</meta></metadata><manifest>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f'<item id="style" href="style.css" media-type="text/css"/>{items}</manifest>'
        f'<spine><itemref idref="c0"/><itemref idref="nav"/>{spine}</spine></package>\n'
    )


def _add(book: zipfile.ZipFile, name: str, text: str, method: int = zipfile.ZIP_DEFLATED) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    book.writestr(entry, text.encode())
