"""The roofline: whether arithmetic or memory bounds an operation, and at what rate it then runs.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aistack.errors import BadInput

Bound = Literal["compute", "memory"]


@dataclass(frozen=True)
class Roofline:
    """An operation under the roof."""

    seconds: float
    bound: Bound
    intensity: float
    """FLOP a byte that the operation has."""
    ridge: float
    """FLOP a byte from which on arithmetic is the bound."""
    rate: float
    """FLOP/s that the operation attains."""


def ridge(peak: float, bandwidth: float) -> float:
    """FLOP a byte at which arithmetic (`peak`, FLOP/s) and memory (`bandwidth`, B/s) take equally long."""
    return peak / bandwidth


def attainable(intensity: float, peak: float, bandwidth: float) -> float:
    """FLOP/s at `intensity` FLOP a byte: the lower of the two roofs."""
    return min(peak, intensity * bandwidth)


def estimate(flop: float, bytes_moved: float, peak: float, bandwidth: float) -> Roofline:
    """Time and bound of an operation whose arithmetic and memory traffic overlap perfectly: the longer of the two.

    `flop` in FLOP, `bytes_moved` in bytes, `peak` in FLOP/s, `bandwidth` in B/s. Launches, and everything that keeps
    real kernels below the roof, are left out. Raises `BadInput` where nothing is computed or moved.
    """
    if flop <= 0 or bytes_moved <= 0:
        raise BadInput(f"An operation of {flop} FLOP over {bytes_moved} bytes has no arithmetic intensity.")
    if peak <= 0 or bandwidth <= 0:
        raise BadInput(f"A peak of {peak} FLOP/s and a bandwidth of {bandwidth} B/s must both be above zero.")
    computing, moving = flop / peak, bytes_moved / bandwidth
    seconds = max(computing, moving)
    return Roofline(
        seconds=seconds,
        bound="compute" if computing >= moving else "memory",
        intensity=flop / bytes_moved,
        ridge=ridge(peak, bandwidth),
        rate=flop / seconds,
    )
