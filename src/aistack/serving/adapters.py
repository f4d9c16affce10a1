"""LoRA adapters beside one base model: what they hold, what they add to a step, and what fetching one takes.

A row's output gets its own adapter's two thin products added, y = x W + x A B: one kernel for all A and one for all B
of the matrices that read one input, grouped by adapter (Punica, arXiv:2310.18547, section 4; S-LoRA, arXiv:2311.03285,
section 5). In decoding, rows are few and each adapter that a batch touches is read once. Requests choose among the
adapters evenly. Ranks divide A and B as they divide the matrix beside them: A of what is split by columns and B of what
is split by rows lie whole on every rank. Left out: adapters of experts and of the output matrix, unequal ranks, and
loading behind other work.

n adapters, R of them resident on the accelerators
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aistack import catalog
from aistack.frameworks.adapters import LoRA
from aistack.frameworks.pieces import Piece, Product
from aistack.frameworks.products import joined
from aistack.frameworks.served import STREAM_BYTES
from aistack.hardware.chip import Chip
from aistack.hardware.streaming import memory_time
from aistack.infrastructure import topology
from aistack.serving.formats import half

if TYPE_CHECKING:
    from aistack.serving.step_time import Server

Array = npt.NDArray[np.float64]

KERNELS = 2
"""Of the matrices that read one input: all their A in one, all their B in the other."""
ROOM = 0.2
"""Of the memory that weights leave, what resident adapters take at most; keys and values need the rest."""

COPYING = 0.8
"""Share of the host link's rate at which pinned memory is copied: 25 GB/s over PCIe 4.0 x16, as NVIDIA's bandwidthTest
shows it."""


def estimate(chip: Chip, pieces: Iterable[Piece], lora: LoRA, touched: Array) -> tuple[Array, Array, int]:
    """Seconds that the adapters beside `pieces` compute and move bytes, were each alone, and how many kernels they are.

    The rows are those of the pieces, of `touched` different adapters: each A and B is read once, A's kernel reads the
    input, B's reads and writes the output of the matrix beside it. Kernels made for such thin shapes are bound by bytes
    or by FLOP at the peak that products sustain, not by tiles.
    """
    flop: Array = np.zeros(())
    elements: Array = np.zeros(())
    kernels = 0
    for products in _beside(pieces, lora):
        rows, depth, width = products[0].m, products[0].k, sum(each.n for each in products)
        thin = len(products) * lora.rank
        flop = flop + 2 * rows * (depth * thin + lora.rank * width)
        elements = elements + touched * (depth * thin + lora.rank * width) + rows * (depth + 2 * thin + 2 * width)
        kernels += KERNELS
    precision = half(chip)[0]
    computing = flop / (chip.rate(precision) * chip.kernels.matmul[precision])
    return computing, memory_time(chip, elements * STREAM_BYTES), kernels


def parameters(pieces: Iterable[Piece], lora: LoRA) -> Array:
    """Of one adapter beside `pieces`, on one device."""
    total: Array = np.zeros(())
    for products in _beside(pieces, lora):
        for each in products:
            total = total + lora.rank * (each.n + each.k)
    return total


def touched(count: int, sequences: npt.ArrayLike) -> Array:
    """Different adapters among so many sequences on average, each with one of `count`: n (1 - (1 - 1/n)^B)."""
    missed: Array = np.power(1 - 1 / count, np.asarray(sequences, dtype=float))
    return np.asarray(np.maximum(count * (1 - missed), 1.0))


def resident(server: Server, room: npt.ArrayLike) -> Array:
    """Adapters that lie on the accelerators at once, at least one: no more than there are, than sequences of a group
    that decode, and than a part (`ROOM`) of `room` bytes holds."""
    plan = server.deployments.common.adapters
    if plan is None:
        return np.zeros(())
    places = server.limit * server.stages / server.groups
    fits = np.floor(ROOM * np.asarray(room, dtype=float) / server.adapter_bytes)
    return np.maximum(np.minimum(np.minimum(plan.count, places), fits), 1.0)


def places(count: int, kept: Array) -> Array:
    """Sequences at once of which R = `kept` adapters are enough on average: the B with n (1 - (1 - 1/n)^B) = R."""
    share = np.minimum(kept / count, 1.0)
    with np.errstate(divide="ignore"):
        most: Array = np.where(share < 1, np.log1p(-share) / np.log1p(-1 / max(count, 2)), np.inf)
    return np.maximum(np.floor(most), 1.0)


def loading(server: Server, kept: Array) -> Array:
    """Seconds that fetching its adapter takes a request on average, from the host's memory while the step waits.

    Of n adapters that requests choose evenly the least recently used go first, so 1 - R/n of the requests miss theirs.
    """
    plan = server.deployments.common.adapters
    if plan is None:
        return np.zeros(())
    rate = COPYING * topology.host_link(catalog.accelerator(server.chip.name))
    return np.asarray(np.maximum(1 - kept / plan.count, 0.0) * server.adapter_bytes / rate)


def _beside(pieces: Iterable[Piece], lora: LoRA) -> list[Sequence[Product]]:
    """The products that have adapters, those of one input together."""
    found = [[each for each in products if each.name in lora.targets] for products in joined(pieces)]
    return [products for products in found if products]
