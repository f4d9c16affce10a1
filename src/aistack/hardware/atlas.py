"""All accelerators of the catalog side by side, in one number format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aistack import catalog
from aistack.catalog import Accelerator


@dataclass(frozen=True)
class Place:
    """One accelerator in the atlas, dense and of one package."""

    id: str
    name: str
    """Short: without the memory's size and what stands in brackets."""
    vendor: str
    year: int
    announced: bool
    peak: float
    """FLOP/s with 16-bit operands."""
    bandwidth: float | None
    """Of the main memory, B/s."""
    power: float | None
    """W by design."""
    on_chip: float | None
    """Bytes of the largest memory on the die."""
    memory: float | None
    """Bytes of main memory."""
    die_alone: bool
    """Whether it has no main memory and keeps its data on the die."""
    area: float | None
    """m² of its die; None where it has several, or the catalog does not know."""

    @property
    def intensity(self) -> float | None:
        """FLOP that can be done in the time of a byte from main memory."""
        return self.peak / self.bandwidth if self.bandwidth else None

    @property
    def efficiency(self) -> float | None:
        """FLOP a joule at design power."""
        return self.peak / self.power if self.power else None

    @property
    def heat(self) -> float | None:
        """W of design power a m² of the die, the memory's share included."""
        return self.power / self.area if self.power and self.area else None


def estimate(names: Sequence[str] | None = None, first: str = "") -> tuple[Place, ...]:
    """The accelerators of these names (all where None) that have a matrix peak in bf16 or fp16, oldest first.

    Variants of one die that differ in nothing that is drawn are kept once, the one of the id `first` before others; it
    comes in addition to `names`. A few parts state the design power of a whole board or superchip and have none here.
    Raises `UnknownName`.
    """
    found: dict[tuple[object, ...], Place] = {}
    wanted = catalog.names("accelerator") if names is None else names
    for name in dict.fromkeys([first, *wanted] if first else wanted):
        entry = catalog.accelerator(name)
        peak = entry.peaks.get("bf16") or entry.peaks.get("fp16")
        if peak is None or "per package" not in peak.bases:
            continue
        place = Place(
            id=entry.id,
            name=_short(entry.name),
            vendor=entry.vendor,
            year=entry.year,
            announced=entry.status == "announced",
            peak=peak.si,
            bandwidth=entry.memory_bandwidth.si if entry.memory_bandwidth else None,
            power=entry.tdp.si if entry.tdp and "per package" in entry.tdp.bases else None,
            on_chip=_on_chip(entry),
            memory=entry.memory_capacity.si if entry.memory_capacity else None,
            # as aistack.hardware.chip takes it: the bandwidth of a scratchpad is stated where it stands in for memory
            die_alone=entry.memory_capacity is None and entry.on_chip.bandwidth is not None,
            area=entry.die_area.si if entry.die_area and not (entry.dies and entry.dies.value != 1) else None,
        )
        found.setdefault((place.vendor, place.peak, place.bandwidth, place.power), place)
    return tuple(sorted(found.values(), key=lambda place: (place.year, place.name)))


def _short(name: str) -> str:
    words = name.split(" (")[0].split()
    return " ".join(word for word in words if not word.endswith("GB") and word not in {"Tesla", "GeForce", "Instinct"})


def _on_chip(entry: Accelerator) -> float | None:
    levels = (entry.on_chip.scratchpad, entry.on_chip.last_level, entry.on_chip.l3, entry.on_chip.l2)
    return max((level.si for level in levels if level), default=None)
