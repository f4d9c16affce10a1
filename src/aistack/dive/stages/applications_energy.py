"""The accounting half of stage 6: what the dive used, layer by layer, and what its tokens cost."""

from __future__ import annotations

from dataclasses import asdict

from aistack import catalog
from aistack.applications import economics, energy
from aistack.applications.lab.meter import Reading
from aistack.dive.stage import Context, Outputs
from aistack.drawing import LAYERS
from aistack.hardware.machine import Machine
from aistack.infrastructure import power

PUE, GRID = "industry-2025", "WORLD"
"""Where the machine stands is not known: an average data centre on the average grid, both assumed."""


def account(context: Context, own: Reading) -> Outputs:
    """What every layer used: processor time as measured, energy assumed from it (metered, where this machine can, for
    this layer), carbon and cost by the catalog's averages.
    """
    pue, grid = catalog.pue(PUE), catalog.grid(GRID)
    times = {
        layer: (context.seconds[layer], context.cpu_seconds[layer])
        for layer in LAYERS
        if layer in context.seconds and layer in context.cpu_seconds
    } | {context.layer: (own.seconds, own.cpu_seconds)}
    layers = [
        {"layer": layer, "seconds": seconds, "cpu_seconds": cpu, **asdict(energy.estimate(cpu))}
        for layer, (seconds, cpu) in times.items()
    ]
    if own.joules is not None:
        layers[-1] |= asdict(energy.metered(own.joules))
    total = {key: sum(each[key] for each in layers) for key in ("joules", "low", "high")}
    footprint = power.estimate(total["joules"], pue.pue.si, grid.intensity.si, economics.USD_PER_JOULE)
    cores = Machine.from_json(context.earlier["hardware"]["machine"]).cores
    usd_per_second = cores * energy.WATTS_PER_CORE * pue.pue.si * economics.USD_PER_JOULE
    throughput = context.earlier["serving"]["throughput"]
    return {
        "layers": layers,
        **total,
        "footprint": asdict(footprint),
        "usd_per_million_tokens": economics.estimate(throughput, usd_per_second),
        "accelerator_counted": own.gpu_joules is not None or context.device == "cpu",
        "assumptions": [
            _assumption("a busy core", energy.WATTS_PER_CORE, "W", energy.WATTS_PER_CORE_SOURCE),
            _assumption("PUE", pue.pue.si, "1", pue.name),
            _assumption("carbon of the grid", grid.intensity.si, "kg/J", grid.name),
            _assumption("electricity", economics.USD_PER_JOULE, "USD/J", economics.USD_PER_JOULE_SOURCE),
        ],
    }


def _assumption(name: str, value: float, unit: str, source: str) -> dict[str, str | float]:
    return {"name": name, "value": value, "unit": unit, "source": source}
