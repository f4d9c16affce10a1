"""The serving schedule told token by token: slow, plain, and what the jumping simulation must agree with.

It keeps one object a request, walks one step at a time and adds each step's seconds from the batch's present lengths.
Where prompts share blocks, it keeps one list of what is free but filled, one entry a block, and after every step drops
from its front what no longer has room.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aistack.serving.playing import Limits
from aistack.serving.step_table import StepTable


@dataclass(eq=False)
class One:
    number: int
    arrival: float
    prompt: int
    """Tokens to compute before the next one is chosen."""
    left: int
    """Steps of decoding after that."""
    computed: int
    held: float = 0.0
    start: float | None = None
    first: float | None = None
    done: float | None = None
    names: tuple[int, ...] = ()
    """Of the prompt's whole blocks."""
    found: int | None = None
    """Tokens of the prompt that were there when it first began."""


class Pool:
    """Blocks by name: how many use each, and those that nobody uses, longest free first; answers have no name."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.users = dict[int, int]()
        self.free = list[tuple[int | None, float]]()

    def prefix(self, one: One) -> list[int]:
        there = {name for name, _ in self.free} | set(self.users)
        known = list[int]()
        for name in one.names:
            if name not in there:
                break
            known.append(name)
        return known

    def begin(self, one: One) -> None:
        for name in one.names:
            self.users[name] = self.users.get(name, 0) + 1
            self.free = [each for each in self.free if each[0] != name]

    def leave(self, one: One, held: float, computed: float) -> None:
        if computed >= one.prompt:
            self.free.append((None, held - len(one.names) * self.block))
        for place, name in reversed(list(enumerate(one.names))):
            self.users[name] -= 1
            if not self.users[name]:
                del self.users[name]
                if (place + 1) * self.block <= computed:
                    self.free.append((name, self.block))

    def twice(self) -> float:
        """Tokens held more than once."""
        return sum(self.block * (count - 1) for count in self.users.values())

    def squeeze(self, room: float) -> None:
        while self.free and sum(tokens for _, tokens in self.free) > room:
            self.free.pop(0)


@dataclass
class Outcome:
    requests: list[One]
    preempted: list[int] = field(default_factory=list)
    peak: float = 0.0
    steps: int = 0


def serve(
    table: StepTable, limits: Limits, arrival: list[float], prompt: list[int], left: list[int], cached: list[int],
    clients: int = 0, names: list[tuple[int, ...]] | None = None, block: int = 16,
) -> Outcome:  # fmt: skip
    requests = [One(i, *values) for i, values in enumerate(zip(arrival, prompt, left, cached, strict=True))]
    pool = Pool(block)
    for each, own in zip(requests, names or [], strict=False):
        each.names = own
    outcome = Outcome(requests)
    unsent = requests[clients:] if clients else []
    waiting = requests[:clients] if clients else list(requests)  # by arrival, whether they have come or not
    decoding, prefilling = list[One](), list[One]()
    now = 0.0
    while decoding or prefilling or waiting:
        if not decoding and not prefilling and waiting[0].arrival > now:
            now = waiting[0].arrival

        # room for what is running: the youngest goes, and prompts under way are younger than all that decode
        evicted = False
        while (needed := _needed(limits, decoding, prefilling) - pool.twice()) > limits.kv_capacity:
            evicted = True
            pool.squeeze(limits.kv_capacity - needed)
            if prefilling:
                gone = prefilling.pop()
                pool.leave(gone, gone.computed, gone.computed)
            else:
                gone = decoding.pop()
                pool.leave(gone, gone.held + limits.slack, gone.held)
                gone.prompt, gone.left = int(gone.held), gone.left - 1
            gone.computed, gone.held = 0, 0.0
            waiting.insert(0, gone)
            outcome.preempted.append(gone.number)
            pool.squeeze(limits.kv_capacity - _needed(limits, decoding, prefilling) + pool.twice())

        chunks = list[tuple[One, int]]()
        if not evicted:
            budget = limits.budget - (0 if limits.whole_prompts else limits.width * len(decoding))
            begun = list[One]()
            for each in prefilling:
                chunks.append((each, min(each.prompt - each.computed, max(0, budget))))
                budget -= chunks[-1][1]
            while (
                waiting
                and waiting[0].arrival <= now
                and budget > 0
                and len(decoding) + len(prefilling) + len(begun) < limits.max_batch
                and _beside(pool, waiting[0], _needed(limits, decoding, [*prefilling, *begun, waiting[0]]))
                <= limits.kv_capacity
            ):
                each = waiting.pop(0)
                if names is not None:
                    each.computed = min(len(pool.prefix(each)) * block, each.prompt - 1)
                    pool.begin(each)
                    held = _needed(limits, decoding, [*prefilling, *begun, each])
                    pool.squeeze(limits.kv_capacity - held + pool.twice())
                if each.start is None:
                    each.start, each.found = now, each.computed
                if each.computed == each.prompt:  # computed elsewhere
                    each.held, each.first = each.prompt + 1.0, now
                    decoding.append(each)
                    continue
                new = each.prompt - each.computed
                begun.append(each)
                chunks.append((each, new if limits.whole_prompts else min(new, budget)))
                budget -= chunks[-1][1]
            prefilling += begun
        chunks = [(each, count) for each, count in chunks if count]

        tokens = sum(count for _, count in chunks)
        advancing = [] if limits.whole_prompts and tokens else list(decoding)
        held = sum(each.held for each in advancing)
        if tokens:
            now += (
                table.rows[tokens + limits.width * len(advancing)]
                + table.beside[len(advancing)]
                + table.per_token[len(advancing)] * held
                + sum(table.prompt[count] + table.earlier[count] * each.computed for each, count in chunks)
                + table.ending * sum(each.computed + count == each.prompt for each, count in chunks)
            )
        else:
            now += table.decode_base[len(advancing)] + table.per_token[len(advancing)] * held
        outcome.steps += 1
        for each in advancing:
            each.held += limits.growth
            each.left -= 1
        for each, count in chunks:
            each.computed += count
            if each.computed == each.prompt:
                prefilling.remove(each)
                each.held = each.prompt + 1.0
                each.first = now if each.first is None else each.first
                decoding.append(each)
        outcome.peak = max(outcome.peak, sum(each.held for each in decoding) - pool.twice())
        pool.squeeze(limits.kv_capacity - _needed(limits, decoding, prefilling) + pool.twice())
        for each in sorted((each for each in decoding if each.left <= 0), key=lambda one: one.number):
            each.done = now
            pool.leave(each, each.held + limits.slack, each.held)
            decoding.remove(each)
            if unsent:
                unsent[0].arrival = now
                waiting.append(unsent.pop(0))
    return outcome


def _beside(pool: Pool, one: One, needed: float) -> float:
    """What is held once `one` has begun: of what it finds, blocks that are in use are there already."""
    return needed - pool.twice() - pool.block * sum(name in pool.users for name in pool.prefix(one))


def _needed(limits: Limits, decoding: list[One], prefilling: list[One]) -> float:
    reserved = sum(each.prompt + 1 for each in prefilling)
    return sum(each.held for each in decoding) + reserved + limits.slack * (len(decoding) + len(prefilling))
