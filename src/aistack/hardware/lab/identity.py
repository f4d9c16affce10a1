"""Which machine this is: what the operating system and PyTorch say of it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aistack.hardware.machine import Device

_CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Identity:
    """A device as it names itself."""

    name: str
    device: Device
    cores: int
    """Cores that this process may use, or streaming multiprocessors of a GPU."""
    threads: int
    """Threads that PyTorch computes with on the CPU."""
    memory: float
    """Bytes that this process may use."""
    caches: Mapping[str, float]
    """Data caches, nearest first: name -> bytes, summed over those that the cores at hand reach."""
    capability: str
    """The CPU instructions that PyTorch uses, or the GPU's compute capability."""
    torch: str

    def to_json(self) -> dict[str, Any]:
        """The identity as a plain mapping."""
        return {**asdict(self), "caches": dict(self.caches)}


def identify(device: Device) -> Identity:
    """The machine at hand as a "cpu" or "cuda" device."""
    import torch

    if device == "cuda":
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return Identity(
            name=properties.name,
            device=device,
            cores=properties.multi_processor_count,
            threads=torch.get_num_threads(),
            memory=float(properties.total_memory),
            caches={"L2": float(properties.L2_cache_size)} if properties.L2_cache_size else {},
            capability=f"compute capability {properties.major}.{properties.minor}",
            torch=torch.__version__,
        )
    cores = sorted(os.sched_getaffinity(0))
    return Identity(
        name=_processor_name(),
        device=device,
        cores=len(cores),
        threads=torch.get_num_threads(),
        memory=_memory(),
        caches=_caches(cores),
        capability=torch.backends.cpu.get_cpu_capability(),
        torch=torch.__version__,
    )


def _processor_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = " ".join(match[1].split()) if match else platform.processor() or platform.machine()
    return re.sub(r"\((R|TM)\)", "", name)


def _memory() -> float:
    """Physical memory, or less where this process's control group allows less."""
    installed = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(installed, float(Path(limit).read_text(encoding="utf-8")))
        except (OSError, ValueError):  # no such controller, or "max"
            continue
    return installed


def _caches(cores: list[int]) -> dict[str, float]:
    """Size of each level, every instance that one of `cores` reaches counted once; empty where the kernel is silent."""
    instances: dict[str, dict[str, float]] = {}
    for core in cores:
        for index in sorted((_CPUS / f"cpu{core}" / "cache").glob("index*")):
            try:
                kind = (index / "type").read_text(encoding="utf-8").strip()
                level = (index / "level").read_text(encoding="utf-8").strip()
                shared = (index / "shared_cpu_list").read_text(encoding="utf-8").strip()
                size = (index / "size").read_text(encoding="utf-8").strip()
            except OSError:
                continue
            if kind != "Instruction":
                instances.setdefault(f"L{level}", {})[shared] = 1024.0 * float(size.removesuffix("K"))
    sizes = {name: sum(each.values()) for name, each in sorted(instances.items())}
    # a level that adds nothing to the one before it cannot be told apart in a stream
    return {name: size for name, size in sizes.items() if all(size > sizes[other] for other in sizes if other < name)}
