"""Which blocks of the KV cache belong to whom: paged memory for attention (PagedAttention, arXiv:2309.06180).

The cache is cut into blocks of a fixed number of tokens. A sequence holds a block table, the list of its blocks in the
order of its tokens, and takes one block more whenever its last one is full, so that less than a block is wasted.
"""

from __future__ import annotations

Table = list[int]
"""A sequence's blocks, in the order of its tokens."""


class BlockManager:
    """Hands out `count` blocks of `size` tokens; every block is free or in exactly one table."""

    def __init__(self, count: int, size: int) -> None:
        if count < 1 or size < 1:
            raise ValueError(f"{count} blocks of {size} tokens are no cache.")
        self.count, self.size = count, size
        self._free = list(range(count - 1, -1, -1))
        self._taken: set[int] = set()

    @property
    def free(self) -> int:
        """How many blocks nobody holds."""
        return len(self._free)

    @property
    def usage(self) -> float:
        """The share of the blocks that is held, from 0 to 1."""
        return len(self._taken) / self.count

    def missing(self, table: Table, tokens: int) -> int:
        """How many blocks `table` lacks to hold `tokens`."""
        return max(0, -(-tokens // self.size) - len(table))

    def grow(self, table: Table, tokens: int) -> None:
        """Add free blocks to `table` until it holds `tokens`; the caller has made sure that there are enough."""
        wanted = self.missing(table, tokens)
        assert wanted <= len(self._free), f"{wanted} blocks wanted, {len(self._free)} are free"
        for _ in range(wanted):
            block = self._free.pop()
            assert block not in self._taken, f"block {block} was free and taken at once"
            self._taken.add(block)
            table.append(block)

    def release(self, table: Table) -> None:
        """Take back all blocks of `table` and empty it."""
        for block in table:
            assert block in self._taken, f"block {block} is released but was not taken"
            self._taken.remove(block)
            self._free.append(block)
        table.clear()
        assert len(self._free) + len(self._taken) == self.count
