"""The HTTP API: a training or a serving scenario in, the stack's answer out.

It trusts nobody: only requests that name this machine as their host, small bodies, known keys, a few answers and
one search at a time, and models of the catalog alone, since a path would read this machine's files.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aistack import scenario as stack
from aistack.catalog import models
from aistack.catalog.registry import KINDS, kind
from aistack.errors import AistackError, BadInput
from aistack.scenario import (
    ServingScenario,
    TrainingScenario,
    pools_remedies,
    search,
    serving_remedies,
    serving_search,
)
from aistack.web import openapi, page

HERE = re.compile(rb"(127\.0\.0\.1|localhost)(:\d{1,5})?")
"""What a request may call this machine."""
BODY_LIMIT = 64_000
"""Bytes of the largest body that is read."""
AT_ONCE = 4
"""Answers that are computed at once; more wait."""
MOST_SEARCHED = 1024
"""Accelerators among which a search divides replicas; a larger one is for the command line."""


async def home(_: Request) -> Response:
    """`GET /`: a page that lists the API."""
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


def create_app() -> Starlette:
    """The application."""
    answering, searching = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def plan_train(request: Request) -> Response:
        """`GET` and `POST /api/plan/train`: the answer to a training scenario."""
        asked = _scenario(await _values(request))
        async with answering:
            return JSONResponse(await run_in_threadpool(_answer, asked))

    async def plan_search(request: Request) -> Response:
        """`GET` and `POST /api/plan/search`: the best of all legal plans of a scenario's job."""
        asked = _scenario(await _values(request))
        if searching.locked():
            raise HTTPException(429, "A search is under way; ask again when it is done", {"retry-after": "2"})
        async with searching:
            found = await run_in_threadpool(search.search, asked)
        return JSONResponse(search.to_json(found))

    async def plan_serve(request: Request) -> Response:
        """`GET` and `POST /api/plan/serve`: the answer to a serving scenario."""
        asked = _serving(await _values(request))
        async with answering:
            return JSONResponse(await run_in_threadpool(_serving_answer, asked))

    async def serve_search(request: Request) -> Response:
        """`GET` and `POST /api/plan/serve/search`: the best of all deployments of a serving scenario."""
        asked = _serving(await _values(request))
        chips, _ = asked.system
        if chips > MOST_SEARCHED:
            raise BadInput(f"A search here looks at up to {MOST_SEARCHED:,} accelerators, not {chips:,}.")
        if searching.locked():
            raise HTTPException(429, "A search is under way; ask again when it is done", {"retry-after": "2"})
        async with searching:
            found = await run_in_threadpool(serving_search.search, asked)
        return JSONResponse(serving_search.to_json(found))

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/openapi.json", description),
            Route("/api/plan/train", plan_train, methods=["GET", "POST"]),
            Route("/api/plan/search", plan_search, methods=["GET", "POST"]),
            Route("/api/plan/serve", plan_serve, methods=["GET", "POST"]),
            Route("/api/plan/serve/search", serve_search, methods=["GET", "POST"]),
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


class Guard:
    """Lets in only requests for this machine, and tells browsers to keep what goes out to itself."""

    HEADERS = (
        (b"content-security-policy", page.POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self.HEADERS]}
            await send(message)

        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and HERE.fullmatch(hosts[0].lower()):
            await self._app(scope, receive, sending)
        else:
            await _error(421, "This server answers requests for 127.0.0.1 and localhost alone.")(
                scope, receive, sending
            )


async def _values(request: Request) -> Mapping[str, Any]:
    """What is asked, as keys and values: of the query, or of a JSON body. Raises `HTTPException` and `BadInput`."""
    query = request.query_params.multi_items()
    if request.method == "GET":
        repeated = sorted({name for name, _ in query if request.query_params.getlist(name)[1:]})
        if repeated:
            raise BadInput(f"The query gives {', '.join(repeated)} more than once.")
        return dict(query)
    if query:
        raise HTTPException(400, "A POST takes its values from the body, not from the query")
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != "application/json":
        raise HTTPException(415, f"The body must be application/json, not {sent[:100] or 'of no type'}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise HTTPException(413, f"The body is longer than the {BODY_LIMIT:,} bytes that are read")
    try:
        values = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(values, dict):
        raise HTTPException(400, "The body must be one JSON object of keys and values")
    return values


def _scenario(values: Mapping[str, Any]) -> TrainingScenario:
    """The scenario; its model must be one of the catalog's, by whatever name. Raises `BadInput`."""
    asked = stack.from_mapping(values, "The request")
    known = models.named(asked.model).id
    return asked if known == asked.model else stack.from_mapping({**values, "model": known}, "The request")


def _serving(values: Mapping[str, Any]) -> ServingScenario:
    """The serving scenario; its models must be the catalog's, by whatever name. Raises `BadInput`."""
    asked = ServingScenario.from_mapping(values, "The request")
    known = {"model": models.named(asked.model).id}
    if asked.draft is not None:
        known["draft"] = models.named(asked.draft).id
    return ServingScenario.from_mapping({**values, **known}, "The request")


def _serving_answer(asked: ServingScenario) -> dict[str, Any]:
    if asked.apart:
        pools = stack.answer_pools(asked)
        found = stack.to_json(pools)
        return found if pools.meets else {**found, "remedies": list(pools_remedies.pools_remedies(pools))}
    answer = stack.answer_serving(asked)
    found = stack.to_json(answer)
    return found if answer.meets else {**found, "remedies": list(serving_remedies.serving_remedies(answer))}


def _answer(asked: TrainingScenario) -> dict[str, Any]:
    answer = stack.answer(asked)
    found = stack.to_json(answer)
    return found if answer.fits else {**found, "remedies": list(stack.remedies(answer))}


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    return _error(422, str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}.", error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    # nobody reads it; 499 is nginx's status for a client that closed the request
    return Response(status_code=499)


async def _failed(_: Request, __: Exception) -> Response:
    return _error(500, "Something failed here that is not your request's fault; the server's output says what.")
