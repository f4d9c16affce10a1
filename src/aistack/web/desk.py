"""The desk: where work is done beside the event loop, little at once and none without end in sight."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")

AT_ONCE = 2
"""Pieces of work at once; Python computes one at a time anyway."""
WAITING = 32
"""Pieces under way or waiting, beyond which more are told to come back."""
SECONDS = 60.0
"""How long a request waits for its piece."""


class Desk:
    """A few threads and a short queue."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="desk")
        self._taken = 0

    async def do(self, work: Callable[..., T], *args: object, **named: object) -> T:
        """What `work` returns or raises. Raises `HTTPException`, 503, where too much waits or it takes too long."""
        if self._taken >= WAITING:
            raise HTTPException(503, "Too much is asked at once; ask again in a moment", {"retry-after": "2"})
        loop = asyncio.get_running_loop()
        under_way = loop.run_in_executor(self._pool, functools.partial(work, *args, **named))
        self._taken += 1
        under_way.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(under_way), SECONDS)
        except TimeoutError:
            raise HTTPException(503, f"This takes longer than {SECONDS:.0f} s; ask for less") from None

    def _done(self, _: object) -> None:
        self._taken -= 1


class Later(Generic[T]):
    """What is made once, in a thread of its own, from the first time that it is asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: Future[T] | None = None
        self._lock = threading.Lock()

    def now(self) -> T | None:
        """What was made; None while it is being made. Raises what making it raised."""
        made = self._begun()
        return made.result() if made.done() else None

    def wait(self, seconds: float) -> T | None:
        """The same, after waiting for it for so long."""
        made = self._begun()
        try:
            return made.result(seconds)
        except TimeoutError:
            return None

    def _begun(self) -> Future[T]:
        with self._lock:
            if self._made is None:
                self._made = Future()
                threading.Thread(target=self._run, args=(self._made,), daemon=True).start()
            return self._made

    def _run(self, made: Future[T]) -> None:
        try:
            made.set_result(self._make())
        except BaseException as error:
            made.set_exception(error)
