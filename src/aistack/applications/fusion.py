"""Reciprocal rank fusion: several rankings become one, by ranks alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

K = 60
"""The constant of Cormack, Clarke and Büttcher (SIGIR 2009), fixed there by a pilot study."""


def fuse(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Fuse rankings of ids, best first, into one: ids with their scores, best first, ties by id.

    An id's score is the sum over the rankings that hold it of 1 / (60 + its rank there, from 1)
    (Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
    SIGIR 2009, equation 1). The scores of the rankings play no part, so rankings of any kind mix.
    """
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, each in enumerate(ranking, start=1):
            scores[each] += 1 / (K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
