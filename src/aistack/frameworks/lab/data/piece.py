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
    """Some of `pieces`, about `size` bytes together, chosen by their ids and `salt` alone, in their own order."""
    left = size
    chosen = set()
    for index in sorted(range(len(pieces)), key=lambda index: place(pieces[index].id, salt)):
        if left <= 0:
            break
        chosen.add(index)
        left -= pieces[index].size
    return [pieces[index] for index in sorted(chosen)]
