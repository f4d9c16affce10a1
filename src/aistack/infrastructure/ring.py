"""An all-reduce around a ring, round by round: who sends which part to whom, and what each part holds by then.

n ranks, each with n parts of the data. In the first n - 1 rounds every rank passes one part on and adds the part that
arrives to its own (reduce-scatter); then one part on each rank is complete. In n - 1 more rounds the complete parts go
around (all-gather). Patarasuk and Yuan, JPDC 69(2), 2009.
"""

from __future__ import annotations

from dataclasses import dataclass

from aistack.errors import BadInput


@dataclass(frozen=True)
class Round:
    """One step in which every rank sends one part to its neighbour."""

    phase: str
    """"reduce-scatter" or "all-gather"; of the beginning ""."""
    sends: tuple[tuple[int, int, int], ...]
    """(sender, receiver, part), all at once."""
    held: tuple[tuple[frozenset[int], ...], ...]
    """After it, by rank and part: the ranks whose numbers are summed there."""


def estimate(ranks: int) -> tuple[Round, ...]:
    """The rounds of a ring all-reduce, the state before the first one in front."""
    if ranks < 2:
        raise BadInput(f"{ranks} ranks make no ring.")
    held = [[frozenset({rank}) for _ in range(ranks)] for rank in range(ranks)]
    rounds = [Round("", (), _frozen(held))]
    for phase, ahead in (("reduce-scatter", 0), ("all-gather", 1)):
        for step in range(ranks - 1):
            sends = tuple((rank, (rank + 1) % ranks, (rank + ahead - step) % ranks) for rank in range(ranks))
            arriving = {(receiver, part): held[sender][part] for sender, receiver, part in sends}
            for (receiver, part), sums in arriving.items():
                held[receiver][part] = sums | held[receiver][part] if phase == "reduce-scatter" else sums
            rounds.append(Round(phase, sends, _frozen(held)))
    return tuple(rounds)


def _frozen(held: list[list[frozenset[int]]]) -> tuple[tuple[frozenset[int], ...], ...]:
    return tuple(tuple(parts) for parts in held)
