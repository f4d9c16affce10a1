"""Layer 0, the catalog: facts with their sources. Accelerators, links, systems, models, prices, energy, formats.

    >>> from aistack import catalog
    >>> catalog.accelerator("H100 SXM").memory_bandwidth.si
    3350000000000.0
    >>> catalog.names("format")[:3]
    ('fp64', 'fp32', 'tf32')

Every quantity is a `Fact`: its `.si` is the SI float to calculate with, the rest says how far to trust it.
The names below are loaded when first used, so that `aistack.catalog.architecture` alone stays cheap to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aistack.catalog.facade import (
        Accelerator,
        Fact,
        Grid,
        Link,
        Model,
        Node,
        NumberFormat,
        PowerUsage,
        PurchasePrice,
        Record,
        RentalPrice,
        Source,
        WaterUsage,
        accelerator,
        find,
        grid,
        grid_carbon,
        kind,
        link,
        model,
        names,
        node,
        number_format,
        price,
        pue,
        purchase_prices,
        record,
        series,
        source,
        wue,
    )

__all__ = [
    "Accelerator",
    "Fact",
    "Grid",
    "Link",
    "Model",
    "Node",
    "NumberFormat",
    "PowerUsage",
    "PurchasePrice",
    "Record",
    "RentalPrice",
    "Source",
    "WaterUsage",
    "accelerator",
    "find",
    "grid",
    "grid_carbon",
    "kind",
    "link",
    "model",
    "names",
    "node",
    "number_format",
    "price",
    "pue",
    "purchase_prices",
    "record",
    "series",
    "source",
    "wue",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aistack.catalog import facade

    return getattr(facade, name)
