"""What there is to read: the user's files, or else the documentation of the installed packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aistack.errors import BadInput
from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.given import KINDS, given
from aistack.frameworks.lab.data.installed import Package, installed
from aistack.frameworks.lab.data.piece import Piece

LEAST_TEXT = 100_000
"""Bytes of cleaned text that training needs at least."""


@dataclass(frozen=True)
class Collection:
    """Pieces to read, the account of the files they come from, and what is known of their packages."""

    title: str
    pieces: Sequence[Piece]
    files: Step
    packages: Sequence[Package]
    """The installed packages; none for the user's own text."""
    only_language: str | None
    """The one language to keep, or None to keep all that make up a good part."""

    @property
    def size(self) -> int:
        """Bytes on disk of all pieces."""
        return sum(piece.size for piece in self.pieces)


def collect(paths: Sequence[Path]) -> Collection:
    """Look at `paths`, or at the installed packages where there are none.

    Raises `BadInput` for a path that does not exist, where no file can be read, with what was found instead, and
    where the files are smaller than the text that is needed.
    """
    if not paths:
        packages, pieces, files = installed()
        return Collection("Documentation of the installed Python packages", pieces, files, packages, "en")
    pieces, files = given(paths)
    if not pieces:
        found = "; ".join(f"{reason}: {amount.documents}" for reason, amount in files.dropped.items()) or "no files"
        raise BadInput(
            f"Nothing to read in {', '.join(map(str, paths))} (found {found}). Give files or folders with "
            f"{', '.join(sorted(set(KINDS)))}."
        )
    collection = Collection(", ".join(map(str, paths)), pieces, files, (), None)
    # a compressed table can hold many times its size
    if collection.size < LEAST_TEXT and not any(piece.kind == "parquet" for piece in pieces):
        raise BadInput(
            f"Too little text to train on in {collection.title}: {collection.size:,} bytes in {len(pieces):,} "
            f"files, and {LEAST_TEXT:,} are needed. Give more text."
        )
    return collection
