"""What the engine computes in its next step: continuous batching, first come, first served.

Before every step the batch is made anew (iteration-level scheduling: Orca, OSDI 2022): each running sequence gets its
next token, waiting ones join as soon as a place, tokens of budget and blocks are free, and long prompts are computed
in chunks beside the others' decoding (Sarathi-Serve, arXiv:2403.02310). When the blocks run out, the youngest running
sequence gives its own back and waits; its keys and values are computed again later, its tokens are kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from aistack.serving.lab.blocks import BlockManager
from aistack.serving.lab.sequence import Sequence


@dataclass(frozen=True)
class Chunk:
    """The next `count` tokens of a sequence whose keys and values are to be computed."""

    sequence: Sequence
    start: int
    count: int

    @property
    def end(self) -> int:
        """The place after its last token."""
        return self.start + self.count

    @property
    def samples(self) -> bool:
        """Whether it ends with the sequence's last token, so that its logits choose the next one."""
        return self.end == len(self.sequence.tokens)


class Scheduler:
    """Decides who runs; a sequence waits, runs or is gone."""

    def __init__(self, blocks: BlockManager, max_batch: int, token_budget: int) -> None:
        if token_budget < max_batch:
            raise ValueError(f"A budget of {token_budget} tokens a step cannot serve a batch of {max_batch}.")
        self.blocks, self.max_batch, self.token_budget = blocks, max_batch, token_budget
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        """Oldest first."""
        self.preemptions = 0

    def add(self, sequence: Sequence) -> None:
        """Put a sequence at the end of the queue; it must fit into the cache when alone."""
        assert self.blocks.missing([], len(sequence.tokens) + 1) <= self.blocks.count
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Let go of a sequence that is done or unwanted."""
        if sequence in self.running:
            self.running.remove(sequence)
        else:
            self.waiting.remove(sequence)
        self.blocks.release(sequence.table)

    def schedule(self) -> list[Chunk]:
        """The chunks of the next step, decoding sequences and prompts, their blocks already taken."""
        budget, chunks = self.token_budget, list[Chunk]()
        preempted = self.preemptions
        # decoding first: a long prompt may use only what the others leave of the budget
        order = sorted(self.running, key=lambda each: len(each.tokens) - each.computed > 1)
        for sequence in order:
            if sequence not in self.running or not budget:
                continue
            count = min(len(sequence.tokens) - sequence.computed, budget)
            if not self._make_room(sequence, sequence.computed + count, chunks):
                continue
            chunks.append(self._chunk(sequence, count))
            budget -= count
        while self.waiting and len(self.running) < self.max_batch and budget and preempted == self.preemptions:
            sequence = self.waiting[0]
            # all its blocks at once: a prompt that is admitted by halves would only be thrown out again
            if self.blocks.missing(sequence.table, len(sequence.tokens)) > self.blocks.free:
                break
            self.running.append(self.waiting.popleft())
            self.blocks.grow(sequence.table, len(sequence.tokens))
            chunks.append(self._chunk(sequence, min(len(sequence.tokens), budget)))
            budget -= chunks[-1].count
        assert sum(chunk.count for chunk in chunks) <= self.token_budget
        return chunks

    def _chunk(self, sequence: Sequence, count: int) -> Chunk:
        assert count > 0 and len(sequence.table) * self.blocks.size >= sequence.computed + count
        return Chunk(sequence, sequence.computed, count)

    def _make_room(self, sequence: Sequence, tokens: int, chunks: list[Chunk]) -> bool:
        """Take the blocks that `sequence` lacks, from the youngest if need be; False where it had to give way."""
        while self.blocks.missing(sequence.table, tokens) > self.blocks.free:
            youngest = next(each for each in reversed(self.running) if all(each is not c.sequence for c in chunks))
            self._preempt(youngest)
            if youngest is sequence:
                return False
        self.blocks.grow(sequence.table, tokens)
        return True

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self.blocks.release(sequence.table)
        sequence.computed = 0
        self.waiting.appendleft(sequence)
        self.preemptions += 1
