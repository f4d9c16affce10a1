"""How much of prompts a prefix cache holds, over requests in order: exactly, and in closed form.

Caches keep blocks of tokens under names that stand for them and all before them, until others are used more recently
(vLLM's automatic prefix caching, SGLang's RadixAttention). This is what a cache of one size does with a trace when
computing takes no time; in a simulation its room depends on the load as well (`shared_blocks`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Blocks = Sequence[Sequence[int]]
"""Names of each request's blocks, first to last, requests in order of arrival."""

HALVINGS = 60


def estimate(blocks: Blocks, capacity: int | None = None) -> NDArray[np.int64]:
    """How many leading blocks of each request are in the cache when it comes.

    `capacity` is how many blocks the cache holds, the least recently used go first (None: all that ever were). A
    request's own blocks enter when it comes: that computing them takes a while, and that blocks in use cannot be given
    up, is left out.
    """
    held = OrderedDict[int, None]()
    found = np.zeros(len(blocks), np.int64)
    for place, names in enumerate(blocks):
        known = 0
        while known < len(names) and names[known] in held:
            known += 1
        found[place] = known
        # the last block of a prompt is given up first, since those before it serve more prompts
        for name in reversed(names):
            held[name] = None
            held.move_to_end(name)
        while capacity is not None and len(held) > capacity:
            held.popitem(last=False)
    return found


def chained(blocks: Blocks) -> tuple[tuple[int, ...], ...]:
    """The same blocks under names that stand for all before them too: a block after others is another block."""
    known = dict[tuple[int, int], int]()
    named = list[tuple[int, ...]]()
    for names in blocks:
        before, own = -1, list[int]()
        for name in names:
            before = known.setdefault((before, name), len(known))
            own.append(before)
        named.append(tuple(own))
    return tuple(named)


def independent(blocks: Blocks, capacity: ArrayLike) -> Floats:
    """Share of all blocks found in caches of so many, were each looked up at random moments of its own rate.

    Che's approximation (Che, Tung and Wang, IEEE JSAC 20(7), 2002): a block stays for a time T that is the same for
    all, in which as many different ones are looked up as the cache holds:  sum of 1 - exp(-rate T) = capacity. The
    first look-up of each finds nothing. Where turns of one conversation follow one another, far too low: see `recent`.
    """
    _, times = np.unique(_looked_up(blocks), return_counts=True)
    counts, many = np.unique(times, return_counts=True)
    rate = counts / times.sum()

    def there(stay: Floats) -> Floats:
        return np.asarray(-np.expm1(-rate * stay[..., None]))

    size = np.asarray(capacity, dtype=float)
    stay = _where(lambda each: np.asarray((many * there(each)).sum(-1)), size, 1e3 * times.sum())
    found = (many * (counts - 1) * there(stay)).sum(-1)
    return np.asarray(np.where(size >= len(times), (counts - 1) @ many, found) / times.sum())


def recent(blocks: Blocks, capacity: ArrayLike) -> Floats:
    """Share of all blocks found in caches of so many, from the times between look-ups of the same block.

    As in Che's approximation a block stays for a time T that is the same for all, but how many different blocks are
    looked up in T, and how many come again within it, is the trace's own (the working set: Denning, CACM 11(5), 1968;
    its mean size over all windows of T: Xiang et al., ASPLOS 2013, "HOTL", equation 2).
    """
    names = _looked_up(blocks)
    count = len(names)
    order = np.argsort(names, kind="stable")
    again = names[order][1:] == names[order][:-1]
    between = np.sort((order[1:] - order[:-1])[again]).astype(float)
    first, last = order[np.append(True, ~again)], order[np.append(~again, True)]
    # a window misses a block where it lies between two look-ups, before the first or after the last
    gaps = np.sort(np.concatenate((between, first + 1.0, (count - last).astype(float))))
    beyond = np.append(np.cumsum(gaps[::-1])[::-1], 0.0)
    size = np.asarray(capacity, dtype=float)

    def different(stay: Floats) -> Floats:
        place = np.searchsorted(gaps, stay, side="right")
        missed = (beyond[place] - stay * (len(gaps) - place)) / (count - stay + 1)
        return np.asarray(len(first) - missed)

    stay = _where(different, size, float(count))
    found = np.searchsorted(between, stay, side="right")
    return np.asarray(np.where(size >= len(first), len(between), found) / count)


def beginnings(prefixes: ArrayLike, tokens: ArrayLike, others: ArrayLike, capacity: ArrayLike) -> Floats:
    """Chance that a prompt finds the beginning of `tokens` that it has in common with others, one of so many `prefixes`
    that come equally often, in a cache of `capacity` tokens. Arrays broadcast.

    Che's approximation for requests that each bring `others` more tokens which nobody asks for again: a beginning stays
    while T requests come, where  prefixes tokens (1 - exp(-T / prefixes)) + others T = capacity.  What running requests
    hold was used last, and so is part of it: the load does not matter.
    """
    columns = (np.asarray(each, dtype=float) for each in (prefixes, tokens, others, capacity))
    many, own, more, size = np.broadcast_arrays(*columns)

    def held(stay: Floats) -> Floats:
        return np.asarray(-many * own * np.expm1(-stay / many) + more * stay)

    stay = _where(held, size, float(np.max(size / np.maximum(more, 1e-9), initial=1.0)))
    return np.asarray(-np.expm1(-stay / many))


def _looked_up(blocks: Blocks) -> NDArray[np.int64]:
    return np.concatenate([np.asarray(names, np.int64) for names in blocks])


def _where(rising: Callable[[Floats], Floats], wanted: Floats, most: float) -> Floats:
    """Where a `rising` function of what lies between 0 and `most` is as `wanted`, by halving."""
    low, high = np.zeros(wanted.shape), np.full(wanted.shape, most)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = rising(middle) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return high
