"""Concurrent clients that load a server and see for themselves how fast it answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from statistics import median

import httpx

from aistack.errors import AistackError
from aistack.serving.latency import Load, Served
from aistack.serving.workload import Ask

_PATIENCE = 60.0


def measure(url: str, model: str, asks: Sequence[Ask], clients: int, seconds: float) -> Load:
    """Let `clients` send `asks` to the server at `url`, each the next one when its last is answered, for `seconds`.

    Requests under way at the end are finished, and every client has sent at least one. Answers stream; an answer's
    tokens are timed when their event arrives. Raises `AistackError` where the server refuses or breaks off.
    """
    return asyncio.run(_load(url, model, asks, clients, seconds))


def measure_bursts(url: str, model: str, ask: Ask, count: int, repeats: int) -> Load:
    """`repeats` times `count` equal requests at once, after one burst that is not counted."""

    async def bursts() -> list[Served]:
        served = list[Served]()
        async with _connected(url, count) as http:
            for repeat in range(repeats + 1):
                began = time.perf_counter()
                burst = await asyncio.gather(*(_ask(http, model, ask, number, began) for number in range(count)))
                served += burst if repeat else []
        return served

    return Load(count, 0.0, tuple(asyncio.run(bursts())))


def round_trip(url: str, count: int = 20) -> float:
    """Median seconds of a request that asks for next to nothing (`/health`), sent the same way."""

    async def trips() -> list[float]:
        seconds = []
        async with _connected(url, 1) as http:
            for _ in range(count):
                started = time.perf_counter()
                await http.get("/health")
                seconds.append(time.perf_counter() - started)
        return seconds

    return median(asyncio.run(trips()))


async def _load(url: str, model: str, asks: Sequence[Ask], clients: int, seconds: float) -> Load:
    served = list[Served]()
    async with _connected(url, clients) as http:
        queue, began = _cycle(asks), time.perf_counter()

        async def client(number: int) -> None:
            while True:
                served.append(await _ask(http, model, next(queue), number, began))
                if time.perf_counter() - began >= seconds:
                    return

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(clients):
                    group.create_task(client(number))
        except* (httpx.HTTPError, AistackError) as failures:
            first = failures.exceptions[0]
            raise AistackError(f"The server at {url} failed under {clients} clients: {first!r}") from None
    return Load(clients, seconds, tuple(sorted(served, key=lambda each: each.sent)))


@asynccontextmanager
async def _connected(url: str, clients: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client with as many connections, opened beforehand: opening one takes longer than asking."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=_PATIENCE, trust_env=False) as http:
        await asyncio.gather(*(http.get("/health") for _ in range(clients)))
        yield http


def _cycle(asks: Sequence[Ask]) -> Iterator[Ask]:
    while True:
        yield from asks


async def _ask(http: httpx.AsyncClient, model: str, ask: Ask, client: int, began: float) -> Served:
    body = {
        "model": model,
        "prompt": list(ask.prompt),
        "max_tokens": ask.output,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    sent = time.perf_counter() - began
    events, times = list[str](), list[float]()
    async with http.stream("POST", "/v1/completions", json=body) as response:
        if response.status_code != 200:
            raise AistackError(f"HTTP {response.status_code}: {(await response.aread()).decode()[:500]}")
        async for line in response.aiter_lines():
            if line:
                events.append(line)
                times.append(time.perf_counter() - began)
    if len(events) < 3 or events[-1] != "data: [DONE]":
        raise AistackError(f"An answer broke off after {len(events)} events: {events[-1:]}")
    tokens = int(json.loads(events[-2].removeprefix("data: "))["usage"]["completion_tokens"])
    # an event holds one token or, after half a character, a few
    return Served(client, len(ask.prompt), tokens, sent, _spread(times[:-2], tokens))


def _spread(times: Sequence[float], tokens: int) -> tuple[float, ...]:
    """`tokens` arrival times out of those of fewer or as many events."""
    return tuple(times[min(len(times) - 1, index * len(times) // tokens)] for index in range(tokens))
