"""What a checkpoint's way to disk and back costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aistack.errors import BadInput
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.channel import estimate as estimate_channel


@dataclass(frozen=True)
class Disk:
    """The three phases of a file's life, each with its own latency and bandwidth."""

    write: Channel
    """Handing bytes to the operating system, which keeps them in memory."""
    sync: Channel
    """Waiting (fsync) until the device says that it has them."""
    read: Channel
    """Reading them after the operating system was asked to forget them."""

    def to_json(self) -> dict[str, dict[str, float]]:
        """The phases' constants as plain mappings."""
        return {"write": self.write.to_json(), "sync": self.sync.to_json(), "read": self.read.to_json()}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Disk:
        """Read what `to_json` wrote; anything else raises `BadInput`."""
        if set(plain) != {"write", "sync", "read"}:
            raise BadInput(f"A disk has the phases write, sync and read, not {', '.join(plain) or 'none'}.")
        return Disk(**{phase: Channel.from_json(channel) for phase, channel in plain.items()})


@dataclass(frozen=True)
class Checkpoint:
    """Seconds of saving and of loading one checkpoint."""

    write: float
    sync: float
    read: float

    @property
    def save(self) -> float:
        """Seconds until the checkpoint is safe: written and synced."""
        return self.write + self.sync


def estimate(disk: Disk, size: float) -> Checkpoint:
    """What a checkpoint of `size` bytes costs. Serialising it, and compressing it, are left out."""
    return Checkpoint(
        write=estimate_channel(disk.write, size),
        sync=estimate_channel(disk.sync, size),
        read=estimate_channel(disk.read, size),
    )
