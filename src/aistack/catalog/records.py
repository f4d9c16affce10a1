"""Records: single measurements and constants that belong to no one machine, a table for each subject."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aistack.catalog.entry import Entry
from aistack.catalog.facts import Fact, measures
from aistack.catalog.kinds import Kind, in_file


class Record(Entry):
    """One row of a table: a name and one or more values of it, such as `low` and `high`."""

    group: str = ""
    """What the row belongs to inside its table."""
    values: Annotated[dict[str, Fact], Field(min_length=1)]

    @property
    def value(self) -> Fact:
        """The record's only value, or the one named `value`. Raises `KeyError` where there are several others."""
        return next(iter(self.values.values())) if len(self.values) == 1 else self.values["value"]


class Latency(Record):
    """How long a small message, a hop or an access takes."""

    values: Annotated[dict[str, Annotated[Fact, measures("s", "s/m", "1", high=10.0)]], Field(min_length=1)]


class LinkMeasurement(Record):
    """What a link reached when somebody measured it."""

    values: Annotated[dict[str, Annotated[Fact, measures("B/s", low=1e9, high=1e13)]], Field(min_length=1)]


class Topology(Record):
    """What a network of a given topology takes and costs."""

    values: Annotated[dict[str, Annotated[Fact, measures("1", "USD", high=1e11)]], Field(min_length=1)]


class Energy(Record):
    """The energy of an operation, an access or a bit moved."""

    values: Annotated[
        dict[str, Annotated[Fact, measures("J/OP", "J/B", "J/FLOP", "m2", "W", "1", high=1e4)]], Field(min_length=1)
    ]


class EmbodiedCarbon(Record):
    """What making the hardware emitted and used up, and what such estimates assume."""


class MeasuredPower(Record):
    """What machines and their parts were seen to draw."""

    values: Annotated[dict[str, Annotated[Fact, measures("W", "1", high=1e9)]], Field(min_length=1)]


class Storage(Record):
    """Prices, rates and latencies of storage."""


KINDS: tuple[Kind[Record], ...] = (
    in_file(
        Latency,
        name="latency",
        about="latencies of links, switches and memories",
        home="latencies.yaml",
        headline=("values.value", "values.low", "values.high"),
    ),
    in_file(
        LinkMeasurement,
        name="link-measurement",
        about="bandwidth that links were measured to reach",
        home="link_measurements.yaml",
    ),
    in_file(Topology, name="topology", about="switches, links and cost of network topologies", home="topologies.yaml"),
    in_file(
        Energy,
        name="operation-energy",
        about="energy of an arithmetic operation or memory access",
        home="operation_energy.yaml",
    ),
    in_file(Energy, name="memory-energy", about="energy per bit of memories", home="memory_energy.yaml"),
    in_file(Energy, name="link-energy", about="energy per bit of links", home="link_energy.yaml"),
    in_file(MeasuredPower, name="power", about="power that was measured", home="measured_power.yaml"),
    in_file(
        EmbodiedCarbon,
        name="embodied-carbon",
        about="emissions and materials of making hardware",
        home="embodied_carbon.yaml",
    ),
    in_file(Storage, name="storage", about="prices and performance of storage", home="storage.yaml"),
)
