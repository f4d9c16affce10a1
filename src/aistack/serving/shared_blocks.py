"""Blocks of keys and values that requests share while a simulation runs: who uses them, which wait to be used again.

As in vLLM's automatic prefix caching: a prompt's whole blocks go by names that stand for them and all before them. A
block that running requests use is there once, however many they are. When its last user leaves it stays, free but
filled, until the room is needed; those that became free first go first, of one request its answer before its prompt and
the prompt's end before its beginning. A prompt finds what it begins with without a gap. Since prompts are computed in
order of arrival, a prompt's blocks count as there once it has begun. Answers' blocks take part but are never found.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence


class SharedBlocks:
    """One engine's. Tokens are counted in floats, as the schedule counts them."""

    def __init__(self, block: int, names: list[Sequence[int]]) -> None:
        self.block = block
        self.names = names
        """By request, in order of arrival: names of its prompt's whole blocks."""
        self.shared = 0.0
        """Tokens that running requests hold more than once among them."""
        self._users = dict[int, int]()
        self._idle = OrderedDict[float, float]()  # tokens by name, first the next to go; answers' names are fractions
        self._idle_tokens = 0.0
        self._answers = 0

    def found(self, request: int) -> tuple[int, float]:
        """Tokens that `request`'s prompt finds, and those of them that others use already."""
        known, used = 0, 0
        for name in self.names[request]:
            if name in self._users:
                used += 1
            elif name not in self._idle:
                break
            known += 1
        return known * self.block, float(used * self.block)

    def take(self, request: int) -> None:
        """`request` begins: its blocks are in use."""
        users, idle = self._users, self._idle
        for name in self.names[request]:
            if name in users:
                users[name] += 1
                self.shared += self.block
            else:
                users[name] = 1
                if idle.pop(name, 0.0):
                    self._idle_tokens -= self.block

    def release(self, request: int, held: float, computed: int | None = None) -> float:
        """`request` leaves and gives up `held` tokens; what of them others still use, they keep: so many tokens.

        Where only so many tokens of its prompt are `computed`, the rest holds nothing worth keeping.
        """
        users, idle, block = self._users, self._idle, self.block
        names = self.names[request]
        whole = len(names) if computed is None else min(len(names), computed // block)
        if computed is None:
            self._answers += 1
            idle[self._answers + 0.5] = held - whole * block
            self._idle_tokens += held - whole * block
        kept = 0
        for place in range(len(names) - 1, -1, -1):
            name = names[place]
            if users[name] > 1:
                users[name] -= 1
                kept += 1
                continue
            del users[name]
            if place < whole:
                idle[name] = block
                self._idle_tokens += block
        still = float(kept * block)
        self.shared -= still
        return still

    def trim(self, room: float) -> None:
        """Only `room` tokens are free: what has been free for longest makes way."""
        idle = self._idle
        while self._idle_tokens > room and idle:
            self._idle_tokens -= idle.popitem(last=False)[1]
