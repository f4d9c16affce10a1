"""From times of a batch to what a row measures, for planners that know a batch but no engine around it.

Such a planner says how long reading prompts takes and how long a step takes in which each sequence gets a token. Here
they go round the same loop:

- A static batch reads its prompts together, then decodes.
- Clients that keep a fixed number of requests in flight: prompts are read one by one between decoding steps, so that a
  request waits for its own prompt, half a step and the prompts before it (a queue with random arrivals), and its
  decoding pauses for everybody else's prompts. Requests beyond those that fit wait for a place.
- At a rate, as many are in flight as arrive while one is served (Little's law), or as fit where they come too fast.
- Pipeline stages work on micro-batches, each a stage apart.
- Separate instances that read prompts pause nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worker import Answer, Job

Pool = dict[str, int]
Prefill = Callable[[Pool, float, float, float], float]
"""Seconds until some sequences of so many tokens are read, after so many that are held already, on one instance."""
Decode = Callable[[Pool, float, float], float]
"""Seconds of a step of some sequences whose contexts are so many tokens long, on one instance."""


def continued(read: Callable[[Pool, float, float], float]) -> Prefill:
    """Of a planner that reads whole prompts: after tokens that are held, all of them less those."""

    def prefill(pool: Pool, sequences: float, tokens: float, held: float) -> float:
        return read(pool, sequences, held + tokens) - (read(pool, sequences, held) if held else 0.0)

    return prefill


def chips(pool: Pool) -> int:
    """Among which one pipeline stage of an instance is divided."""
    return pool["tp"] * pool["dp"]


def answered(job: Job, prefill: Prefill, decode: Decode) -> Answer:
    """What the planner's times make of the row's load."""
    pool, prompt, output = job["pool"], job["prompt"], job["output"]
    reader = job["prefill_pool"] or pool

    def read(sequences: float) -> float:
        return prefill(reader, sequences, prompt, job["held"]) if prompt else 0.0

    def step(sequences: float) -> float:
        if not output:
            return 0.0
        return decode(pool, max(1.0, sequences / pool["pp"]), job["held"] + prompt + output / 2)

    if job["scenario"] == "static":
        batch = max(1.0, job["concurrency"] / pool["instances"])
        return static(batch, read(batch), step(batch), job)
    alone = read(1.0)
    paused = 0.0 if job["prefill_pool"] else alone / pool["pp"]
    if job["rate"] is not None:
        flight = arriving(job["rate"] / pool["instances"], alone, paused, step, job)
    else:
        flight = max(1.0, (job["concurrency"] or job["most"] * pool["instances"]) / pool["instances"])
    running = min(flight, job["most"])
    each = step(running)
    # one request's stay: its own prompt, everybody else's, and its steps
    stay = alone + (running - 1) * paused + output * each
    if job["prefill_pool"]:
        stay = max(stay, running * pool["instances"] * alone / reader["instances"])
    busy = min((running - 1) * paused / stay, 0.99)
    return {
        "throughput": running * output / stay * pool["instances"],
        "ttft": alone + each / 2 + alone * busy / (2 * (1 - busy)) + (flight - running) * stay / running,
        "tpot": (stay - alone) / max(output, 1.0),
    }


def static(batch: float, first: float, each: float, job: Job) -> Answer:
    """A batch that starts and ends together: the first token comes of its prompts, if there are any."""
    total = first + each * (job["output"] - 1 if first else job["output"])
    answer: dict[str, Any] = {}
    if job["output"]:
        answer |= {"throughput": batch * job["output"] / total, "tpot": each}
        answer["throughput"] *= job["pool"]["instances"]
    if first:
        answer["ttft"] = first
    return answer


def arriving(rate: float, alone: float, paused: float, step: Callable[[float], float], job: Job) -> float:
    """Requests in flight where `rate` a second come to an instance: as many as come while one of them is served."""
    flight = 1.0
    for _ in range(8):
        busy = rate * paused
        if busy >= 1:
            return job["most"]
        stay = alone + job["output"] * step(flight) / (1 - busy)
        flight, last = max(1.0, min(rate * stay, job["most"])), flight
        if abs(flight - last) < 0.01 * last:
            break
    return flight
