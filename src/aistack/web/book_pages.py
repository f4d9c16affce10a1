"""The book's pages, the same as the static site's, rendered for the scenario in the address."""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from html import escape
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from aistack.book import home, search, shell
from aistack.book.back import back_html, back_matter
from aistack.book.directives.demos import shown
from aistack.book.page import Page, page, pages
from aistack.book.render import Rendered, render
from aistack.book.setting import Setting
from aistack.book.site import charts
from aistack.errors import AistackError, UnknownName
from aistack.web.asked import SETTING, read
from aistack.web.bar import bar
from aistack.web.desk import Desk

STATIC = Path(__file__).parent / "static"
HOME = ("index.html", "")


def routes(desk: Desk) -> list[Route]:
    """`/`, `/book/...` and what the pages ask for."""

    async def at_home(request: Request) -> Response:
        """`GET /`: the stack for the scenario."""
        return await document(request, "index.html")

    async def in_book(request: Request) -> Response:
        """`GET /book/PATH`: a document of the book, or a file that its documents share."""
        path = request.path_params["path"]
        if path in HOME:
            return await document(request, "index.html")
        if path.startswith("assets/"):
            return await desk.do(_asset, path.removeprefix("assets/"))
        if path.startswith("charts/") and path.endswith(".js"):
            chapter = _by_file().get(path.removeprefix("charts/").removesuffix(".js") + ".html")
            if chapter is None:
                raise HTTPException(404, "There is no such file")
            script = await desk.do(_charts, chapter, read(request).setting)
            return Response(script, media_type="text/javascript")
        if path not in _by_file() and path not in back_matter():
            raise HTTPException(404, "The book has no such page")
        return await document(request, path)

    async def document(request: Request, path: str) -> Response:
        asked = read(request)
        # what a form sends is said shorter, so that addresses can be shared
        if request.url.query != asked.query:
            return RedirectResponse(f"{request.url.path}?{asked.query}".rstrip("?"), 303)
        return HTMLResponse(await desk.do(html, path, asked.setting))

    async def demo(request: Request) -> Response:
        """`GET /api/book/demo/LAYER/CHAPTER/NAME`, `.../LAYER/NAME` in openings: what a demo shows for a choice of its
        controls, under a scenario."""
        *of, name = request.path_params.values()
        page_id = "/".join(of)
        if page_id not in pages():
            raise UnknownName("page of the book", page_id, pages())
        own = {key: value for key, value in request.query_params.multi_items() if key not in SETTING}
        asked = read(request, own)
        return JSONResponse(await desk.do(played, page_id, name, own, asked.setting))

    return [
        Route("/", at_home),
        Route("/book/{path:path}", in_book),
        Route("/api/book/demo/{layer}/{name}", demo),
        Route("/api/book/demo/{layer}/{chapter}/{name}", demo),
    ]


def html(path: str, setting: Setting) -> str:
    """A document of the book for a scenario, its links leading on within it.

    A page whose numbers cannot be had for the scenario says why and is shown for the book's own one.
    """
    above = bar(setting)
    if path == "index.html":
        made = home.home_html(setting, live=True, bar=above)
    elif path in _by_file():
        made = _chapter(_by_file()[path], setting, above)
    else:
        made = back_html(path, setting, dict(standard()), live=True, bar=above)
    return shell.carry(made, setting.query())


def played(page_id: str, name: str, given: dict[str, str], setting: Setting) -> dict[str, str]:
    """A demo's answer: `html` as its page and its grid have it. Raises `UnknownName` and `BadInput`."""
    demos = page(page_id).demos(setting)
    if name not in demos:
        raise UnknownName(f"demo in {page_id}", name, demos)
    return {"html": shown(demos[name].run(**demos[name].choice(given)), name)}


@functools.cache
def standard() -> dict[str, Rendered]:
    """All pages for the book's own scenario: what contents, index and search know of them."""
    return {page_id: render(page_id, Setting()) for page_id in pages()}


def readable() -> Iterator[tuple[str, Rendered]]:
    """The pages among them that are in order: one that is not must not hide the others from a search."""
    for page_id in pages():
        with suppress(AistackError):
            yield page_id, render(page_id, Setting())


def _chapter(source: Page, setting: Setting, above: str) -> str:
    try:
        return shell.page_html(render(source.id, setting), live=True, bar=above)
    except AistackError as error:
        if setting == Setting():
            raise
        why = (
            '<aside class="admonition admonition-warning" role="note">'
            '<p class="admonition-title">Shown for the book’s own scenario, since yours has no answer here</p>'
            f'<p class="said">{escape(str(error))}</p></aside>'
        )
        own = render(source.id, Setting())
        return shell.page_html(replace(own, html=why + own.html), live=True, bar=above)


@functools.cache
def _by_file() -> dict[str, Page]:
    return {each.file: each for each in pages().values()}


def _charts(source: Page, setting: Setting) -> str:
    try:
        return charts(render(source.id, setting))
    except AistackError:
        return charts(render(source.id, Setting()))


@functools.cache
def _assets() -> dict[str, bytes]:
    """The theme's shared files and the app's own, by name: nothing else can be asked for."""
    own = {each.name: each.read_bytes() for each in sorted(STATIC.iterdir()) if each.suffix in (".css", ".js")}
    return {**dict(shell.assets()), **own}


@functools.cache
def _sections() -> bytes:
    """What the quick search looks through; the passages are those of the book's own scenario."""
    return search.script(Setting(), dict(readable())).encode()


def _asset(name: str) -> Response:
    if name == "sections.js":
        content: bytes | None = _sections()
    else:
        content = shell.vega() if name == "vega.js" else _assets().get(name)
    if content is None:
        raise HTTPException(404, "There is no such file")
    kind = "font/woff2" if name.endswith(".woff2") else mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=kind, headers={"cache-control": "no-cache"})
