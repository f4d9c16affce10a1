"""Energy where no meter is: processor time times what a busy core is known to draw."""

from __future__ import annotations

from dataclasses import dataclass

WATTS_PER_CORE = 3.7
WATTS_PER_CORE_RANGE = (1.7, 9.0)
WATTS_PER_CORE_SOURCE = (
    "Cloud Carbon Footprint, ccf-coefficients, output/coefficients-aws-use.csv (2026-03): full-load watts per hardware "
    "thread of whole servers in SPECpower_ssj2008 results, median and range over 20 processor families"
)


@dataclass(frozen=True)
class Energy:
    """Joules of the machine, and how they are known."""

    joules: float
    low: float
    high: float
    kind: str
    """"measured" by a meter, or "assumed" power times measured processor time."""
    source: str


def estimate(cpu_seconds: float, watts: float = WATTS_PER_CORE) -> Energy:
    """Joules of so much processor time, summed over cores: time times `watts` a busy core, memory and fans included.

    The interval is the range over server processors at full load. Left out: what the machine draws while idle, and
    accelerators. The power is assumed, so this is never a measurement.
    """
    low, high = (min(watts, WATTS_PER_CORE_RANGE[0]), max(watts, WATTS_PER_CORE_RANGE[1]))
    return Energy(cpu_seconds * watts, cpu_seconds * low, cpu_seconds * high, "assumed", WATTS_PER_CORE_SOURCE)


def metered(joules: float) -> Energy:
    """Joules that a meter counted."""
    return Energy(
        joules, joules, joules, "measured", "this machine's meters: RAPL, and NVML where there are NVIDIA GPUs"
    )
