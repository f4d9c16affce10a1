"""Microprocessors since 1971: transistors, clocks, power and cores, as points of dated series."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from aistack.catalog.reading import DATA, read_rows

Quantity = Literal["transistors", "clock", "power", "cores"]

FILE = "processors.csv"


@functools.cache
def history() -> Mapping[Quantity, tuple[tuple[float, float], ...]]:
    """Year (with a fraction) and value (a count, Hz, W, a count) of each processor, oldest first, by quantity.

    The source is `RUPP`, which reads the values off documents and charts: trends hold, single points are about right.
    """
    _, rows = read_rows(DATA / FILE)
    return MappingProxyType(
        {
            quantity: tuple(
                sorted((float(row["year"]), float(row["value"])) for row in rows if row["quantity"] == quantity)
            )
            for quantity in get_args(Quantity)
        }
    )
