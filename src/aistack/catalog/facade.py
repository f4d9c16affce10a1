"""The catalog's public functions; `aistack.catalog` offers them by the same names."""

from __future__ import annotations

from aistack.catalog import accelerators, facilities, grids, links, models, nodes, number_formats
from aistack.catalog.accelerators import Accelerator
from aistack.catalog.facilities import PowerUsage, WaterUsage
from aistack.catalog.facts import Fact
from aistack.catalog.grids import Grid
from aistack.catalog.links import Link
from aistack.catalog.models import Model
from aistack.catalog.nodes import Node
from aistack.catalog.number_formats import NumberFormat
from aistack.catalog.prices import PurchasePrice, RentalPrice, price, purchase_prices, series
from aistack.catalog.records import KINDS as RECORDS
from aistack.catalog.records import Record
from aistack.catalog.registry import find, kind
from aistack.catalog.sources import Source, source
from aistack.errors import UnknownName

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


def names(of: str) -> tuple[str, ...]:
    """The ids of all entries of a kind: `names("accelerator")`. Raises `UnknownName`."""
    return kind(of).names()


def accelerator(name: str) -> Accelerator:
    """The accelerator of this name. Raises `UnknownName`, or `AmbiguousName` where several variants answer to it."""
    return accelerators.KIND.load(name)


def node(name: str) -> Node:
    """The server, rack or pod of this name. Raises `UnknownName` or `AmbiguousName`."""
    return nodes.KIND.load(name)


def model(name: str) -> Model:
    """The language model of this name or Hugging Face id, or that of a `config.json`; `.spec` is its architecture.

    Raises `UnknownName` or `AmbiguousName`, and `BadInput` for a file that is no usable configuration.
    """
    return models.load(name)


def link(name: str) -> Link:
    """The link of this name. Raises `UnknownName` or `AmbiguousName`."""
    return links.KIND.load(name)


def number_format(name: str) -> NumberFormat:
    """The number format of this name or alias. Raises `UnknownName` or `AmbiguousName`."""
    return number_formats.KIND.load(name)


def grid(name: str) -> Grid:
    """The grid of a country (`DEU`, `Germany`), a cloud region (`gcp-us-central1`) or a way of generating (`coal`)."""
    return grids.KIND.load(name)


def grid_carbon(name: str) -> Fact:
    """The carbon intensity of a grid; `.si` is kg CO2e per joule. Raises `UnknownName` or `AmbiguousName`."""
    return grid(name).intensity


def pue(name: str) -> PowerUsage:
    """One operator's power usage effectiveness: `pue("google-2025")`. Raises `UnknownName` or `AmbiguousName`."""
    return facilities.PUE.load(name)


def wue(name: str) -> WaterUsage:
    """One operator's water usage effectiveness: `wue("microsoft-2025")`. Raises `UnknownName` or `AmbiguousName`."""
    return facilities.WUE.load(name)


def record(of: str, name: str) -> Record:
    """One row of a table of measurements or constants: `record("memory-energy", "hbm2-access-energy")`.

    Raises `UnknownName` for a table or row that is not there.
    """
    found = kind(of).load(name)
    if not isinstance(found, Record):
        raise UnknownName("table of records", of, (each.name for each in RECORDS))
    return found
