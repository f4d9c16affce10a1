"""Records: single measurements and constants that belong to no one machine, a table for each subject."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aistack.catalog.entry import Entry
from aistack.catalog.facts import Fact, measures
from aistack.catalog.kinds import Kind, in_file
from aistack.errors import UnknownName


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


class Electricity(Record):
    """What electricity costs."""

    values: Annotated[dict[str, Annotated[Fact, measures("USD/J", high=1e-6)]], Field(min_length=1)]


class Technology(Record):
    """What a generation of a technology offered: a memory cell's area, a stack's rate, a wire's energy."""

    year: Annotated[int, Field(ge=1960, le=2040)]
    """When it was shown or standardised."""


class QuantisationError(Record):
    """What a model's weights lose in a number format: signal over noise by part of the model, a ratio of powers."""

    values: Annotated[dict[str, Annotated[Fact, measures("1", "B", high=1e12)]], Field(min_length=1)]


class Storage(Record):
    """Prices, rates and latencies of storage."""


def _table(schema: type[Record], name: str, home: str, about: str) -> Kind[Record]:
    return in_file(schema, name=name, about=about, home=home, headline=("values",))


_TECHNOLOGIES = _table(
    Technology, "technology", "technologies.yaml", "generations of memory cells, memory stacks and wires"
)

KINDS: tuple[Kind[Record], ...] = (
    _table(Latency, "latency", "latencies.yaml", "latencies of links, switches and memories"),
    _table(LinkMeasurement, "link-measurement", "link_measurements.yaml", "bandwidth that links were seen to reach"),
    _table(Topology, "topology", "topologies.yaml", "switches, links and cost of network topologies"),
    _table(Energy, "operation-energy", "operation_energy.yaml", "energy of an operation or memory access"),
    _table(Energy, "memory-energy", "memory_energy.yaml", "energy per bit of memories"),
    _table(Energy, "link-energy", "link_energy.yaml", "energy per bit of links"),
    _table(MeasuredPower, "power", "measured_power.yaml", "power that was measured"),
    _table(Electricity, "electricity", "electricity.yaml", "prices of electricity"),
    _table(EmbodiedCarbon, "embodied-carbon", "embodied_carbon.yaml", "emissions and materials of making hardware"),
    _TECHNOLOGIES,
    _table(QuantisationError, "quantisation-error", "quantisation_errors.yaml", "what formats make of real weights"),
    _table(Storage, "storage", "storage.yaml", "prices and performance of storage"),
)


def technologies(group: str) -> tuple[Technology, ...]:
    """The generations of one technology, oldest first: `technologies("hbm")`. Raises `UnknownName`."""
    every = [each for name in _TECHNOLOGIES.names() if isinstance(each := _TECHNOLOGIES.load(name), Technology)]
    if group not in {each.group for each in every}:
        raise UnknownName("technology", group, {each.group for each in every})
    return tuple(sorted((each for each in every if each.group == group), key=lambda each: each.year))
