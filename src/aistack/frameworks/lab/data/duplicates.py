"""Near-duplicates: found by MinHash and banding, confirmed by the true Jaccard similarity, so that no document is
dropped for a collision (Broder 1997; Leskovec et al., "Mining of Massive Datasets", chapter 3).

A document is the set of its runs of five words. With b bands of r rows, a pair of similarity s becomes a candidate with
probability 1 - (1 - s^r)^b: here 0.99999 at the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice

THRESHOLD = 0.75
"""Jaccard similarity from which two documents count as the same (FineWeb, arXiv:2406.17557, takes the same)."""
RUN = 5
PERMUTATIONS, BANDS = 128, 32
_AT_ONCE = 256

# scripts without spaces are taken character by character
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")


def shingles(text: str) -> frozenset[str]:
    """The runs of five words of `text`, in lower case, punctuation aside; of a shorter text, all of it."""
    words = _WORD.findall(text.lower())
    if len(words) < RUN:
        return frozenset((" ".join(words),))
    return frozenset(map(" ".join, zip(*(words[start:] for start in range(RUN)), strict=False)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of runs that both have among those that either has."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def near_duplicates(
    texts: Iterable[str], text_at: Callable[[int], str], seed: int = 0, threshold: float = THRESHOLD
) -> Iterator[int | None]:
    """For each text the number of an earlier, kept one that it nearly repeats; None for a text to keep.

    `text_at` gives an earlier text again by its number. Only kept texts are compared with, so no two kept texts
    are found to be near-duplicates, and a chain of small changes is not followed.
    """
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold, PERMUTATIONS, BANDS)

    @lru_cache(maxsize=4096)
    def earlier(number: int) -> frozenset[str]:
        return shingles(text_at(number))

    numbered = enumerate(texts)
    while chunk := list(islice(numbered, _AT_ONCE)):
        sets = [shingles(text) for _, text in chunk]
        sketches = RMinHash.from_token_sets([list(each) for each in sets], PERMUTATIONS, seed)
        for (number, _), own, sketch in zip(chunk, sets, sketches, strict=True):
            candidates = sorted(index.query(sketch))
            original = next((each for each in candidates if jaccard(own, earlier(each)) >= threshold), None)
            if original is None:
                index.insert(number, sketch)
            yield original
