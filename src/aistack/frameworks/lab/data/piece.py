"""A piece: the part of a file that one worker reads at a time, and how much of a collection to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aistack.frameworks.lab.data.document import place

Kind = Literal["python", "readme", "lines", "utf-16", "jsonl", "parquet"]


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes [start, stop) of a file (for Parquet: its row groups of these numbers)."""

    path: Path
    kind: Kind
    id: str
    source: str
    licence: str
    start: int
    stop: int
    size: int
    """Bytes on disk."""


def sample(pieces: Sequence[Piece], size: float, salt: str) -> list[Piece]:
    """Some of `pieces`, about `size` bytes together and at least one, in their own order.

    A systematic sample: every source is represented by its share of pieces, and which of its pieces is decided by a
    hash of their ids and `salt` alone.
    """
    share = size / max(1, sum(piece.size for piece in pieces))
    if share >= 1:
        return list(pieces)
    order = sorted(range(len(pieces)), key=lambda index: (pieces[index].source, place(pieces[index].id, salt)))
    start = place(salt)
    chosen = [index for rank, index in enumerate(order) if int(start + (rank + 1) * share) > int(start + rank * share)]
    return [pieces[index] for index in sorted(chosen or order[:1])]
