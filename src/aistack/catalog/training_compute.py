"""Training compute of leading models since 2012, as dated rows."""

from __future__ import annotations

import functools
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from aistack.catalog.entry import Part
from aistack.catalog.reading import DATA, read_rows

FILE = "training_compute.csv"


class Run(Part):
    """The training of one model, as somebody outside or inside counted its operations."""

    model: Annotated[str, Field(min_length=1)]
    organisation: Annotated[str, Field(min_length=1)]
    date: date
    flop: Annotated[float, Field(gt=0)]
    confidence: Literal["confident", "likely", "speculative"]
    """Of the estimate, in its source's words."""
    link: str
    source: str

    @property
    def year(self) -> float:
        """The date as a year with a fraction."""
        start = date(self.date.year, 1, 1)
        return self.date.year + (self.date - start).days / (date(self.date.year + 1, 1, 1) - start).days


@functools.cache
def leading() -> tuple[Run, ...]:
    """Models that were among the three largest by training compute when they appeared, oldest first.

    Compared with all that the source had estimated by then. A model made from another one is left out, since most of
    its compute is the other's, and of one publication on one day only the largest counts.
    """
    _, rows = read_rows(DATA / FILE)
    return tuple(sorted(TypeAdapter(tuple[Run, ...]).validate_python(rows, strict=False), key=lambda run: run.date))
