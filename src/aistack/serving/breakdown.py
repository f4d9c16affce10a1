"""Where the time to the first token and the time per output token go, from what the datasheet asks for to what is seen.

Each loss is what the time shrinks by when the loss is taken away, one after the other in the order listed, so that the
shares add up to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from aistack.frameworks.operators import flops_per_token
from aistack.serving import tables
from aistack.serving.formats import weights
from aistack.serving.step_time import Server

TPOT = {
    "weights and arithmetic at the datasheet's rates": "hardware",
    "products below the datasheet's rates": "hardware",
    "reading keys and values": "hardware",
    "memory-bound kernels": "frameworks",
    "waiting for launches": "frameworks",
    "communication": "infrastructure",
    "engine's own work": "serving",
    "proposing tokens": "serving",
    "adapters": "serving",
    "prompts read beside": "serving",
}
"""The shares of the time per output token, and the layer of each."""
TTFT = {
    "prompt's arithmetic at peak": "hardware",
    "products below the datasheet's rates": "hardware",
    "attention over the prompt": "hardware",
    "memory-bound kernels": "frameworks",
    "waiting for launches": "frameworks",
    "communication": "infrastructure",
    "engine's own work": "serving",
    "adapters": "serving",
    "receiving the request": "serving",
    "waiting for other requests": "serving",
}
"""The shares of the time to the first token, and the layer of each."""


@dataclass(frozen=True)
class _Loss:
    name: str
    without: Callable[[Server], Server]


def _engine(**fields: float) -> Callable[[Server], Server]:
    return lambda server: server.with_engine(replace(server.engine, **fields))  # type: ignore[arg-type]


_LOSSES = (
    _Loss("adapters", lambda server: server.without_adapters()),
    _Loss("engine's own work", _engine(step_overhead=0.0, sequence_overhead=0.0)),
    _Loss("communication", _engine(communication=0.0)),
    _Loss("waiting for launches", _engine(gap=0.0, dispatch=0.0)),
    _Loss("memory-bound kernels", _engine(traffic=0.0)),
)


def tpot(server: Server, batch: float, held: float, seconds: float) -> Mapping[str, float]:
    """The shares of `seconds` between two tokens, while `batch` sequences decode that hold `held` tokens together.

    What a step with nothing but decoding does not explain is the prompts' that are read beside it. Where such a step
    takes longer than `seconds` already, its shares are made smaller alike.
    """
    speculation = server.deployments.common.speculative
    tokens = 1.0 if speculation is None else speculation.expected
    rows = batch if speculation is None else batch * (speculation.tokens + 1)

    # checking alone: what proposes the tokens is a share of its own
    checking = speculation and replace(speculation, method="ngram", draft=None)

    def step(one: Server, keys: float) -> float:
        taken = one.mixed(batch, keys, 0.0) if checking is None else one.verify(batch, keys, checking)
        return float(taken) / tokens

    whole = float(server.verify(batch, held, speculation)) / tokens if speculation else step(server, held)
    shares = {"prompts read beside": seconds - whole, "proposing tokens": whole - step(server, held)}
    left, rest = _telescoped(server, lambda one: step(one, held), shares)
    without = step(rest, 1e-9)
    shares["reading keys and values"] = left - without
    least = min(_least(server, rows / float(server.groups)) / tokens, without)
    shares["products below the datasheet's rates"] = without - least
    shares["weights and arithmetic at the datasheet's rates"] = least
    return _within(shares, TPOT, "prompts read beside", seconds)


def ttft(server: Server, new: float, held: float, seconds: float) -> Mapping[str, float]:
    """The shares of `seconds` to the first token of a prompt of `new` tokens on top of `held` ones in the cache.

    What reading it alone does not explain is the wait for others. Where that takes longer than `seconds` already, its
    shares are made smaller alike.
    """

    def reading(one: Server) -> float:
        return float(one.prefill(new, held))

    request = server.engine.request_overhead
    shares = {"waiting for other requests": seconds - request - reading(server), "receiving the request": request}
    left, rest = _telescoped(server, reading, shares)
    attention = float(rest.prompt_attention(new, held))
    shares["attention over the prompt"] = attention
    least = min(_least(server, new), left - attention)
    shares["products below the datasheet's rates"] = left - attention - least
    shares["prompt's arithmetic at peak"] = least
    return _within(shares, TTFT, "waiting for other requests", seconds)


def _within(shares: Mapping[str, float], order: Mapping[str, str], rest: str, seconds: float) -> dict[str, float]:
    """The shares in order; those but the `rest` scaled down where it would be less than nothing."""
    scale = min(1.0, seconds / (seconds - shares[rest]))
    return {name: max(shares[rest], 0.0) if name == rest else scale * shares[name] for name in order}


def _telescoped(server: Server, seconds: Callable[[Server], float], shares: dict[str, float]) -> tuple[float, Server]:
    """Take the losses away one after the other; what is left then, and the replica without them."""
    before = seconds(server)
    for loss in _LOSSES:
        server = loss.without(server)
        after = seconds(server)
        shares[loss.name] = before - after
        before = after
    return before, server


def _least(server: Server, rows: float) -> float:
    """Seconds of one device for `rows` at the datasheet's bandwidth and dense peak: bytes moved or FLOP, the longer."""
    work = server.tables.common[:, 0]
    moving = [np.interp(rows, tables.GRID, work[kind]) for kind in (tables.MOVING, tables.EXPERTS_MOVING)]
    read = float(sum(moving)) * server.chip.kernels.bandwidth
    flop = flops_per_token(server.spec, 1, "parameters") / 3 * rows
    each = weights(server.deployments.common.precision).precision(server.chip)
    ranks = float(server.chips / server.groups)
    return max(read, flop / ranks / server.chip.rate(each))
