"""The engine in a thread of its own, and asyncio's way to it."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial

from aistack.errors import AistackError
from aistack.serving.lab.engine import Engine, Piece
from aistack.serving.lab.metrics import Metrics
from aistack.serving.lab.sequence import Sampling


class QueueFull(AistackError):
    """As many requests are under way as the engine takes on."""


class EngineFailed(AistackError):
    """The engine met an error that it cannot go on from."""


@dataclass
class _Open:
    """A request under way, as asyncio sees it."""

    pieces: asyncio.Queue[Piece | EngineFailed] = field(default_factory=asyncio.Queue)
    started: float = field(default_factory=time.perf_counter)
    first: float | None = None


class Worker:
    """Runs an engine: requests cross to its thread by a queue, and each step's pieces come back in one call."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self.engine, self.metrics = engine, metrics
        self.failure: EngineFailed | None = None
        self._inbox: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._open: dict[str, _Open] = {}
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; pieces are delivered to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current step."""
        self._inbox.put(None)
        self._thread.join(timeout=10)

    async def generate(self, prompt: list[int], sampling: Sampling) -> AsyncGenerator[Piece]:
        """The pieces of one request's text as they come. Closing the iterator early aborts the request.

        Raises `QueueFull`, at the first step, where too many are under way, and `EngineFailed`.
        """
        if self.failure:
            raise self.failure
        limits = self.engine.limits
        if len(self._open) >= limits.max_batch + limits.queue:
            raise QueueFull(f"{len(self._open)} requests are under way, all that this server takes on. Try again soon.")
        id, this = uuid.uuid4().hex, _Open()
        self._open[id] = this
        self._inbox.put(partial(self.engine.add, id, prompt, sampling))
        finished = False
        try:
            while not finished:
                piece = await this.pieces.get()
                if isinstance(piece, EngineFailed):
                    raise piece
                finished = piece.finished is not None
                yield piece
        finally:
            del self._open[id]
            if not finished:
                self._inbox.put(partial(self.engine.abort, id))

    def _run(self) -> None:
        try:
            while self._take_in():
                pieces = self.engine.step()
                if pieces:
                    self._hand_over(self._deliver, pieces)
        except Exception as error:
            self._hand_over(self._fail, EngineFailed(f"The engine stopped: {type(error).__name__}: {error}"))
            raise

    def _take_in(self) -> bool:
        """Do what came in, waiting for something where there is no work; False when it is time to end."""
        while True:
            try:
                command = self._inbox.get(block=not self.engine.busy)
            except queue.Empty:
                return True
            if command is None:
                return False
            command()

    def _hand_over(self, call: Callable[..., None], value: object) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, value)

    def _deliver(self, pieces: list[Piece]) -> None:
        now = time.perf_counter()
        self.metrics.generation_tokens.inc(len(pieces))
        for piece in pieces:
            this = self._open.get(piece.id)
            if this is None:
                continue
            if this.first is None:
                this.first = now
                self.metrics.time_to_first_token.observe(now - this.started)
            if piece.finished:
                self.metrics.finished(piece.finished, now - this.started, now - this.first, piece.tokens)
            this.pieces.put_nowait(piece)

    def _fail(self, failure: EngineFailed) -> None:
        self.failure = failure
        for this in self._open.values():
            this.pieces.put_nowait(failure)
