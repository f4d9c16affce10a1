"""The HTTP face of a worker: OpenAI's API, health and metrics."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from aistack.errors import BadInput, UnknownName
from aistack.serving.lab.engine import Piece
from aistack.serving.lab.prompts import Prompts
from aistack.serving.lab.protocol import DONE, Answer, ApiError, ChatRequest, CompletionRequest, event, read, usage
from aistack.serving.lab.worker import EngineFailed, QueueFull, Worker

Result = TypeVar("Result")

BODY_LIMIT = 1 << 20
"""Bytes of the largest request body that is read."""


class Api:
    """The routes over one model, served under `name`."""

    def __init__(self, worker: Worker, prompts: Prompts, name: str) -> None:
        self._worker, self._prompts, self._name = worker, prompts, name
        self._created = int(time.time())

    async def models(self, _: Request) -> Response:
        """`GET /v1/models`: the one model."""
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/NAME`."""
        self._check_model(request.path_params["name"])
        return JSONResponse(self._card())

    async def health(self, _: Request) -> Response:
        """`GET /health`: 200 while the engine runs, 503 after it failed."""
        failure = self._worker.failure
        return JSONResponse({"status": str(failure) if failure else "ok"}, 503 if failure else 200)

    async def metrics(self, _: Request) -> Response:
        """`GET /metrics` in Prometheus' text format."""
        return Response(self._worker.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def completions(self, request: Request) -> Response:
        """`POST /v1/completions`: continue a text."""
        asked = read(CompletionRequest, await _body(request))
        self._check_model(asked.model)
        if isinstance(asked.prompt, str):
            prompt = self._prompts.encode(asked.prompt)
        else:
            prompt = asked.prompt
            vocab = self._worker.engine.model.spec.vocab
            if not prompt or min(prompt) < 0 or max(prompt) >= vocab:
                raise ApiError(400, f"prompt must hold tokens from 0 to {vocab - 1}, at least one.", "prompt")
        return await self._answer(request, asked, prompt, asked.max_tokens or 16)

    async def chat(self, request: Request) -> Response:
        """`POST /v1/chat/completions`: answer a conversation, by default for as long as the context allows."""
        asked = read(ChatRequest, await _body(request))
        self._check_model(asked.model)
        try:
            prompt = self._prompts.encode_chat([{"role": turn.role, "content": turn.text} for turn in asked.messages])
        except BadInput as error:
            raise ApiError(400, str(error), "messages") from None
        room = max(1, self._worker.engine.max_context - len(prompt))
        return await self._answer(request, asked, prompt, asked.max_completion_tokens or asked.max_tokens or room)

    def _card(self) -> dict[str, object]:
        length = self._worker.engine.max_context
        return {
            "id": self._name,
            "object": "model",
            "created": self._created,
            "owned_by": "aistack",
            "max_model_len": length,
        }

    def _check_model(self, name: str) -> None:
        if name != self._name:
            unknown = UnknownName("model", name[:200], [self._name])
            hint = "" if unknown.nearest else f" This server has {self._name!r}."
            raise ApiError(404, f"{unknown}{hint}", "model", "model_not_found")

    async def _answer(
        self, request: Request, asked: CompletionRequest | ChatRequest, prompt: list[int], max_tokens: int
    ) -> Response:
        longest = self._worker.engine.max_context
        if len(prompt) + max_tokens > longest:
            raise ApiError(
                400,
                f"This model's context is {longest} tokens, but {len(prompt)} in the prompt and {max_tokens} to be "
                f"generated are {len(prompt) + max_tokens}. Shorten the prompt or ask for fewer tokens.",
                "prompt" if isinstance(asked, CompletionRequest) else "messages",
                "context_length_exceeded",
            )
        pieces = self._worker.generate(prompt, asked.sampling(max_tokens))
        answer = Answer(isinstance(asked, ChatRequest), uuid.uuid4().hex, int(time.time()), self._name)
        try:
            # the first piece is awaited here, so that a full queue is a 429 and not a broken stream
            first = await _unless_gone(request, anext(pieces))
        except BaseException:
            await pieces.aclose()
            raise
        self._worker.metrics.prompt_tokens.inc(len(prompt))
        if asked.stream:
            stream = _events(answer, first, pieces, len(prompt), asked.with_usage)
            return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-cache"})
        return JSONResponse(await _unless_gone(request, _whole(answer, first, pieces, len(prompt))))


def create_app(worker: Worker, prompts: Prompts, name: str, ready: Callable[[], object]) -> Starlette:
    """The application; the worker runs while it runs, and `ready` is called once it does."""
    api = Api(worker, prompts, name)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker.start()
        ready()
        yield
        worker.stop()

    return Starlette(
        routes=[
            Route("/health", api.health),
            Route("/metrics", api.metrics),
            Route("/v1/models", api.models),
            Route("/v1/models/{name:path}", api.model),
            Route("/v1/completions", api.completions, methods=["POST"]),
            Route("/v1/chat/completions", api.chat, methods=["POST"]),
        ],
        exception_handlers={
            ApiError: _refused,
            QueueFull: _full,
            EngineFailed: _failed,
            HTTPException: _http,
            ClientDisconnect: _gone,
        },
        lifespan=lifespan,
    )


async def _body(request: Request) -> bytes:
    """The request's body, if it says that it is JSON and is not too long."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"The body must be application/json, not {kind or 'of no type'}.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise ApiError(413, f"The body is longer than the {BODY_LIMIT:,} bytes that are read.")
    return bytes(body)


async def _whole(answer: Answer, first: Piece, pieces: AsyncGenerator[Piece], prompt_tokens: int) -> dict[str, object]:
    texts, last = [first.text], first
    async for last in pieces:
        texts.append(last.text)
    return answer.whole("".join(texts), last.finished, usage(prompt_tokens, last.tokens))


async def _events(
    answer: Answer, piece: Piece, pieces: AsyncGenerator[Piece], prompt_tokens: int, with_usage: bool
) -> AsyncIterator[bytes]:
    """The events of a stream. When the client goes away this generator is closed, and with it the request."""
    first = True
    try:
        while True:
            if piece.text or piece.finished:
                yield answer.chunk(piece.text, piece.finished, first)
                first = False
            if piece.finished:
                break
            piece = await anext(pieces)
        if with_usage:
            yield answer.usage(usage(prompt_tokens, piece.tokens))
    except EngineFailed as failure:
        yield event(ApiError(500, str(failure)).body())
    finally:
        await pieces.aclose()
    yield DONE


async def _unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """What `work` gives, which is cancelled when the client goes away first (`ClientDisconnect`)."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status)


async def _full(_: Request, error: Exception) -> Response:
    return JSONResponse(ApiError(429, str(error), code="queue_full").body(), 429, {"retry-after": "1"})


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse(ApiError(500, str(error)).body(), 500)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path[:200]}: {error.detail}."
    return JSONResponse(ApiError(error.status_code, message).body(), error.status_code, error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    # nobody reads it; 499 is nginx's status for a client that closed the request
    return Response(status_code=499)
