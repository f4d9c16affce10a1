"""Collective operations between real processes on this machine, timed by message size."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from aistack.errors import AistackError
from aistack.hardware.lab.timing import Timing
from aistack.infrastructure.collective import Operation

Message = tuple[Operation, int]
"""An operation and its bytes, as `aistack.infrastructure.collective` counts them."""

MEASURED: tuple[Operation, ...] = ("point-to-point", "all-gather", "all-reduce")
"""The operations that workers can time."""


class GroupFailed(AistackError):
    """A process group that could not be measured; the message says which rank, and its last words."""


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[bytes]
    words: IO[bytes]
    """What it writes to its standard error."""


class Group:
    """Processes that stand ready to exchange messages; `together` starts and stops them."""

    def __init__(self, workers: Sequence[_Worker], backend: str, patience: float) -> None:
        self.backend = backend
        self._workers = workers
        self._patience = patience

    @property
    def ranks(self) -> int:
        """How many processes there are."""
        return len(self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """The operating system's numbers of the processes, rank by rank."""
        return tuple(worker.process.pid for worker in self._workers)

    def measure(self, messages: Sequence[Message], budget: float, rounds: int = 5) -> dict[Message, Timing]:
        """Time each message in turns, for about `budget` seconds and at least `rounds` rounds.

        A time is that of the slowest rank, a burst of equal messages in a row; a point-to-point message is timed there
        and back and halved. Raises `GroupFailed` where a process died or did not answer in time.
        """
        request = json.dumps({"messages": list(messages), "budget": budget, "rounds": rounds}) + "\n"
        for worker in self._workers:
            assert worker.process.stdin is not None
            try:
                worker.process.stdin.write(request.encode())
                worker.process.stdin.flush()
            except BrokenPipeError:
                self._fail("went away")
        answers: list[list[float]] = json.loads(self._answer(budget + self._patience))
        return {message: Timing(tuple(each)) for message, each in zip(messages, answers, strict=True)}

    def _answer(self, patience: float) -> bytes:
        """The line that rank 0 answers with."""
        output = self._workers[0].process.stdout
        assert output is not None
        deadline = time.monotonic() + patience
        received = b""
        while not received.endswith(b"\n"):
            ready, _, _ = select.select([output], [], [], 0.2)
            if ready:
                part = os.read(output.fileno(), 1 << 16)
                if not part:
                    self._fail("ended without an answer")
                received += part
            elif any(worker.process.poll() is not None for worker in self._workers):
                self._fail("died")
            elif time.monotonic() > deadline:
                self._fail(f"did not answer within {patience:.0f} s")
        return received

    def _fail(self, what: str) -> None:
        """Raise `GroupFailed` with the last words of the rank that is to blame: the first one that ended badly."""
        time.sleep(0.2)  # a peer's death reaches the others within a moment; who was first is then known
        ended = [(rank, worker) for rank, worker in enumerate(self._workers) if worker.process.poll()]
        # a rank that was killed or crashed (negative: by a signal) comes before those that only noticed it
        ended.sort(key=lambda pair: pair[1].process.returncode > 0)
        rank, worker = ended[0] if ended else (0, self._workers[0])
        code = worker.process.returncode
        state = f"ended with status {code}" if code is not None else what
        worker.words.seek(0)
        last = worker.words.read().decode("utf-8", "replace").strip().splitlines()[-3:]
        said = f" Its last words: {' | '.join(last)}" if last else ""
        raise GroupFailed(
            f"The measurement between {self.ranks} processes ({self.backend}) failed: rank {rank} {state}.{said} "
            "Nothing is lost; try again, and close what else needs the machine's memory and cores."
        )


@contextmanager
def together(device: str, patience: float = 60.0) -> Iterator[Group]:
    """Start a group and stop it afterwards, whatever happens.

    With several GPUs there is one process a GPU and NCCL between them; else two processes and gloo over the loopback
    interface. A process that does not answer for `patience` seconds counts as failed.
    """
    backend, ranks = _backend(device)
    with tempfile.TemporaryDirectory(prefix="aistack-group-") as folder:
        workers = [_start(backend, rank, ranks, Path(folder), patience) for rank in range(ranks)]
        try:
            yield Group(workers, backend, patience)
        finally:
            _stop(workers)


def _backend(device: str) -> tuple[str, int]:
    if device == "cuda":
        import torch

        if torch.cuda.device_count() > 1:
            return "nccl", torch.cuda.device_count()
    return "gloo", 2


def _start(backend: str, rank: int, ranks: int, folder: Path, patience: float) -> _Worker:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if backend == "gloo" and sys.platform == "linux":
        # otherwise gloo asks which interface the host's own name belongs to, and fails where that has no answer
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    words = (folder / f"rank-{rank}.stderr").open("w+b")
    # -P: nothing in the folder that this happens to run in may stand in for a module of ours
    command = [sys.executable, "-P", "-m", "aistack.infrastructure.lab.worker"]
    arguments: list[Any] = [backend, rank, ranks, folder / "store", patience]
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
        stderr=words,
        env=environment,
    )
    return _Worker(process, words)


def _stop(workers: Sequence[_Worker]) -> None:
    """End all workers: by the end of their input, and where that does not help, by force."""
    for worker in workers:
        if worker.process.stdin is not None:
            with suppress(BrokenPipeError):
                worker.process.stdin.close()
    deadline = time.monotonic() + 3.0
    for worker in workers:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        if worker.process.stdout is not None:
            worker.process.stdout.close()
        worker.words.close()
