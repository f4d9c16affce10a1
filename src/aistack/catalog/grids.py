"""Grids: the carbon and the water in a kilowatt-hour, by country, by cloud region and by way of generating it."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from aistack.catalog.entry import Entry
from aistack.catalog.facts import Fact, measures
from aistack.catalog.kinds import Kind, validated
from aistack.catalog.naming import resolve
from aistack.catalog.reading import DATA, read_rows
from aistack.errors import BadInput

Intensity = Annotated[Fact, measures("kg/J", low=0.0, high=1.5 / 3.6e6, basis=("carbon",))]

HEADER = (
    "id",
    "name",
    "scope",
    "quantity",
    "value",
    "unit",
    "basis",
    "date",
    "source",
    "kind",
    "confidence",
    "quote",
    "note",
)
"""The columns of `grids.csv`; each row is one fact of one grid."""


class Grid(Entry):
    """One country, cloud region, or way of generating electricity. Countries go by their ISO 3166 code: `DEU`."""

    scope: Literal["country", "gcp-region", "generation", "world"]
    carbon: Intensity | None = None
    """Emissions of a unit of electricity, yearly average."""
    carbon_of_consumption: Intensity | None = None
    """The same of the electricity consumed there, as national life-cycle inventories state it."""
    water: Annotated[Fact, measures("L/J", low=0.0, high=1e-4)] | None = None
    """Water used off site to generate a unit of electricity."""
    carbon_free: Annotated[Fact, measures("1", low=0.0, high=1.0)] | None = None
    """Share of hours matched by carbon-free energy on the same grid, as the operator states it."""

    @property
    def intensity(self) -> Fact:
        """The carbon intensity to calculate with: of generation, or of consumption where only that is known."""
        fact = self.carbon or self.carbon_of_consumption
        if fact is None:
            raise BadInput(f"The carbon intensity of {self.id} is not known.")
        return fact


@functools.cache
def _rows() -> dict[str, dict[str, Any]]:
    path = DATA / "grids.csv"
    header, rows = read_rows(path)
    if header != HEADER:
        raise BadInput(f"{path} must have the columns {', '.join(HEADER)}.")
    return assemble(rows)


def assemble(rows: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Rows of the table, gathered into one raw entry a grid. Raises `BadInput` where a value is no number."""
    raw: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = raw.setdefault(row["id"], {"id": row["id"], "name": row["name"], "scope": row["scope"]})
        if row["quantity"] in entry:
            raise BadInput(f"{row['id']} has {row['quantity']} twice.")
        fact: dict[str, Any] = {key: row[key] for key in HEADER[5:] if row[key]}
        try:
            fact["value"] = float(row["value"])
        except ValueError:
            raise BadInput(f"{row['id']}, {row['quantity']}: {row['value']!r} is no number.") from None
        entry[row["quantity"]] = fact
    return raw


@functools.cache
def _names() -> tuple[str, ...]:
    return tuple(_rows())


@functools.cache
def _read(key: str) -> Grid:
    return validated(Grid, _rows()[key], DATA / "grids.csv")


def _labels() -> dict[str, tuple[str, ...]]:
    return {key: (raw["name"],) for key, raw in _rows().items()}


def _load(wanted: str) -> Grid:
    return _read(resolve("grid", wanted, _names(), _labels))


KIND: Kind[Grid] = Kind(
    "grid",
    "carbon and water of electricity, by country and region",
    _names,
    _load,
    headline=("name", "carbon", "water"),
    schema=Grid,
    home="grids.csv",
)
