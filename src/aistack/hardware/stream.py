"""Streaming bandwidth by working set: what each level of the memory hierarchy sustains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aistack.errors import BadInput
from aistack.hardware.fit import fit_times
from aistack.hardware.machine import Cache


def shares(sizes: Sequence[float], working_set: float) -> tuple[float, ...]:
    """The fraction of a stream over `working_set` bytes, again and again, that each cache serves; last, memory's.

    In words: each level keeps its size's worth of the working set (levels hold what the nearer ones hold, too), and
    what no cache keeps comes from memory. So bandwidth falls smoothly past a cache's size, as it does where lines are
    replaced at random; with strict least-recently-used replacement it would fall at once.
    """
    if working_set <= 0:
        raise BadInput(f"A working set of {working_set} bytes cannot be streamed over.")
    parts, held = [], 0.0
    for size in (*sizes, float("inf")):
        part = max(0.0, min(size, working_set) - held)
        parts.append(part / working_set)
        held += part
    return tuple(parts)


def bandwidth(caches: Sequence[Cache], memory_bandwidth: float, working_set: float) -> float:
    """B/s, reads and writes together, of a stream over `working_set` bytes: the levels' harmonic mean by share."""
    parts = shares([cache.size for cache in caches], working_set)
    rates = [*(cache.bandwidth for cache in caches), memory_bandwidth]
    return 1 / sum(part / rate for part, rate in zip(parts, rates, strict=True))


def fit(sizes: Mapping[str, float], seconds_per_byte: Mapping[float, float]) -> tuple[tuple[Cache, ...], float]:
    """The caches with their bandwidths, and memory's bandwidth, from measured seconds a byte by working set.

    `sizes` gives each cache's name and size, nearest first. No level comes out faster than the one before it. Of the
    last cache, which other cores and other tenants use too, the share that a stream gets to keep is fitted as well.
    `ValueError` where there are fewer working sets than levels.
    """
    candidates = [_fit_costs(_keeping(sizes, share), seconds_per_byte) for share in (1.0, 0.75, 0.5)]
    usable, costs, _ = min(candidates, key=lambda candidate: candidate[2])
    # where the nearest level was never seen (no working set small enough), it is as fast as the first one seen
    first = next(cost for cost in costs if cost > 0)
    rates = [1 / max(cost, first) for cost in costs]
    caches = tuple(Cache(name, size, rate) for (name, size), rate in zip(usable.items(), rates, strict=False))
    return caches, rates[-1]


def _keeping(sizes: Mapping[str, float], share: float) -> dict[str, float]:
    """`sizes` with only a share of the last one usable, but never less than the level before."""
    usable = dict(sizes)
    if usable:
        *before, last = usable
        usable[last] = max(usable[last] * share, *(usable[name] for name in before), 0.0)
    return usable


def _fit_costs(
    sizes: Mapping[str, float], seconds_per_byte: Mapping[float, float]
) -> tuple[Mapping[str, float], list[float], float]:
    """The sizes, each level's seconds a byte, and the mean relative error they leave."""
    parts = [shares(list(sizes.values()), working_set) for working_set in seconds_per_byte]
    # A level's cost is that of the level before plus something that is not negative, so each of these somethings
    # counts for its own level and all farther ones.
    columns = [[sum(part[level:]) for part in parts] for level in range(len(sizes) + 1)]
    increments = fit_times(columns, list(seconds_per_byte.values()))
    costs = [sum(increments[: level + 1]) for level in range(len(increments))]
    errors = [
        abs(sum(part * cost for part, cost in zip(each, costs, strict=True)) / measured - 1)
        for each, measured in zip(parts, seconds_per_byte.values(), strict=True)
    ]
    return sizes, costs, sum(errors) / len(errors)
