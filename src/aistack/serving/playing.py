"""The engine's schedule, played from event to event: first come, first served, prompts in chunks beside decoding.

Before each step (continuous batching: Orca, OSDI 2022) running sequences get room for their next token; where the cache
has none left, the youngest gives up its own and waits at the head of the queue to be computed again (vLLM,
arXiv:2309.06180). Then prompts are computed within the step's budget of tokens that decoding leaves
(Sarathi-Serve, arXiv:2403.02310), a new one as soon as a place and the cache's room for all of it are there.

While no prompt is computed and none could join, nothing but lengths changes from step to step: k steps of B sequences
that hold n tokens take  k * base + per_token * (k * n + growth * B * k (k - 1) / 2)  seconds. So the play jumps: to the
next end, to the step before which the next request arrives, or to the last for which the cache has room.

Where prompts share blocks (`shared_blocks`), one that begins finds what is still there of those before it, and running
requests hold each block once. Between events nothing of that changes but that free room shrinks, so what makes way is
settled when the next request begins or leaves, and jumps stay as they are.

The loop is one function on plain lists and floats because a hundred thousand requests a second have to pass through it;
the tests hold it to a version that goes token by token.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Generator
from dataclasses import dataclass, field
from math import inf, sqrt

from aistack.serving.shared_blocks import SharedBlocks
from aistack.serving.step_table import StepTable


@dataclass(frozen=True)
class Limits:
    """What the engine's schedule keeps to."""

    max_batch: int
    """Sequences at once, decoding or with a prompt under way."""
    budget: int
    """Tokens of one step: decoding ones first, prompts share the rest."""
    kv_capacity: float
    """Tokens that the cache holds."""
    whole_prompts: bool = False
    """Prompts are never split, and decoding waits for them: a step takes further ones until its budget is spent."""
    slack: float = 0.0
    """Tokens of room that a sequence has taken and not filled: on average half a block of a paged cache."""
    growth: float = 1.0
    """Tokens that a sequence gains a step: with speculative decoding, those accepted on average plus one."""
    width: int = 1
    """Tokens computed a step and sequence: with speculative decoding, those drafted plus one."""


@dataclass
class Played:
    """What happened so far: lists by request in order of arrival, or by event."""

    unsent: int = 0
    """Requests of a closed loop that arrive when another has ended."""
    pause: float = 0.0
    """Seconds from that end to the arrival."""
    arrival: list[float] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    """Tokens at whose end the next one is chosen; once preempted, a request's own answer is among them."""
    left: list[int] = field(default_factory=list)
    """Steps of decoding that follow."""
    cached: list[int] = field(default_factory=list)
    """Tokens of the prompt that need no computing; as many as the prompt has where another server computed it. Where
    blocks are shared, what was found when its computation began."""
    found: list[int] = field(default_factory=list)
    """The same of each that has started, when it first did."""
    start: list[float] = field(default_factory=list)
    """When each took its place; those that have not yet are not in this and the next two lists."""
    first: list[float] = field(default_factory=list)
    """When its first token was there; negative: not yet."""
    done: list[float] = field(default_factory=list)
    """When its last token was there; negative: not yet."""
    ended: int = 0
    preempted: list[int] = field(default_factory=list)
    """The request of each preemption."""
    time: list[float] = field(default_factory=list)
    """When each event is over."""
    before: list[float] = field(default_factory=list)
    """Tokens that running requests hold when it began."""
    after: list[float] = field(default_factory=list)
    """The same when it is over; what ended is about to leave. None: the server was idle."""
    batch: list[int] = field(default_factory=list)
    """Sequences that decoded meanwhile."""


def play(
    table: StepTable, limits: Limits, played: Played, count: int, blocks: SharedBlocks | None = None
) -> Generator[float, float, None]:
    """Play until all requests have ended, at most `count` of them; `played` is filled on the way.

    Its `arrival`, `prompt`, `left` and `cached` say what comes; in a closed loop, arrivals are added as requests end.
    `blocks` finds what prompts share.

    A generator, so that replicas can be played side by side: after the first `next`, send it the time up to which all
    arrivals are known (infinity: no more come). It yields when its next event would end later, and says when.
    """
    decode_base, per_token, rows, beside, own_attention, earlier = (
        table.decode_base, table.per_token, table.rows, table.beside, table.prompt, table.earlier)  # fmt: skip
    max_batch, budget, capacity, slack = limits.max_batch, limits.budget, limits.kv_capacity, limits.slack
    whole, growth, width = limits.whole_prompts, limits.growth, limits.width
    arrival, prompt, left, cached = played.arrival, played.prompt, played.left, played.cached
    start, first, done, found = played.start, played.first, played.done, played.found
    record_time, record_before, record_after, record_batch = (
        played.time.append, played.before.append, played.after.append, played.batch.append)  # fmt: skip
    now, step, head = 0.0, 0, 0
    held = 0.0  # tokens of the decoding sequences, newest ones included
    ending = list[int]()  # of each decoding one: request - count * (the step it ends with); the next to end comes last
    key = dict[int, int]()  # as in `ending`, by request
    joined = list[int]()  # decoding ones in order of joining, and some that ended since
    again = list[int]()  # preempted ones, the next to run last
    partial, todo, reserved = -1, 0, 0.0  # the request whose prompt is under way, what is left of it, all it will hold
    shared = 0.0  # tokens that running requests hold more than once among them
    horizon = yield 0.0

    while True:
        if blocks is not None and ending and ending[-1] >= -step * count:
            blocks.trim(capacity - held - reserved + shared - slack * (len(ending) + (partial >= 0)))
            # of those that end together, the first to come leaves first
            for each in ending[bisect_left(ending, -step * count) :]:
                request = each % count
                shared -= blocks.release(request, prompt[request] + 1 + growth * left[request] + slack)
        while ending and ending[-1] >= -step * count:
            request = ending.pop() % count
            done[request] = now
            held -= prompt[request] + 1 + growth * left[request]
            played.ended += 1
            if played.unsent:
                played.unsent -= 1
                arrival.append(now + played.pause)
        batch = running = len(ending)
        if partial >= 0:
            running += 1
        free = capacity - held - reserved + shared - slack * running
        fresh: list[int] = []  # those whose prompts end in this step
        tokens, attending = 0, 0.0  # of prompts in this step; seconds of their attention

        if free < 0:
            if blocks is not None:
                blocks.trim(free)
            while free < 0:
                if partial >= 0:
                    request, own = partial, reserved
                    partial, reserved = -1, 0.0
                    computed = prompt[request] - todo
                else:
                    computed = None
                    request = joined.pop()
                    while done[request] >= 0:
                        request = joined.pop()
                    remaining = -(ending.pop(bisect_left(ending, key[request])) // count) - step
                    own = prompt[request] + 1 + growth * (left[request] - remaining)
                    held -= own
                    batch -= 1
                    # computing all of it again ends with its next token, so one step less is left
                    prompt[request], left[request] = int(own), remaining - 1
                cached[request] = 0
                free += own + slack
                if blocks is not None:
                    still = blocks.release(request, own + slack, computed)
                    shared -= still
                    free -= still
                again.append(request)
                played.preempted.append(request)
        else:
            room = budget if whole else budget - width * batch
            if partial >= 0 and room > 0:
                tokens = todo if todo < room else room
                attending = own_attention[tokens] + earlier[tokens] * (prompt[partial] - todo)
                todo -= tokens
                room -= tokens
                if not todo:
                    fresh.append(partial)
                    partial, reserved = -1, 0.0
            while room > 0 and running < max_batch and (again or (head < len(arrival) and arrival[head] <= now)):
                request = again[-1] if again else head
                need = prompt[request] + 1 + slack
                if blocks is not None:
                    blocks.trim(free)
                    known, used = blocks.found(request)
                    need -= used
                if need > free:
                    break
                free -= need
                if blocks is not None:
                    cached[request] = min(known, prompt[request] - 1)
                    blocks.take(request)
                    shared = blocks.shared
                running += 1
                if again:
                    again.pop()
                else:
                    head += 1
                    start.append(now)
                    first.append(-1.0)
                    done.append(-1.0)
                    found.append(cached[request])
                new = prompt[request] - cached[request]
                if not new:
                    first[request] = now
                    held += prompt[request] + 1
                    batch += 1
                    key[request] = request - count * (step + left[request])
                    insort(ending, key[request])
                    joined.append(request)
                    continue
                if new <= room or whole:
                    fresh.append(request)
                else:
                    partial, todo, new, reserved = request, new - room, room, prompt[request] + 1.0
                tokens += new
                attending += own_attention[new] + earlier[new] * cached[request]
                room -= new

        before = held + reserved - shared
        if tokens:
            seconds = attending + table.ending * len(fresh)
            if whole:
                end = now + (seconds + rows[tokens] + beside[0])
            else:
                end = now + (seconds + rows[tokens + width * batch] + beside[batch] + per_token[batch] * held)
            while end > horizon:
                horizon = yield end
            if not whole:
                step += 1
                held += growth * batch
            for request in fresh:
                if first[request] < 0:
                    first[request] = end
                held += prompt[request] + 1
                key[request] = request - count * (step + left[request])
                insort(ending, key[request])
                joined.append(request)
        elif batch:
            steps = -(ending[-1] // count) - step
            gain = growth * batch
            if (steps - 1) * gain > free:
                steps = int(free // gain) + 1
            base, slope = decode_base[batch], per_token[batch]
            level, rise = base + slope * (held - 0.5 * gain), 0.5 * slope * gain
            end = now + steps * (level + rise * steps)
            if running < max_batch and not again and head < len(arrival) and now < arrival[head] < end:
                comes = arrival[head]
                wait = comes - now
                steps = int(2 * wait / (level + sqrt(level * level + 4 * rise * wait))) + 1
                # the root is rounded; which step it is, the sums decide
                while steps > 1 and now + (steps - 1) * (level + rise * (steps - 1)) >= comes:
                    steps -= 1
                end = now + steps * (level + rise * steps)
                while end < comes:
                    steps += 1
                    end = now + steps * (level + rise * steps)
            if end > horizon:
                horizon = yield end
                continue
            step += steps
            held += gain * steps
        elif head < len(arrival):
            end = arrival[head]
        elif horizon < inf:
            horizon = yield inf
            continue
        else:
            return
        now = end
        record_time(now)
        record_before(before)
        record_after(held + reserved - shared)
        record_batch(batch)
