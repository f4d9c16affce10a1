"""A paged cache of keys and values, step by step: who holds which block, who waits, who has to give way.

A sequence takes a block of B tokens when it needs one and gives all back when it ends, so that each holds room for at
most B - 1 tokens in vain (vLLM, arXiv:2309.06180, section 4). If no block is free, the sequence that came last gives
way and starts again when there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aistack.errors import BadInput


@dataclass(frozen=True)
class Moment:
    """The cache after one step."""

    blocks: tuple[tuple[int, int] | None, ...]
    """Of each block the sequence that holds it, from 0, and how many tokens are in it; None where it is free."""
    waiting: tuple[int, ...]
    """Sequences without a place, first come first."""
    done: tuple[int, ...]
    """Sequences that have ended, in that order."""
    gave_way: int | None = None
    """The sequence that lost its blocks in this step."""


def estimate(lengths: Sequence[tuple[int, int]], blocks: int, block: int) -> tuple[Moment, ...]:
    """The cache from all waiting to all done, for sequences of (prompt, answer) tokens that come at once.

    In each step those that run add a token, and then those that wait take places while their prompts fit. Raises
    `BadInput` for a sequence that can never fit.
    """
    for number, (prompt, output) in enumerate(lengths):
        if min(prompt, output) < 1 or -(-(prompt + output) // block) > blocks:
            raise BadInput(f"Sequence {number} of {prompt} and {output} tokens cannot fit {blocks} blocks of {block}.")
    pool: list[tuple[int, int] | None] = [None] * blocks
    held: dict[int, int] = {}
    waiting, done = list(range(len(lengths))), list[int]()
    moments = [Moment(tuple(pool), tuple(waiting), ())]
    while len(done) < len(lengths):
        lost = None
        for number in list(held):
            if number not in held:
                continue
            while _short(pool, held[number] + 1, number, block):
                lost = next(reversed(held))
                _leave(pool, held, lost)
                waiting.insert(0, lost)
                if lost == number:
                    break
            if number in held:
                held[number] += 1
                _write(pool, number, held[number], block)
        for number in [number for number, tokens in held.items() if tokens == sum(lengths[number])]:
            _leave(pool, held, number)
            done.append(number)
        while lost is None and waiting and not _short(pool, lengths[waiting[0]][0], waiting[0], block):
            number = waiting.pop(0)
            held[number] = lengths[number][0]
            _write(pool, number, held[number], block)
        moments.append(Moment(tuple(pool), tuple(waiting), tuple(done), lost))
    return tuple(moments)


def _short(pool: list[tuple[int, int] | None], tokens: int, number: int, block: int) -> bool:
    """Whether the blocks for `tokens` of a sequence are not there."""
    own = sum(1 for each in pool if each and each[0] == number)
    return -(-tokens // block) - own > pool.count(None)


def _write(pool: list[tuple[int, int] | None], number: int, tokens: int, block: int) -> None:
    """Let a sequence hold `tokens`, its full blocks first."""
    own = [place for place, each in enumerate(pool) if each and each[0] == number]
    free = (place for place, each in enumerate(pool) if each is None)
    own += [next(free) for _ in range(-(-tokens // block) - len(own))]
    # the block that is being filled is the one that was taken last
    full = [place for place in own if pool[place] == (number, block)]
    for place in [*full, *(place for place in own if place not in full)]:
        pool[place] = (number, min(block, tokens))
        tokens -= min(block, tokens)


def _leave(pool: list[tuple[int, int] | None], held: dict[int, int], number: int) -> None:
    del held[number]
    for place, each in enumerate(pool):
        if each and each[0] == number:
            pool[place] = None
