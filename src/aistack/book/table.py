"""A numbered table of a page: rows of words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aistack.book.number import Number

Cell = Number | str | int | float | None
"""A float is printed with three digits, None as nothing known."""


@dataclass(frozen=True)
class Table:
    """Rows with the same keys; the first column names the row."""

    title: str
    """The finding, as a claim."""
    source: str
    rows: Sequence[Mapping[str, Cell]]

    def __post_init__(self) -> None:
        if not (self.title.strip() and self.source.strip() and self.rows):
            raise ValueError("A table needs a title, a source and rows.")
        if not all(column.strip() for column in self.rows[0]):
            raise ValueError(f"A column of the table {self.title!r} has no name.")
        if any(list(row) != list(self.rows[0]) for row in self.rows):
            raise ValueError(f"The rows of the table {self.title!r} have different columns.")
