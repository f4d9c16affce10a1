"""Nodes and systems: servers, racks and pods, with the accelerators they hold. One file each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from aistack.catalog import accelerators
from aistack.catalog.accelerators import OneWay
from aistack.catalog.accelerators import Power as PowerOfOne
from aistack.catalog.entry import Entry, Part
from aistack.catalog.facts import Count, Fact, Word, measures
from aistack.catalog.kinds import in_folder
from aistack.errors import nearest

Memory = Annotated[Fact, measures("B", low=1e9, high=1e17, basis=("scope",))]
MemoryBandwidth = Annotated[Fact, measures("B/s", low=1e11, high=1e18, basis=("scope",))]
Storage = Annotated[Fact, measures("B", low=1e9, high=1e18)]
Total = Annotated[Fact, measures("FLOP/s", "OP/s", low=1e12, high=1e21, basis=("sparsity", "scope"))]
Power = Annotated[Fact, measures("W", low=100.0, high=1e9, basis=("scope",))]
Members = Annotated[Fact, measures("1", low=1, high=1e6, basis=("scope",))]


class Host(Part):
    """The host processors and what hangs off them."""

    cpu: Word | None = None
    cpus: Members | None = None
    cores_per_cpu: Count | None = None
    vcpus: Count | None = None
    memory: Memory | None = None
    link: Word | None = None
    """What joins host and accelerators."""
    disks: Word | None = None
    """The local drives, as listed."""
    storage: Storage | None = None
    """Their capacity, summed."""
    accelerators: Members | None = None
    """Accelerators of one host, where the system has many."""


class Fabric(Part):
    """The fast fabric among the accelerators."""

    type: Word | None = None
    topology: Word | None = None
    domain: Annotated[Fact, measures("1", low=2, high=1e6)] | None = None
    switches: Count | None = None
    ports: Count | None = None
    links: Count | None = None
    optical_links: Count | None = None
    bandwidth: OneWay | None = None
    """What one accelerator sends to all its peers together, one way."""
    both_directions: OneWay | None = None
    link: OneWay | None = None
    bisection: Annotated[Fact, measures("B/s", low=1e9, high=1e18)] | None = None
    all_reduce: Annotated[Fact, measures("B/s", low=1e9, high=1e18)] | None = None


class Network(Part):
    """The network that leaves the system."""

    nics: Members | None = None
    nic: OneWay | None = None
    """One network adapter, one way."""
    bandwidth: Annotated[Fact, measures("B/s", low=1e8, high=1e16, basis=("scope",))] | None = None
    """All adapters together."""
    description: Word | None = None


class PowerDraw(Part):
    """What the system draws."""

    maximum: Power | None = None
    planning: Power | None = None
    measured: Power | None = None
    accelerator: PowerOfOne | None = None
    """The limit of one accelerator in this system."""


class Node(Entry):
    """One server, rack or pod."""

    level: Literal["node", "rack", "pod"]
    accelerator: str
    """The accelerator in it, by catalog id."""

    @field_validator("accelerator")
    @classmethod
    def _accelerator_is_known(cls, key: str) -> str:
        if key not in accelerators.KIND.names():
            near = ", ".join(nearest(key, accelerators.KIND.names()))
            raise ValueError(f"there is no accelerator {key!r}{f'. Nearest: {near}' if near else ''}")
        return key

    accelerators: Members
    """How many, on the level of the entry."""
    nodes: Members | None = None
    """Servers in a rack."""
    memory_capacity: Memory | None = None
    """Accelerator memory, summed."""
    memory_bandwidth: MemoryBandwidth | None = None
    peaks: Annotated[dict[Literal["bf16", "fp8", "mxfp8", "int8"], Total], Field(default_factory=dict)]
    host: Annotated[Host, Field(default_factory=Host)]
    scale_up: Annotated[Fabric, Field(default_factory=Fabric)]
    network: Annotated[Network, Field(default_factory=Network)]
    power: Annotated[PowerDraw, Field(default_factory=PowerDraw)]
    list_price: Annotated[Fact, measures("USD", low=1e3, high=1e10, basis=("scope",))] | None = None
    more: Annotated[dict[str, Fact], Field(default_factory=dict)]


KIND = in_folder(
    Node,
    name="node",
    about="servers, racks and pods",
    home="nodes",
    headline=("accelerators", "scale_up.bandwidth", "network.nics", "network.nic", "power.maximum"),
)
