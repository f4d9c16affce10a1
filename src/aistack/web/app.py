"""The live edition: the book's pages for the reader's scenario, the planner, the catalog, the evidence, dives, search.

It trusts nobody: only requests that name this machine as their host, known paths and keys, a few answers at a time.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aistack.catalog.registry import KINDS, kind
from aistack.errors import AistackError
from aistack.web import (
    ask_pages,
    book_pages,
    catalog_pages,
    dive_pages,
    evidence_pages,
    openapi,
    page,
    plan_api,
    plan_pages,
    sheet,
    trend_pages,
)
from aistack.web.desk import Desk
from aistack.web.guard import Guard


async def listing(_: Request) -> Response:
    """`GET /api`: a page that lists the API."""
    return HTMLResponse(page.html())


async def description(_: Request) -> Response:
    """`GET /openapi.json`."""
    return JSONResponse(openapi.document())


async def names(request: Request) -> Response:
    """`GET /api/catalog`: the kinds of entries; `GET /api/catalog/KIND`: the names of one kind."""
    of = request.path_params.get("kind")
    if of is None:
        return JSONResponse({each.name: len(each.names()) for each in KINDS})
    return JSONResponse(list(kind(of).names()))


def create_app(endpoint: str | None = None, model: str | None = None) -> Starlette:
    """The application; Ask writes with the `model` of an OpenAI-compatible `endpoint`, where one is given."""
    desk = Desk()
    app = Starlette(
        routes=[
            *book_pages.routes(desk),
            *plan_pages.routes(desk),
            *trend_pages.routes(desk),
            *catalog_pages.routes(desk),
            *evidence_pages.routes(desk),
            *dive_pages.routes(desk),
            *ask_pages.routes(desk, endpoint, model),
            *plan_api.routes(desk),
            Route("/api", listing),
            Route("/openapi.json", description),
            Route("/api/catalog", names),
            Route("/api/catalog/{kind}", names),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={
            AistackError: _refused,
            HTTPException: _http,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    # a path with one slash too many is another path
    app.router.redirect_slashes = False
    return app


def _error(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The error as a page for a browser, as JSON for a program."""
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        return HTMLResponse(sheet.failure(status, message), status, headers)
    return JSONResponse({"error": message}, status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    return _error(request, 422 if request.url.path.startswith("/api/") else 400, str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = f"{request.method} {request.url.path[:200]}: {error.detail}."
    return _error(request, error.status_code, said, error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    # nobody reads it; 499 is nginx's status for a client that closed the request
    return Response(status_code=499)


async def _failed(request: Request, __: Exception) -> Response:
    said = "Something failed here that is not your request's fault; the server's output says what."
    return _error(request, 500, said)
