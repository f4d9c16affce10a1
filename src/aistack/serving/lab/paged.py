"""Attention that keeps its keys and values in the blocks of a paged cache.

N blocks of P tokens, G key-value heads, H query heads, K head width; a step computes T tokens, in groups of B
sequences with S new tokens each, whose block tables reach L tokens
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from aistack.catalog.architecture import GroupedQueryAttention, ModelSpec
from aistack.serving.lab.scheduler import Chunk


class PagedCache:
    """Room for the keys and values of N blocks in every layer, a token's key beside its value."""

    def __init__(self, spec: ModelSpec, blocks: int, block_size: int, device: torch.device) -> None:
        attention = spec.blocks[0].mixer
        assert isinstance(attention, GroupedQueryAttention)
        shape = (blocks, block_size, attention.kv_heads, 2 * attention.head_dim)
        self.block_size, self.device = block_size, device
        self.layers = [torch.zeros(shape, device=device) for _ in range(spec.layers)]

    @property
    def bytes(self) -> int:
        """Size of the whole cache."""
        return sum(layer.nbytes for layer in self.layers)

    def batch(self, chunks: Many[Chunk]) -> Batch:
        """Lay out one step: decoding sequences as one group, each prompt's chunk as a group of its own."""
        decoding = [chunk for chunk in chunks if chunk.count == 1]
        groups = [decoding] if decoding else []
        groups += [[chunk] for chunk in chunks if chunk.count > 1]
        return Batch(self, groups)


@dataclass(frozen=True)
class _Group:
    """B sequences with S new tokens each."""

    sequences: int
    rows: slice
    """Its rows among the T tokens of the step."""
    blocks: Tensor
    """[B·L/P] block numbers; shorter tables are filled up with any block."""
    mask: Tensor
    """[B,1,S,L], 0 where a query may look and minus infinity elsewhere."""


class Batch:
    """One step's tokens, and the attention over them (the `attend` of `Transformer.forward`)."""

    def __init__(self, cache: PagedCache, groups: Many[Many[Chunk]]) -> None:
        self._cache = cache
        self.chunks = [chunk for group in groups for chunk in group]
        size, device = cache.block_size, cache.device
        tokens, positions, slots, ends = list[int](), list[int](), list[int](), list[int]()
        for chunk in self.chunks:
            sequence, places = chunk.sequence, range(chunk.start, chunk.end)
            tokens += sequence.tokens[chunk.start : chunk.end]
            positions += places
            slots += (sequence.table[place // size] * size + place % size for place in places)
            ends.append(len(tokens) - 1)
        self.tokens = torch.tensor([tokens], device=device)
        """[1,T]"""
        self.positions = torch.tensor([positions], device=device)
        """[1,T], each token's place in its sequence."""
        self.ends = torch.tensor(ends, device=device)
        """The row of each chunk's last token."""
        self._slots = torch.tensor(slots, device=device)
        self._groups, row = list[_Group](), 0
        for group in groups:
            rows = slice(row, row + sum(chunk.count for chunk in group))
            self._groups.append(self._group(group, rows))
            row = rows.stop

    def _group(self, chunks: Many[Chunk], rows: slice) -> _Group:
        size, device = self._cache.block_size, self._cache.device
        reach = max(-(-chunk.end // size) for chunk in chunks)
        tables = [(chunk.sequence.table + [0] * reach)[:reach] for chunk in chunks]
        places = self.positions[0, rows].view(len(chunks), 1, -1, 1)
        hidden = torch.arange(reach * size, device=device) > places
        mask = torch.zeros(hidden.shape, device=device).masked_fill_(hidden, float("-inf"))
        return _Group(len(chunks), rows, torch.tensor(tables, device=device).flatten(), mask)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Keep `key` and `value` [1,G,T,K]; what `query` [1,H,T,K] reads of its own sequences' keys and values."""
        store = self._cache.layers[layer]
        entries = torch.cat((key, value), dim=-1)[0].transpose(0, 1)
        store.flatten(0, 1).index_copy_(0, self._slots, entries)
        read = [self._read(store, group, query) for group in self._groups]
        return (read[0] if len(read) == 1 else torch.cat(read, dim=1))[None]

    def _read(self, store: Tensor, group: _Group, query: Tensor) -> Tensor:
        """[H,B·S,K] of one group."""
        held = store.index_select(0, group.blocks).view(group.sequences, -1, *store.shape[2:]).transpose(1, 2)
        keys, values = held.chunk(2, dim=-1)
        queries = query[0, :, group.rows]
        queries = queries.reshape(len(queries), group.sequences, -1, queries.shape[-1]).transpose(0, 1)
        read = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=group.mask, enable_gqa=queries.shape[1] != keys.shape[1]
        )
        return read.transpose(0, 1).flatten(1, 2)
