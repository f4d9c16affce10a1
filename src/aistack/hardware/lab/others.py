"""How much of the machine other programs take while something is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Others:
    """Cores that other programs kept busy on average, known once the watched block has ended."""

    cores: float = 0.0

    def words(self, cores: int) -> str:
        """A remark where they took more than a tenth of the machine's `cores`, else nothing."""
        if self.cores < 0.1 * cores:
            return ""
        return f"other programs kept {self.cores:.1f} of {cores} cores busy meanwhile, so times scatter"


@contextmanager
def watch() -> Iterator[Others]:
    """Watch the block: processor time of the whole machine, less that of this process and the children it waited for.

    Time that a virtual machine's host gave to others counts as theirs.
    """
    others = Others()
    busy, started = _busy_of_others(), time.perf_counter()
    yield others
    others.cores = max(0.0, (_busy_of_others() - busy) / (time.perf_counter() - started))


def _busy_of_others() -> float:
    """Core-seconds that all but this process and its children have used since the machine started."""
    import psutil  # type: ignore[import-untyped]

    machine = psutil.cpu_times()
    own = os.times()
    everyone = sum(getattr(machine, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))
    return float(everyone) - (own.user + own.system + own.children_user + own.children_system)
