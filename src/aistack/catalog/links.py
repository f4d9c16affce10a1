"""Links: what carries bytes between chips, hosts and servers. Bandwidths are stated per direction and for both."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aistack.catalog.accelerators import OneWay
from aistack.catalog.entry import Entry
from aistack.catalog.facts import Count, Fact
from aistack.catalog.kinds import in_file


class Link(Entry):
    """One link, port, adapter or switch."""

    category: Literal["scale-up", "scale-out", "chip-to-chip", "host", "host-memory", "switch", "nic"]
    scope: Annotated[str, Field(min_length=1)]
    """What the bandwidth is of, in the words of its source."""
    status: Annotated[str, Field(min_length=1)]
    year: Annotated[int, Field(ge=1990, le=2040)] | None = None
    usually_quoted: str = ""
    """How its vendor prints the bandwidth; where readers go wrong."""

    bandwidth: OneWay | None = None
    both_directions: OneWay | None = None
    lane: OneWay | None = None
    """One lane or link of the bundle."""
    lanes: Count | None = None
    more: Annotated[dict[str, Fact], Field(default_factory=dict)]


KIND = in_file(
    Link,
    name="link",
    about="NVLink, PCIe, ICI, InfiniBand, Ethernet ...",
    home="links.yaml",
    headline=("bandwidth", "both_directions", "lane"),
)
