"""Data centres: how much power (PUE) and water (WUE) they use beside what the machines in them use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aistack.catalog.entry import Entry
from aistack.catalog.facts import Fact, measures
from aistack.catalog.kinds import in_file


class Facility(Entry):
    """One operator's statement about its data centres in one year."""

    operator: Annotated[str, Field(min_length=1)]
    scope: Annotated[str, Field(min_length=1)]
    year: Annotated[int, Field(ge=2000, le=2040)]


class PowerUsage(Facility):
    """Power usage effectiveness: facility energy over the energy of the machines in it."""

    pue: Annotated[Fact, measures("1", low=1.0, high=3.0, basis=("scope",))]


class WaterUsage(Facility):
    """Water usage effectiveness: litres on site per kilowatt-hour of the machines."""

    wue: Annotated[Fact, measures("L/J", low=0.0, high=1e-5, basis=("scope",))]


PUE = in_file(
    PowerUsage, name="pue", about="power usage effectiveness of data centres", home="pue.yaml", headline=("pue",)
)
WUE = in_file(
    WaterUsage, name="wue", about="water usage effectiveness of data centres", home="wue.yaml", headline=("wue",)
)
