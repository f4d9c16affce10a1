"""A channel that bytes pass through: a link between two processes, or a disk. Latency and bandwidth, no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from aistack.errors import BadInput
from aistack.hardware.fit import fit_times


@dataclass(frozen=True)
class Channel:
    """What a transfer costs: a fixed time and a time a byte (Hockney, Parallel Computing 20, 1994)."""

    latency: float
    """Seconds that a transfer of nothing takes."""
    bandwidth: float
    """B/s that a transfer without end reaches."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.latency) and self.latency >= 0):
            raise BadInput(f"A latency of {self.latency} s is none; it must be zero or more.")
        if not (math.isfinite(self.bandwidth) and self.bandwidth > 0):
            raise BadInput(f"A bandwidth of {self.bandwidth} B/s is none; it must be above zero.")

    @property
    def half_size(self) -> float:
        """Bytes of a transfer that gets half the bandwidth, where latency and transfer take equally long."""
        return self.latency * self.bandwidth

    def to_json(self) -> dict[str, float]:
        """The two constants as a plain mapping."""
        return asdict(self)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Channel:
        """Read what `to_json` wrote; anything else raises `BadInput`."""
        wanted = {field.name for field in fields(Channel)}
        if set(plain) != wanted or not all(isinstance(value, int | float) for value in plain.values()):
            raise BadInput(f"A channel has the numbers {' and '.join(sorted(wanted))}, not {dict(plain)!r}.")
        return Channel(**plain)


def estimate(channel: Channel, size: float) -> float:
    """Seconds of one transfer of `size` bytes: the latency plus the bytes over the bandwidth."""
    if size < 0:
        raise BadInput(f"{size} bytes cannot be transferred.")
    return channel.latency + size / channel.bandwidth


def fit(transfers: Sequence[tuple[float, float, float]]) -> Channel:
    """The channel that comes nearest to measured transfers, each relative to its own time.

    A transfer is (steps, bytes, seconds): how often the latency was paid, what passed the channel, what it took.
    Small and large transfers count alike, so both constants are well settled. The bandwidth is at most twice the best
    that any transfer showed, however much the times were disturbed. `ValueError` for fewer than two transfers.
    """
    best = max(size / seconds for _, size, seconds in transfers)
    latency, per_byte = fit_times(
        ([steps for steps, _, _ in transfers], [size for _, size, _ in transfers]),
        [seconds for _, _, seconds in transfers],
        least=(0.0, 1 / (2 * best)),
    )
    return Channel(latency, 1 / per_byte)
