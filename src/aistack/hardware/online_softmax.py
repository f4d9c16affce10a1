"""Attention block by block with a running softmax, as FlashAttention does it, step by step.

Symbols: Q queries by D, K keys by D, values K by D; blocks of BQ queries and BK keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """What a block of queries holds after it met a block of keys."""

    query_block: int
    key_block: int
    largest: Array
    """The largest score of each query so far."""
    total: Array
    """The sum of exp(score - largest) so far."""
    scale: Array
    """By what the sums of before were multiplied, since a larger score came."""
    output: Array
    """The weighted values so far, not yet divided by `total`."""


@dataclass(frozen=True)
class Run:
    """Attention of all queries, with its steps in order."""

    output: Array
    steps: tuple[Step, ...]


def simulate(queries: Array, keys: Array, values: Array, block_queries: int, block_keys: int) -> Run:
    """softmax(Q Kᵀ / sqrt(D)) V without ever holding a whole row of scores.

    In words: each block of queries keeps the largest score, the sum of exponentials and the weighted values of the
    keys it has met; when a larger score comes, what was summed is scaled down by exp(old - new) (Milakov and
    Gimelshein, arXiv:1805.02867; Dao et al., FlashAttention, arXiv:2205.14135, algorithm 1). Exact, not approximate.
    Raises `BadInput` where blocks do not divide queries and keys.
    """
    (q, d), k = queries.shape, keys.shape[0]
    if q % block_queries or k % block_keys:
        raise BadInput(f"{q} queries and {k} keys do not fall into blocks of {block_queries} and {block_keys}.")
    output = np.zeros((q, values.shape[1]))
    steps = []
    for i in range(q // block_queries):
        rows = slice(i * block_queries, (i + 1) * block_queries)
        largest = np.full(block_queries, -np.inf)
        total, weighted = np.zeros(block_queries), np.zeros((block_queries, values.shape[1]))
        for j in range(k // block_keys):
            columns = slice(j * block_keys, (j + 1) * block_keys)
            scores = queries[rows] @ keys[columns].T / np.sqrt(d)
            larger = np.maximum(largest, scores.max(axis=1))
            scale = np.exp(largest - larger)
            weights = np.exp(scores - larger[:, None])
            total = scale * total + weights.sum(axis=1)
            weighted = scale[:, None] * weighted + weights @ values[columns]
            largest = larger
            steps.append(Step(i, j, largest, total, scale, weighted))
        output[rows] = weighted / total[:, None]
    return Run(output, tuple(steps))


def traffic(queries: npt.ArrayLike, keys: npt.ArrayLike, width: npt.ArrayLike, block_queries: npt.ArrayLike) -> Array:
    """Elements that pass through main memory: Q and the output once, keys and values once a block of queries.

    Arguments broadcast. Attention that writes its scores and weights moves 4 Q K more (Dao et al., section 3.1).
    """
    queries, keys, width, block = (np.asarray(each, dtype=float) for each in (queries, keys, width, block_queries))
    moved: Array = 2 * queries * width + 2 * keys * width * np.ceil(queries / block)
    return moved
