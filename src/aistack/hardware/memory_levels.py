"""The memories of an accelerator from registers to main memory: how much each holds, and how fast it gives it out."""

from __future__ import annotations

from dataclasses import dataclass

from aistack import catalog
from aistack.catalog import Accelerator
from aistack.catalog.accelerators import OnChip
from aistack.errors import BadInput

_L2 = {"GV100": "l2-volta", "GA100": "l2-ampere", "GH100": "l2-hopper"}
"""Dies -> the catalog's record of the width of their L2."""

_CACHES: tuple[tuple[str, str], ...] = (
    ("l1", "L1 and shared memory"),
    ("scratchpad", "on-chip memory"),
    ("l2", "L2 cache"),
    ("l3", "L3 cache"),
    ("last_level", "last-level cache"),
)


@dataclass(frozen=True)
class Level:
    """One kind of memory, all of it on one package."""

    name: str
    size: float
    """Bytes."""
    bandwidth: float | None
    """B/s; None where no source states it."""
    note: str
    """How the figures come about."""


def estimate(name: str) -> tuple[Level, ...]:
    """The levels that the catalog knows of the accelerator of this name, nearest the arithmetic first.

    Registers and the widths of shared memory and L2 are those of NVIDIA's data centre parts (Volta to Hopper); a
    bandwidth is the width times the boost clock. Sizes by core are added up over the package. Latencies, and what is
    reserved, are left out. Raises `UnknownName` or `AmbiguousName`, and `BadInput` where the catalog knows no memory.
    """
    entry = catalog.accelerator(name)
    units = entry.compute_units.si if entry.compute_units else 1.0
    clock = entry.boost_clock.si if entry.boost_clock else None
    width = next((record for die, record in _L2.items() if die in entry.architecture), None)
    found = []
    if width is not None:
        size = catalog.record("technology", "registers-nvidia").values["size"].si
        found.append(Level("registers", size * units, None, f"{size / 1024:.0f} KiB in each of {units:.0f} SMs"))
    for field, words in _CACHES:
        fact = getattr(entry.on_chip, field)
        if fact is None:
            continue
        count = units if "per core" in fact.bases else 1.0
        note = f"{fact.text} in each of {units:.0f} {_plural(entry)}" if count > 1 else fact.text
        found.append(Level(words, fact.si * count, _bandwidth(entry.on_chip, field, width, units, clock), note))
    found += _main(entry)
    if not found:
        raise BadInput(
            f"The catalog knows no memory of {entry.id}. Choose another accelerator, or add what is missing."
        )
    return tuple(found)


def _bandwidth(on_chip: OnChip, field: str, width: str | None, units: float, clock: float | None) -> float | None:
    if field == "scratchpad" and on_chip.bandwidth:
        return on_chip.bandwidth.si
    if width is not None and clock is not None and field in {"l1", "l2"}:
        record = catalog.record("technology", "shared-memory-nvidia" if field == "l1" else width)
        return record.value.si * clock * (units if field == "l1" else 1)
    return None


def _plural(entry: Accelerator) -> str:
    return f"{entry.compute_units.unit}s" if entry.compute_units else "units"


def _main(entry: Accelerator) -> list[Level]:
    if entry.memory_capacity is None:
        return []
    kind = str(entry.memory_type.value) if entry.memory_type else "main memory"
    bandwidth = entry.memory_bandwidth.si if entry.memory_bandwidth else None
    return [Level(kind, entry.memory_capacity.si, bandwidth, entry.memory_capacity.text)]
