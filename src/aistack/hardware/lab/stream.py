"""Streaming bandwidth on this machine, by working set, so that the levels of the memory hierarchy show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from aistack.hardware.lab.timing import Timing
from aistack.hardware.lab.timing import measure as measure_in_turns

Array = npt.NDArray[np.float32]

_ELEMENT = 4
_BYTES_A_CALL = 1e8
"""What one call moves at least, so that handing it to the threads does not count."""


def measure(working_sets: Sequence[int], device: str, threads: int, budget: float) -> dict[int, Timing]:
    """Seconds a byte of reading one half of each working set (bytes) and writing the other, again and again.

    Reads and writes count together, as in STREAM's "scale" (McCalpin, 1995); the reads that a cache adds before it
    writes a line are not counted. On the CPU each of `threads` threads sweeps its own part, with NumPy: PyTorch's
    cost of a call would hide the caches. Takes about `budget` seconds.
    """
    if device == "cuda":
        times = measure_in_turns({size: _cuda_sweep(size) for size in working_sets}, budget, device)
        return {size: Timing(tuple(seconds / size for seconds in timing.seconds)) for size, timing in times.items()}
    counts = {size: max(1, size // (2 * _ELEMENT * threads)) for size in working_sets}
    # written, not just reserved: all that nobody wrote to is one page of zeros, which would be read from a cache
    memories = [np.ones(2 * max(counts.values()), np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        sweeps = {size: _cpu_sweep(memories, count, pool) for size, count in counts.items()}
        times = measure_in_turns({size: sweep for size, (sweep, _) in sweeps.items()}, budget)
    return {size: Timing(tuple(s / sweeps[size][1] for s in timing.seconds)) for size, timing in times.items()}


def _cpu_sweep(memories: Sequence[Array], count: int, pool: ThreadPoolExecutor) -> tuple[Callable[[], object], float]:
    """A function that sweeps over the first 2 x `count` elements of each memory, and how many bytes a call moves."""
    moved = 2.0 * _ELEMENT * count * len(memories)
    again = max(1, round(_BYTES_A_CALL / moved))
    shape, strides = (again, count), (0, _ELEMENT)

    def sweep(memory: Array) -> None:
        # Every row is the same elements, so one call sweeps `again` times. NumPy's iterator would copy short rows
        # into its buffer first; a buffer smaller than a row makes it use them in place. The setting is the thread's.
        np.setbufsize(1024)
        source = as_strided(memory[:count], shape, strides, writeable=False)
        target = as_strided(memory[count : 2 * count], shape, strides, writeable=True)
        np.add(source, np.float32(1), out=target)

    return lambda: list(pool.map(sweep, memories)), moved * again


def _cuda_sweep(working_set: int) -> Callable[[], object]:
    import torch

    source = torch.zeros(working_set // (2 * _ELEMENT), device="cuda")
    target = torch.zeros_like(source)
    return lambda: torch.add(source, 1.0, out=target)
