"""The book as one PDF: tagged, with an outline, printed by the Chromium that this machine has."""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from aistack.book import bibliography, glossary, roles
from aistack.book.back import term_html, term_line
from aistack.book.markup import Attributes, rewritten
from aistack.book.page import pages
from aistack.book.render import Rendered, render
from aistack.book.setting import Setting
from aistack.book.shell import assets, document
from aistack.errors import AistackError
from aistack.files import replacing

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_SECONDS = 600


class NoBrowser(AistackError):
    """No browser that prints."""

    def __init__(self) -> None:
        super().__init__(
            "The PDF is printed by Chromium, and none was found. Install it (Debian, Ubuntu: apt-get install chromium; "
            "macOS: brew install --cask chromium), or build the site and the EPUB, which need none."
        )


def write(path: Path, setting: Setting | None = None) -> None:
    """Write the book under a setting to `path`, whole or not at all. Raises `NoBrowser`, and what rendering raises."""
    browser = find_browser()
    text = printable(setting or Setting())
    with tempfile.TemporaryDirectory(prefix="aistack-book-") as folder:
        root = Path(folder)
        for name, content in assets():
            if not name.endswith(".js"):
                file = root / "assets" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        (root / "book.html").write_text(text, encoding="utf-8")
        printed = root / "book.pdf"
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-first-run",
            f"--user-data-dir={root / 'profile'}",
            "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
            "--export-tagged-pdf",
            f"--print-to-pdf={printed}",
            (root / "book.html").as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's sandbox refuses the superuser, who is the usual user of a container
            command.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise AistackError(f"{browser} did not print the book within {_SECONDS} s.") from None
        if done.returncode or not printed.exists():
            said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise AistackError(f"{browser} could not print the book: {said[0]}")
        with replacing(path) as partial:
            shutil.copyfile(printed, partial)


def find_browser() -> str:
    """The path of a Chromium or one of its kin. Raises `NoBrowser`."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise NoBrowser


def printable(setting: Setting) -> str:
    """The whole book as one HTML document for print."""
    from markupsafe import Markup

    rendered = [render(page_id, setting) for page_id in pages()]
    chapters = [
        {
            "id": _anchor(each.page.file),
            "level": 1 if each.kind == "opening" else 2,
            "page": each,
            "lead": Markup(each.lead),
            "body": Markup(_body(each)),
        }
        for each in rendered
    ]
    terms = [
        {
            "id": _anchor(glossary.file(name)),
            "line": Markup(term_line(name)),
            "body": Markup(_linked(term_html(name, setting), glossary.file(name), 0)),
        }
        for name in sorted(glossary.terms(), key=str.casefold)
    ]
    works = [
        {"id": f"{_anchor('back/references.html')}--ref-{key}", "html": Markup(roles.reference(key))}
        for key in sorted(bibliography.works(), key=lambda key: bibliography.works()[key].authors[0].casefold())
    ]
    return document(
        "print.html.jinja",
        "book.html",
        "AI Stack DeepDive",
        look="book",
        chapters=chapters,
        terms=terms,
        works=works,
        setting=setting,
        verified=max(each.verified for each in rendered),
    )


def _body(rendered: Rendered) -> str:
    return _linked(rendered.html, rendered.page.file, 0 if rendered.kind == "opening" else 1)


def _linked(text: str, file: str, deeper: int) -> str:
    """HTML of `file` as a part of the one document: ids made unique, links led to them, headings `deeper`."""

    def change(tag: str, attributes: Attributes) -> tuple[str, Attributes] | None:
        classes = attributes.get("class", "").split()
        if tag == "form" or "answer" in classes or (tag == "details" and "solution" not in classes):
            return None
        if tag == "section" and "references" in classes:
            # all works stand at the end, once
            return None
        if tag == "details":
            attributes["open"] = ""
        for name in ("id", "aria-labelledby", "for"):
            if name in attributes:
                attributes[name] = f"{_anchor(file)}--{attributes[name]}"
        if tag == "a" and "href" in attributes:
            attributes["href"] = _target(attributes["href"], file)
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            tag = f"h{int(tag[1]) + deeper}"
        for name in ("tabindex", "role") if "n" in classes else ():
            attributes.pop(name, None)
        return tag, {name: value for name, value in attributes.items() if not name.startswith("data-")}

    return rewritten(text, change)


def _target(href: str, file: str) -> str:
    """Where a link of `file` leads within the one document."""
    parts = urlsplit(href)
    if parts.scheme:
        return href
    if parts.fragment.startswith("ref-"):
        return f"#{_anchor('back/references.html')}--{parts.fragment}"
    there = posixpath.normpath(posixpath.join(posixpath.dirname(file), parts.path)) if parts.path else file
    return f"#{_anchor(there)}--{parts.fragment}" if parts.fragment else f"#{_anchor(there)}"


def _anchor(file: str) -> str:
    return file.removesuffix(".html").removesuffix("/index").replace("/", "-")
