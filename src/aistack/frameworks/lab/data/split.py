"""Which documents are held back for validation."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.frameworks.lab.data.document import place
from aistack.frameworks.lab.shards import Split

VALIDATION = 0.04
"""The share of documents held back, by a hash of their ids."""
LEAST_VALIDATION = 10_000
"""Bytes of text to hold back at least, so that a small collection has a validation loss too."""


def split(ids: Sequence[str], sizes: Sequence[int]) -> list[Split]:
    """The split of each document, given their ids and the sizes of their texts in bytes.

    Held back are the documents whose ids hash below `VALIDATION`, and where those are less than `LEAST_VALIDATION`
    bytes the ones that come next. A hash of the id alone decides, so a document stays in its split when others come
    and go; near-duplicates are gone by now, so none can stand on both sides.
    """
    places = [place(each, "validation") for each in ids]
    splits: list[Split] = ["train"] * len(ids)
    held = 0
    for index in sorted(range(len(ids)), key=places.__getitem__):
        if places[index] >= VALIDATION and held >= LEAST_VALIDATION:
            break
        splits[index] = "validation"
        held += sizes[index]
    return splits
