"""How far knowing the frequencies of tokens goes: the entropy of one token of a text."""

from __future__ import annotations

import numpy as np

from aistack.frameworks.lab.shards import Shards

_ENOUGH = 1 << 14
"""Sequences that are counted at most; rarer tokens than they show carry little entropy."""


def measure(shards: Shards) -> float:
    """Nats a token: the loss of a model that knows how often each token occurs and nothing else."""
    rows = shards.batch(0, min(len(shards), _ENOUGH), seed=0)
    counts = np.bincount(rows[:, 1:].ravel()).astype(float)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
