"""Energy where no meter is: processor time times what a busy core is known to draw."""

from __future__ import annotations

from dataclasses import dataclass

from aistack.catalog import Record


@dataclass(frozen=True)
class Energy:
    """Joules of the machine, and how they are known."""

    joules: float
    low: float
    high: float
    kind: str
    """"measured" by a meter, or "assumed" power times measured processor time."""
    source: str


def estimate(cpu_seconds: float, core: Record) -> Energy:
    """Joules of so much processor time, summed over cores: time times the power of a busy `core`.

    `core` is a record of watts with `value`, `low` and `high`, which span the interval. Left out: what the machine
    draws while idle, and accelerators. The power is assumed of this machine, so this is never a measurement.
    """
    watts, low, high = (core.values[name].si for name in ("value", "low", "high"))
    return Energy(cpu_seconds * watts, cpu_seconds * low, cpu_seconds * high, "assumed", f"catalog: {core.id}")


def metered(joules: float) -> Energy:
    """Joules that a meter counted."""
    return Energy(
        joules, joules, joules, "measured", "this machine's meters: RAPL, and NVML where there are NVIDIA GPUs"
    )
