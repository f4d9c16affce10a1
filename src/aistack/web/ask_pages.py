"""Ask: passages of the book, the catalog and the last dive that answer a question, each with where it stands."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aistack.book.setting import Setting
from aistack.errors import BadInput
from aistack.web.ask import LONGEST, Hit, Library, generated
from aistack.web.asked import read
from aistack.web.desk import Desk, Later
from aistack.web.sheet import sheet

PASSAGES = 12
READ = 4
"""Passages that a model is shown."""
MOST = 50
BODY_LIMIT = 8_000


def routes(desk: Desk, endpoint: str | None, model: str | None) -> list[Route]:
    """`/ask` and `/api/search`."""
    library = Later(Library)

    async def ask(request: Request) -> Response:
        """`GET /ask`: what is found for `q`. `POST /ask`: also what the endpoint's model makes of it."""
        writing = request.method == "POST"
        if writing and endpoint is None:
            raise HTTPException(404, "No model is configured that could write")
        own = read(request, ("q",))
        question = (dict(parse_qsl(await _body(request))) if writing else own.own).get("q", "")
        text = await desk.do(page, question, own.setting, library, endpoint, model if writing else None, writing)
        return HTMLResponse(text)

    async def search(request: Request) -> Response:
        """`GET /api/search`: what is found for `q`, at most `limit`."""
        given = dict(request.query_params)
        if unknown := given.keys() - {"q", "limit"}:
            raise BadInput(f"There is no parameter {sorted(unknown)[0][:80]!r}; there are q and limit.")
        limit = given.get("limit", str(PASSAGES))
        if not limit.isascii() or not limit.isdigit() or not 1 <= len(limit) <= 2 or not 1 <= int(limit) <= MOST:
            raise BadInput(f"limit is a whole number from 1 to {MOST}.")
        if not given.get("q", "").strip():
            raise BadInput("q is missing: the words to look for.")
        hits = await desk.do(_found, library, given["q"], int(limit), 45.0)
        if hits is None:
            raise HTTPException(503, "The index is being made; ask again in a moment", {"retry-after": "5"})
        return JSONResponse({"results": [hit.json for hit in hits]})

    return [Route("/ask", ask, methods=["GET", "POST"]), Route("/api/search", search)]


def page(
    question: str, setting: Setting, library: Later[Library], endpoint: str | None, model: str | None, writing: bool
) -> str:
    """The page with what is found."""
    question = " ".join(question.split())[:LONGEST]
    hits = _found(library, question, PASSAGES, 20.0) if question else ()
    written: Any = None
    if writing and endpoint and hits:
        written = generated(endpoint, model, question, hits[:READ])
    title = f"“{question}”" if question else "Ask the book, the catalog and your last dive"
    return sheet(
        "ask.html.jinja", "ask", title, setting, question=question, hits=hits, can_write=endpoint is not None,
        written=written, longest=LONGEST,
    )  # fmt: skip


def _found(library: Later[Library], question: str, most: int, seconds: float) -> tuple[Hit, ...] | None:
    """None while the index is being made."""
    made = library.wait(seconds)
    return None if made is None else made.search(question, most)


async def _body(request: Request) -> str:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise HTTPException(413, f"The body is longer than the {BODY_LIMIT:,} bytes that are read")
    return body.decode("utf-8", "replace")
