"""Time operations on a machine that others use too: in turns, many times, and the least disturbed time kept.

Interference only ever adds time, so the best of many repeats says what the hardware can do and is what constants are
fitted to; the median and the spread say what a caller met. Operations are measured in turns, one short burst each,
so that a slow spell falls on all of them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

_BURST = 3e-3
"""Seconds one burst aims at: far above the clock's resolution, below a scheduler's time slice."""


@dataclass(frozen=True)
class Timing:
    """The repeated measurement of one operation."""

    seconds: tuple[float, ...]
    """Seconds of one execution, one value a burst."""

    @property
    def best(self) -> float:
        """The least disturbed time."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The time that a caller typically met."""
        return statistics.median(self.seconds)


def measure(
    operations: Mapping[Key, Callable[[], object]], budget: float, device: str = "cpu", rounds: int = 3
) -> dict[Key, Timing]:
    """Time each of `operations` in turns for about `budget` seconds, and in at least `rounds` rounds.

    On "cuda" the device's own events are the clock, and a burst is queued before it is waited for.
    """
    burst = _cuda_burst if device == "cuda" else _cpu_burst
    started = time.perf_counter()
    counts = {key: _calibrate(operation, burst) for key, operation in operations.items()}
    times: dict[Key, list[float]] = {key: [] for key in operations}
    taken = 0
    while taken < rounds or time.perf_counter() - started < budget:
        for key, operation in operations.items():
            times[key].append(burst(operation, counts[key]))
        taken += 1
    return {key: Timing(tuple(seconds)) for key, seconds in times.items()}


def _calibrate(operation: Callable[[], object], burst: Callable[[Callable[[], object], int], float]) -> int:
    """How many executions make a burst; also the warm-up, which the first call (allocation, kernel choice) needs."""
    operation()
    once = min(burst(operation, 1) for _ in range(2))
    return max(1, min(5000, round(_BURST / max(once, 1e-9))))


def _cpu_burst(operation: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        operation()
    return (time.perf_counter() - started) / count


def _cuda_burst(operation: Callable[[], object], count: int) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        operation()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e-3 / count
