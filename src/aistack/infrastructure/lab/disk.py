"""A checkpoint's way to this machine's disk and back, timed by size."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aistack.errors import AistackError
from aistack.hardware.lab.timing import Timing
from aistack.units import text

_CHUNK = 4 * 2**20


@dataclass(frozen=True)
class Phases:
    """The repeated times of the three phases of one size's files."""

    write: Timing
    """Handing the bytes to the operating system."""
    sync: Timing
    """fsync: until the device says that it has them."""
    read: Timing
    """Reading them back after the operating system was asked to forget them (posix_fadvise, DONTNEED).

    The device's own cache, and a virtual machine's host, may still remember them: this is a read through the whole
    system as it stands, not the speed of bare storage.
    """

    @property
    def save(self) -> Timing:
        """Write and sync together, repeat by repeat."""
        return Timing(tuple(w + s for w, s in zip(self.write.seconds, self.sync.seconds, strict=True)))


def measure(folder: Path, sizes: Sequence[int], budget: float, rounds: int = 3) -> dict[int, Phases]:
    """Write, sync and read files of each of `sizes` bytes in `folder`, in turns, for about `budget` seconds.

    The files hold random bytes, which no disk can compress, and are removed whatever happens. Raises `AistackError`
    where the disk has no room for them or runs full meanwhile.
    """
    content = os.urandom(_CHUNK)
    times: dict[int, list[tuple[float, float, float]]] = {size: [] for size in sizes}
    started = time.perf_counter()
    taken = 0
    # always the same name, so that what a killed attempt left behind is overwritten and then removed
    path = folder / ".checkpoint-being-timed"
    _require_room(folder, max(sizes))
    while taken < rounds or time.perf_counter() - started < budget:
        for size in sizes:
            times[size].append(_once(path, size, content))
        taken += 1
    return {size: Phases(*(Timing(phase) for phase in zip(*each, strict=True))) for size, each in times.items()}


def _once(path: Path, size: int, content: bytes) -> tuple[float, float, float]:
    """Seconds of writing, syncing and reading one new file; it is gone afterwards."""
    try:
        with path.open("wb", buffering=0) as file:
            writing = _timed(lambda: _write(file.fileno(), size, content))
            syncing = _timed(lambda: os.fsync(file.fileno()))
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            buffer = memoryview(bytearray(_CHUNK))

            def read() -> None:
                while file.readinto(buffer):
                    pass

            reading = _timed(read)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _full(path.parent, size) from None
        raise
    finally:
        path.unlink(missing_ok=True)
    return writing, syncing, reading


def _write(descriptor: int, size: int, content: bytes) -> None:
    left = size
    while left:
        left -= os.write(descriptor, memoryview(content)[: min(left, len(content))])


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _require_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < 2 * size:
        raise _full(folder, size)


def _full(folder: Path, size: int) -> AistackError:
    return AistackError(
        f"The disk that holds {folder} is full: measuring it takes files of up to {text(size, 'B')}. Nothing was left "
        "behind. Free some space, or choose a folder on another disk, and try again."
    )
