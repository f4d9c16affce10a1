"""The operations of a replica's steps on one accelerator: what each computes, what it moves, how long it takes.

The same pieces that `tables` prices, one by one instead of added up; operations of all layers count together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistack.frameworks import layers
from aistack.frameworks.pieces import Piece, Product
from aistack.frameworks.products import words
from aistack.frameworks.served import STREAM_BYTES, Ranks, Served, readings
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.serving import tables
from aistack.serving.formats import cache_bytes, weights
from aistack.serving.step_time import Server
from aistack.serving.tables import GRID

Array = npt.NDArray[np.float64]

STREAMS = "norms, activations"
"""What does little but move bytes, as one operation."""


@dataclass(frozen=True)
class Operation:
    """One kind of operation in all layers, as arrays over what was asked."""

    name: str
    precision: str
    """That the chip multiplies in."""
    flop: Array
    bytes: Array
    """Of memory traffic, where every operand is read and every result written once."""
    seconds: Array


def decode(
    server: Server, batch: npt.ArrayLike, held_tokens: npt.ArrayLike, rows_each: float = 1.0
) -> tuple[Operation, ...]:
    """The operations of a step in which B sequences decode that hold N tokens together, the longest first.

    Each sequence has `rows_each` rows: with tokens proposed ahead one more than those. A product of M x K by K x N
    matrices has 2 M N K FLOP, a query and a key 2 for each of their elements and of the value's; what moves bytes alone
    is counted as one FLOP an element. Seconds are those of `Server.decode` apart from communication, the engine's own
    work, proposing tokens and choosing them. With pipeline stages the operations are those of one of the parts that the
    batch is divided into, in all stages.
    """
    many, held = np.broadcast_arrays(np.asarray(batch, dtype=float), np.asarray(held_tokens, dtype=float))
    own = np.maximum(many / server.groups, np.minimum(many, 1.0))
    context = held / np.maximum(many, 1e-9)
    found = _over_rows(server, own * rows_each, own * rows_each, 1)
    flop, moved = _attention(server, 1.0, context, cache_bytes(server.deployments.common.kv_precision))
    seconds = server.cache_attention(own, context)
    return _sorted([*found, Operation("attention", _half(server), own * rows_each * flop, own * moved, seconds)])


def prefill(server: Server, new_tokens: npt.ArrayLike, held_tokens: npt.ArrayLike = 0.0) -> tuple[Operation, ...]:
    """The operations of reading one prompt of `new_tokens` on top of `held_tokens` in the cache, the longest first.

    As for `decode`, in steps of as many tokens as the deployment has (`Server.prefill`), and on one group of ranks.
    """
    new, held = np.broadcast_arrays(np.asarray(new_tokens, dtype=float), np.asarray(held_tokens, dtype=float))
    chunk = np.where(server.chunk > 0, server.chunk, new)
    steps = np.ceil(new / chunk)
    full = np.minimum(new, chunk)
    rest = np.maximum(new - (steps - 1) * full, 1.0)
    cut = [_over_rows(server, rows, 1.0 / steps, 0) for rows in (full, rest)]
    found = [
        Operation(whole.name, whole.precision, *((steps - 1) * a + b for a, b in (
            (whole.flop, last.flop), (whole.bytes, last.bytes), (whole.seconds, last.seconds))))
        for whole, last in zip(*cut, strict=True)
    ]  # fmt: skip
    flop, moved = _attention(server, new, held, 2.0)
    return _sorted([*found, Operation("attention", _half(server), flop, moved, server.prompt_attention(new, held))])


def _over_rows(server: Server, rows: Array, sampled: npt.ArrayLike, cached: int) -> list[Operation]:
    """What depends on how many rows pass through the model at once: by `tables.GRID`, and read off between."""
    chip, spec, each = server.chip, server.spec, weights(server.deployments.common.precision)
    one = server.deployments[0]
    ranks = Ranks(one.tensor_parallel, one.data_parallel, one.expert_parallel)
    graph = Served(spec, GRID, ranks, cached)
    kinds = [(count, list(layers.block(graph, block))) for block, count in tables.kinds(spec).items()]
    output = graph.matmul("lm_head", GRID, spec.vocab, spec.hidden, split="columns", exact=True)
    totals: dict[tuple[str, str], list[Array]] = defaultdict(lambda: [np.zeros(np.shape(rows)) for _ in range(3)])
    for count, pieces in [*kinds, (1, [graph.norm("final norm", spec.hidden), output])]:
        at = np.asarray(sampled if pieces[-1] is output else rows, dtype=float)
        for group in _apart(pieces):
            priced = tables.estimate_pieces(chip, group, spec, each, (1, len(GRID)))
            products = [piece.product for piece in group if piece.product is not None]
            stored = tables.format_of(products[0].name, products[0].exact, spec, each) if products else each
            precision = stored.precision(chip) if products else _half(server)
            name = words(" and ".join(product.name for product in products)) if products else STREAMS
            flop, moved = _product(products, ELEMENT_BYTES[precision], stored.bytes) if products else (0.0, 0.0)
            for piece in group:
                for kernel in piece.forward:
                    streamed = server.engine.traffic * kernel.arguments["bytes_moved"]
                    flop, moved = flop + streamed / STREAM_BYTES, moved + streamed
            total = totals[name, precision]
            for place, over_grid in enumerate((flop, moved, server.spend(priced)[0])):
                total[place] = total[place] + count * np.interp(at, GRID, np.broadcast_to(over_grid, GRID.shape))
    return [Operation(name, precision, *total) for (name, precision), total in totals.items()]


def _apart(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Products of one input together, and each other piece by itself; attention is counted elsewhere."""
    group: list[Piece] = []
    for piece in pieces:
        if piece.name == "attention":
            continue
        if group and not (piece.product is not None and piece.product.joined):
            yield group
            group = []
        group.append(piece)
    yield group


def _product(products: list[Product], element: float, stored: float) -> tuple[Array, Array]:
    """FLOP and bytes of the products of one input, run as one."""
    first = products[0]
    width = sum((product.n for product in products[1:]), start=first.n)
    m, k, groups = first.m, first.k, first.groups
    moved = groups * (m * k * element + k * width * stored + m * width * max(element, STREAM_BYTES))
    return 2 * groups * m * width * k, moved


def _attention(server: Server, new: npt.ArrayLike, before: Array, size: float) -> tuple[Array, Array]:
    """FLOP and bytes of all layers' attention of one sequence on one accelerator, `size` bytes an element of a key."""
    tensor = float(server.deployments[0].tensor_parallel)
    flop, moved = np.zeros(before.shape), np.zeros(before.shape)
    for count, each in readings(server.spec, server.tables.mixers, new, before):
        heads = each.heads / (1.0 if each.scores else tensor)
        groups = 1.0 if each.scores else max(each.kv_heads / tensor, 1.0) / max(each.kv_heads, 1)
        flop = flop + count * heads * each.pairs * 2 * (each.query + each.value)
        moved = moved + count * each.held * groups * size
    return flop, moved


def _half(server: Server) -> str:
    return tables.precision_of_attention(server.chip)


def _sorted(operations: list[Operation]) -> tuple[Operation, ...]:
    return tuple(sorted(operations, key=lambda each: -float(np.sum(each.seconds))))
