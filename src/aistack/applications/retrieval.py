"""How good a retrieval is, and how good it will be when there is more to search.

Legend: Q questions, each with one right passage; `ranks` holds the rank of the right passage for every question, from
1, and infinity where it was not among the results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.float64]
Values = NDArray[np.float64]


def recall_at(ranks: Ranks, k: int) -> Values:
    """1 where the right passage is among the first `k` results, else 0; the mean is recall@k (hit rate)."""
    return (ranks <= k).astype(np.float64)


def reciprocal_rank(ranks: Ranks) -> Values:
    """1 / rank, 0 where the passage was not found; the mean is the mean reciprocal rank (MRR)."""
    return 1 / ranks


def ndcg_at(ranks: Ranks, k: int) -> Values:
    """1 / log2(1 + rank) where rank <= `k`, else 0: the normalised discounted cumulative gain (nDCG@k).

    With one right passage of gain 1 the ideal gain is 1, so nothing is left to divide by (Järvelin and Kekäläinen,
    "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002).
    """
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


@dataclass(frozen=True)
class Interval:
    """A share or mean with the interval that holds it in 95 of 100 cases."""

    value: float
    low: float
    high: float


def mean(values: Values, seed: int, resamples: int = 2000) -> Interval:
    """The mean of one value a question with its percentile bootstrap interval (Efron 1979)."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (resamples, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


@dataclass(frozen=True)
class Pilot:
    """What a small collection showed: the ranks, among how many wrong passages, and how many results were looked at."""

    ranks: Ranks
    distractors: int
    depth: int


# Means of p from one in a million to nearly 1; weights a + b from "the questions differ wildly" to "all are alike".
_MEAN = np.logspace(-6, -0.01, 70)
_WEIGHT = np.logspace(-1.5, 3, 50)


def estimate(
    pilots: Sequence[Pilot], distractors: Sequence[int], k: int, questions: int, seed: int = 0
) -> tuple[Interval, ...]:
    """Predict recall@`k` among each number of `distractors`; the interval is of a measurement with `questions`.

    Each question has its own probability p that a random wrong passage outscores the right one. Among n of them, the
    number that do is binomial(n, p); with p ~ Beta(a, b) over the questions it is beta-binomial, and
    recall@k(n) = sum over r < k of BetaBinomial(r; n, a, b). (a, b) has a posterior on a grid, flat in the logarithm of
    its mean's odds and weight, given the pilots' ranks; a rank beyond a pilot's depth says only that at least `depth`
    passages outscored. For large n recall falls as n^-a. Left out: that word statistics change with the collection,
    and that some wrong passages are near copies of the right one.
    """
    a = (_MEAN[:, None] * _WEIGHT[None, :]).ravel()
    b = ((1 - _MEAN)[:, None] * _WEIGHT[None, :]).ravel()
    log_posterior = np.zeros_like(a)
    for pilot in pilots:
        depth = min(pilot.depth, pilot.distractors + 1)
        pmf = _beta_binomial(depth, pilot.distractors, a, b)
        beyond = np.clip(1 - pmf.sum(axis=0), 1e-12, None)
        counts = np.bincount(np.minimum(pilot.ranks - 1, depth).astype(int), minlength=depth + 1)
        log_posterior += counts[:depth] @ np.log(np.clip(pmf, 1e-300, None)) + counts[depth] * np.log(beyond)
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(weight), 4000, p=weight)
    predictions = []
    for n in distractors:
        recall = np.clip(_beta_binomial(min(k, n + 1), n, a, b).sum(axis=0), 0, 1)
        low, high = np.quantile(rng.binomial(questions, recall[drawn]) / questions, [0.025, 0.975])
        predictions.append(Interval(float(weight @ recall), float(low), float(high)))
    return tuple(predictions)


def _beta_binomial(terms: int, n: int, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(r) for r < `terms` [terms, G], by the ratio of neighbours:

    P(0) = B(a, n + b) / B(a, b), P(r + 1) / P(r) = (n - r)(a + r) / ((r + 1)(n - r - 1 + b)).
    """
    log_first = _lgamma(n + b) + _lgamma(a + b) - _lgamma(n + a + b) - _lgamma(b)
    r = np.arange(terms - 1, dtype=np.float64)[:, None]
    steps = np.log(n - r) + np.log(a + r) - np.log(r + 1) - np.log(n - r - 1 + b)
    log_pmf: NDArray[np.float64] = np.vstack([log_first, log_first + np.cumsum(steps, axis=0)])
    return np.exp(log_pmf)


def _lgamma(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([math.lgamma(value) for value in x])
