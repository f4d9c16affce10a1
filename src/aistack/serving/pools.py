"""Prompts read by some replicas and answers decoded by others: the two pools, and the way of the cache between them.

Neither waits for the other's steps, at the price of moving keys and values (DistServe, arXiv:2401.09670; Splitwise,
arXiv:2311.18677). The closed form (`steady_pools`), what pools carry within goals (`pool_capacity`), the search and the
simulation (`disaggregated`) all speak of the same `Pools`, and agree on this: a prompt is read by one group of ranks,
its keys and values then pass from each accelerator at once, one prompt of a group after the other, and the first token
is seen once they are there. Left out: engines that send a layer while the next is read, prefixes that the decoding
replica has already, and the step in which vLLM makes the first token again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput
from aistack.infrastructure.channel import Channel
from aistack.serving import replica_memory
from aistack.serving.replica_memory import UNCHUNKED
from aistack.serving.step_time import Server

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pools:
    """Replicas that read prompts, and replicas that decode. Raises `BadInput` for pools that cannot go together."""

    prefill: Server
    decode: Server
    prefill_replicas: int
    decode_replicas: int
    channel: Channel
    """What keys and values pass over, from or to one accelerator."""

    def __post_init__(self) -> None:
        if min(self.prefill_replicas, self.decode_replicas) < 1:
            raise BadInput("Each pool has one replica or more.")
        formats = [each.deployments.common.kv_precision for each in (self.prefill, self.decode)]
        if formats[0] != formats[1]:
            raise BadInput(f"Keys and values are handed on as they are, not from {formats[0]} to {formats[1]}.")

    @property
    def chips(self) -> Array:
        """Accelerators of both pools."""
        return self.prefill_replicas * self.prefill.chips + self.decode_replicas * self.decode.chips

    def transfer(self, prompt: npt.ArrayLike) -> Array:
        """Seconds from a prompt's end to its keys and values' arrival; `prompt` tokens."""
        return moving(self.channel, held(self.prefill, prompt), held(self.decode, prompt))


def held(server: Server, prompt: npt.ArrayLike) -> Array:
    """Bytes of a prompt's keys and values on the accelerator that holds most of them."""
    tokens = np.asarray(prompt, dtype=float)
    return np.asarray(replica_memory.per_token(server, tokens) * tokens)


def moving(channel: Channel, sent: npt.ArrayLike, received: npt.ArrayLike) -> Array:
    """Seconds in which an accelerator sends `sent` bytes while another receives `received` ones: the longer of both."""
    return np.asarray(channel.latency + np.maximum(sent, received) / channel.bandwidth)


@dataclass(frozen=True)
class Reading:
    """How a replica reads prompts of one kind; arrays, seconds."""

    alone: Array
    """From a prompt's start to its end, with no other beside it."""
    each: Array
    """Of one prompt in a full step; short prompts share it."""
    together: Array
    """Prompts in a full step."""
    between: Array
    """From one prompt to the next in a group of ranks with no pause, or from one sending to the next where that is
    longer."""
    first: Array
    """From a prompt's start to its first token at the client's end, with nothing in the way."""

    def waiting(self, busy: npt.ArrayLike) -> Array:
        """Mean wait in a group that works for a share `busy` of the time.

        Before a prompt's start: that of a queue with independent arrivals and constant service (M/D/1). A sender behind
        a reader adds none of its own: of two constant services in a row the longer alone makes a queue (Friedman,
        Operations Research 13, 1965). After it: for those that came meanwhile and share its steps, as far as they fit.
        """
        share = np.asarray(busy, dtype=float)
        before = share / (2 * (1 - share)) * np.maximum(self.alone, self.between)
        behind = np.minimum(share / self.between * before, self.together - 1)
        return np.asarray(before + behind * self.each)


def reading(
    prefill: Server, prompt: npt.ArrayLike, prefix_hit: npt.ArrayLike = 0.0, transfer: npt.ArrayLike = 0.0
) -> Reading:
    """Prompts of which a share `prefix_hit` is in the cache, and whose keys and values take `transfer` seconds."""
    tokens, hit, sending = (np.asarray(each, dtype=float) for each in (prompt, prefix_hit, transfer))
    new, known = np.maximum(tokens * (1 - hit), 1.0), tokens * hit
    alone = prefill.prefill(new, known)
    room = np.where(prefill.chunk > 0, prefill.chunk, UNCHUNKED) / new
    together = np.maximum(np.floor(np.minimum(room, prefill.max_batch / prefill.groups)), 1.0)
    each = np.minimum(prefill.prefill(new, known, together * prefill.groups) / together, alone)
    return Reading(alone, each, together, np.maximum(each, sending), alone + sending)
