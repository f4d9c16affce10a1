"""The planner's HTTP API: a training or a serving scenario in, the stack's answer out.

Small bodies, known keys, a few answers and one search at a time, and models of the catalog alone, since a path would
read this machine's files.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aistack import scenario as stack
from aistack.catalog import models
from aistack.errors import BadInput
from aistack.scenario import (
    ServingScenario,
    TrainingScenario,
    pools_remedies,
    search,
    serving_remedies,
    serving_search,
)
from aistack.web.desk import Desk

BODY_LIMIT = 64_000
"""Bytes of the largest body that is read."""
MOST_SEARCHED = 1024
"""Accelerators among which a search divides replicas; a larger one is for the command line."""


def routes(desk: Desk) -> list[Route]:
    """`/api/plan/...`."""
    searching = asyncio.Lock()

    async def plan_train(request: Request) -> Response:
        """`GET` and `POST /api/plan/train`: the answer to a training scenario."""
        return JSONResponse(await desk.do(_answer, training(await _values(request))))

    async def plan_search(request: Request) -> Response:
        """`GET` and `POST /api/plan/search`: the best of all legal plans of a scenario's job."""
        asked = training(await _values(request))
        if searching.locked():
            raise HTTPException(429, "A search is under way; ask again when it is done", {"retry-after": "2"})
        async with searching:
            found = await desk.do(search.search, asked)
        return JSONResponse(search.to_json(found))

    async def plan_serve(request: Request) -> Response:
        """`GET` and `POST /api/plan/serve`: the answer to a serving scenario."""
        return JSONResponse(await desk.do(_serving_answer, serving(await _values(request))))

    async def serve_search(request: Request) -> Response:
        """`GET` and `POST /api/plan/serve/search`: the best of all deployments of a serving scenario."""
        asked = serving(await _values(request))
        chips, _ = asked.system
        if chips > MOST_SEARCHED:
            raise BadInput(f"A search here looks at up to {MOST_SEARCHED:,} accelerators, not {chips:,}.")
        if searching.locked():
            raise HTTPException(429, "A search is under way; ask again when it is done", {"retry-after": "2"})
        async with searching:
            found = await desk.do(serving_search.search, asked)
        return JSONResponse(serving_search.to_json(found))

    both = ["GET", "POST"]
    return [
        Route("/api/plan/train", plan_train, methods=both),
        Route("/api/plan/search", plan_search, methods=both),
        Route("/api/plan/serve", plan_serve, methods=both),
        Route("/api/plan/serve/search", serve_search, methods=both),
    ]


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


def training(values: Mapping[str, Any]) -> TrainingScenario:
    """The scenario; its model must be one of the catalog's, by whatever name. Raises `BadInput`."""
    asked = stack.from_mapping(values, "The request")
    known = models.named(asked.model).id
    return asked if known == asked.model else stack.from_mapping({**values, "model": known}, "The request")


def serving(values: Mapping[str, Any]) -> ServingScenario:
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
