"""From the energy of computing to what the grid supplies, what it emits and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from aistack.errors import BadInput


@dataclass(frozen=True)
class Footprint:
    """What a piece of work drew from the grid."""

    energy: float
    """Joules at the facility's meter."""
    carbon: float
    """Kilograms of CO2 equivalent, of operation alone."""
    cost: float
    """US dollars for the electricity."""


def estimate(joules_it: float, pue: float, grid_kg_per_joule: float, usd_per_joule: float) -> Footprint:
    """The footprint of `joules_it` joules used by computers.

    In words: power usage effectiveness (PUE, ISO/IEC 30134-2) is the facility's energy over its computers', so the
    meter counts `joules_it` times `pue`; each metered joule emits `grid_kg_per_joule` and costs `usd_per_joule`.
    Making the hardware (embodied carbon), and water, are left out. Raises `BadInput` for a PUE below 1 or anything
    negative.
    """
    if pue < 1:
        raise BadInput(f"A PUE of {pue} is impossible: a facility uses at least what its computers use.")
    for name, value in (("energy", joules_it), ("grid carbon", grid_kg_per_joule), ("price", usd_per_joule)):
        if value < 0:
            raise BadInput(f"The {name} is {value}; it must be zero or more.")
    energy = joules_it * pue
    return Footprint(energy=energy, carbon=energy * grid_kg_per_joule, cost=energy * usd_per_joule)
