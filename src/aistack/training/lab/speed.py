"""How long a training step really takes."""

from __future__ import annotations

import time

from aistack.training.lab.learner import Learner

_WARM = 2
"""First steps are slower: memory is faulted in, kernels are chosen."""


def measure(learner: Learner, seconds: float, least: int = 3) -> list[float]:
    """Seconds of each of some further steps of `learner`: `least` of them, and more while `seconds` last."""
    for _ in range(_WARM):
        learner.step()
    start, started = learner.steps, time.perf_counter()
    while learner.steps < start + least or time.perf_counter() - started < seconds:
        learner.step()
    return learner.history.seconds[start:]
