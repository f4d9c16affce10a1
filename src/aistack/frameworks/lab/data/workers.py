"""Worker processes: results come in the order of the work, and only a few pieces of work are under way at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TypeVar

from aistack.errors import AistackError
from aistack.frameworks.lab.data.language import identify

Work = TypeVar("Work")
Result = TypeVar("Result")
AHEAD = 4
"""Pieces of work a worker that may wait, so that memory stays bounded."""


@contextmanager
def pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """`workers` fresh processes, already starting. They end when this process does, even when it is killed."""
    # fresh rather than forked: a fork of a process with running threads (PyTorch's, the tokenizer's) may hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin) as executor:
        try:
            for _ in range(workers):
                executor.submit(usable_cores)
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


def in_order(
    executor: ProcessPoolExecutor | None, function: Callable[[Work], Result], items: Iterable[Work], workers: int = 1
) -> Iterator[Result]:
    """`function` of each item, in their order; without an executor it runs here.

    Raises `AistackError` where a worker process dies.
    """
    if executor is None:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise AistackError(
            "A worker process was killed, most likely because memory ran out. Free some memory and run again."
        ) from None


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _begin() -> None:
    # loaded while the parent still does something else
    identify("a first text")
    # an interrupt goes to the whole group; the parent hears it and ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
