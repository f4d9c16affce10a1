"""How long a training step really takes."""

from __future__ import annotations

import time

from aistack.frameworks.lab.shards import Shards
from aistack.training.lab.learner import Learner
from aistack.training.recipe import Recipe

_WARM = 2
"""First steps are slower: memory is faulted in, kernels are chosen."""


def measure(recipe: Recipe, shards: Shards, device: str, seconds: float, least: int = 3) -> list[float]:
    """Seconds of each of some steps of a learner that is then thrown away: `least` of them, and more for `seconds`."""
    learner = Learner(recipe, shards, device)
    for _ in range(_WARM):
        learner.step()
    started = time.perf_counter()
    while learner.steps < _WARM + least or time.perf_counter() - started < seconds:
        learner.step()
    return learner.history.seconds[_WARM:]
