"""This machine as an entry of the catalog: every constant a fact with its unit, basis, source and date."""

from __future__ import annotations

import datetime
from typing import Any

import yaml

from aistack.hardware.lab.machine import Measurements

_SOURCE = "THIS_RUN"
_FORMATS = {"float64": "fp64", "float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def describe(found: Measurements, day: datetime.date) -> str:
    """The YAML of two documents, a source and an accelerator, as `aistack catalog add` takes them.

    Rates are those that were fitted: what large products and long streams sustain, not what a datasheet promises.
    """
    machine, identity = found.machine, found.identity
    gpu = machine.device == "cuda"
    scope = "per package" if gpu else "per host"

    def fact(value: float, unit: str, note: str, basis: str = "") -> dict[str, Any]:
        return {
            "value": float(f"{value:.6g}"),
            "unit": unit,
            "basis": ", ".join(part for part in (basis, scope) if part),
            "note": note,
        }

    more = {"launch_overhead": fact(machine.launch_overhead * 1e6, "us", "an eager PyTorch operation costs at least")}
    for cache in machine.caches:
        note = f"a stream from {cache.size / 2**10:,.0f} KiB of {cache.name}, reads and writes together"
        more[f"{cache.name.lower()}_bandwidth"] = fact(cache.bandwidth / 1e9, "GB/s", note)
    for dtype, rate in machine.matmul.items():
        name = _FORMATS[dtype]
        more |= {
            f"{name}_operand_bandwidth": fact(
                rate.operand_bandwidth / 1e9, "GB/s", "operands and result of a matrix product"
            ),
            f"{name}_vector_bandwidth": fact(rate.vector_bandwidth / 1e9, "GB/s", "the same, of a vector by a matrix"),
            f"{name}_overhead": fact(rate.overhead * 1e6, "us", "of a matrix product, beyond the launch"),
        }
    accelerator: dict[str, Any] = {
        "entry": "accelerator",
        "id": "this-machine",
        "name": identity.name,
        "vendor": identity.name.split()[0],
        "architecture": identity.capability,
        "year": day.year,
        "status": "shipping",
        "type": "gpu" if gpu else "cpu",
        "notes": f"Measured with PyTorch {identity.torch}; {identity.threads} threads. The year is that of the "
        "measurement. Constants are fitted to the best of repeated times.",
        "cite": {"source": _SOURCE, "kind": "measured", "confidence": "derived", "date": day.isoformat()},
        "memory_capacity": fact(machine.memory / 2**30, "GiB", "what a process may use"),
        "memory_bandwidth": fact(machine.memory_bandwidth / 1e9, "GB/s", "a long stream, reads and writes together"),
        "peaks": {
            _FORMATS[dtype]: fact(rate.peak / 1e9, "GFLOP/s", "sustained by large matrix products", "dense")
            for dtype, rate in machine.matmul.items()
        },
        "compute_units": fact(machine.cores, "SM" if gpu else "core", "that a process may use"),
        "on_chip": {
            name.lower(): fact(size / 2**10, "KiB", "as the system states it, all that its cores reach")
            for name, size in identity.caches.items()
            if name.lower() in {"l1", "l2", "l3"}
        },
        "more": more,
    }
    source = {
        "entry": "source",
        "id": _SOURCE,
        "about": f"Measured by the hardware stage of a dive on this machine ({identity.name})",
        "date": day.isoformat(),
        "dated": "retrieved",
    }
    return yaml.safe_dump_all([source, accelerator], sort_keys=False, allow_unicode=True, width=110)
