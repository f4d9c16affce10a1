"""How much energy this machine uses, from its own meters: RAPL for processors, NVML for NVIDIA GPUs.

RAPL counts the joules of each processor package since an arbitrary start (Linux powercap); reading it usually needs
root, and virtual machines rarely have it. NVML's power is read once a second through nvidia-smi and summed over time.
Processor time is counted always, for this process and its children that have ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_POWERCAP = Path("/sys/class/powercap")
_PERIOD = 1.0


@dataclass(frozen=True)
class Reading:
    """What a `Meter` saw between its start and its end."""

    seconds: float
    cpu_seconds: float
    """Processor time of this process and its ended children, summed over cores."""
    processor_joules: float | None
    """Whole processor packages, whoever used them; None without a readable meter."""
    gpu_joules: float | None
    """All NVIDIA GPUs; None without one."""

    @property
    def joules(self) -> float | None:
        """All that was metered; None where the processors have no meter, since the rest would be only a part."""
        return None if self.processor_joules is None else self.processor_joules + (self.gpu_joules or 0.0)


class Meter:
    """Measures what happens inside its `with` block; `reading` has the result afterwards."""

    reading: Reading

    def __init__(self, powercap: Path = _POWERCAP, nvidia_smi: str | None = None) -> None:
        self._packages = sorted(powercap.glob("intel-rapl:[0-9]*"))
        # intel-rapl:0:1 is a part of intel-rapl:0, and psys holds the packages
        self._packages = [
            each for each in self._packages if each.name.count(":") == 1 and _text(each / "name") != "psys"
        ]
        self._nvidia_smi = nvidia_smi or shutil.which("nvidia-smi")

    @property
    def counts_energy(self) -> bool:
        """Whether the processors' counters can be read, so that there will be joules."""
        return bool(self._packages) and None not in self._counters()

    def __enter__(self) -> Meter:
        self._gpu = _GpuPower(self._nvidia_smi) if self._nvidia_smi else None
        self._start = (time.perf_counter(), _cpu_seconds(), self._counters())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        start, cpu, counters = self._start
        gpu = self._gpu.stop() if self._gpu else None
        self.reading = Reading(
            time.perf_counter() - start, _cpu_seconds() - cpu, self._joules(counters, self._counters()), gpu
        )

    def _counters(self) -> list[int | None]:
        return [_integer(package / "energy_uj") for package in self._packages]

    def _joules(self, before: list[int | None], after: list[int | None]) -> float | None:
        if not before or None in before or None in after:
            return None
        total = 0
        for package, first, last in zip(self._packages, before, after, strict=True):
            used = (last or 0) - (first or 0)
            # the counter starts again from 0 beyond its range
            total += used if used >= 0 else used + (_integer(package / "max_energy_range_uj") or 0)
        return total / 1e6


class _GpuPower:
    def __init__(self, nvidia_smi: str) -> None:
        self._command = [nvidia_smi, "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
        self._joules = 0.0
        self._last: tuple[float, float] | None = None
        self._over = threading.Event()
        self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float | None:
        self._over.set()
        self._thread.join()
        self._sample()
        return None if self._last is None else self._joules

    def _run(self) -> None:
        while not self._over.wait(_PERIOD):
            self._sample()

    def _sample(self) -> None:
        try:
            answer = subprocess.run(self._command, capture_output=True, text=True, timeout=5, check=True).stdout
            watts = sum(float(line) for line in answer.split())
        except (OSError, subprocess.SubprocessError, ValueError):
            return
        now = time.perf_counter()
        if self._last is not None:
            then, before = self._last
            self._joules += (now - then) * (watts + before) / 2
        self._last = (now, watts)


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _integer(path: Path) -> int | None:
    try:
        return int(_text(path) or "")
    except ValueError:
        return None
