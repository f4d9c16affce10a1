"""The most memory that this process held while something ran."""

from __future__ import annotations

import ctypes
import gc
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Footprint:
    """Filled in when the block ends."""

    bytes: float = 0.0


@contextmanager
def peak_memory(device: str) -> Iterator[Footprint]:
    """Measure how far memory grew, at its highest, above what was held when the block began.

    On CUDA it is PyTorch's own count of allocated bytes. On a CPU it is the growth of the resident set; Linux can
    start that high-water mark anew, elsewhere it is the process's own since its start and so may come out too small.
    """
    gc.collect()
    found = Footprint()
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield found
        found.bytes = float(torch.cuda.max_memory_allocated() - before)
    else:
        _restart()
        before = _high_water()
        yield found
        found.bytes = float(_high_water() - before)


def _restart() -> None:
    """Have freed memory given back, so that using it again counts, and let the high-water mark start from here."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        _CLEAR.write_text("5")


def _high_water() -> int:
    """Bytes of the largest resident set since `_restart`."""
    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
        assert found is not None
        return int(found[1]) * 1024
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024
