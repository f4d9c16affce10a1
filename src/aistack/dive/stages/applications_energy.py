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

PUE, GRID, PRICE = "industry-2025", "WORLD", "usa-retail-2022"
"""Where the machine stands is not known: an average data centre on an average grid, all assumed."""
CORE = "server-thread-full-load"
"""What a busy core draws is not known either where there is no meter."""


def account(context: Context, own: Reading) -> Outputs:
    """What every layer used: processor time and, where this machine has a meter, energy as measured; energy assumed
    from processor time where it has none; carbon and cost by the catalog's averages.
    """
    pue, grid = catalog.pue(PUE), catalog.grid(GRID)
    core, price = catalog.record("power", CORE), catalog.record("electricity", PRICE)
    used = {
        layer: (context.seconds[layer], context.cpu_seconds[layer], context.joules.get(layer))
        for layer in LAYERS
        if layer in context.seconds and layer in context.cpu_seconds
    } | {context.layer: (own.seconds, own.cpu_seconds, own.joules)}
    layers = [
        {
            "layer": layer,
            "seconds": seconds,
            "cpu_seconds": cpu,
            **asdict(energy.estimate(cpu, core) if joules is None else energy.metered(joules)),
        }
        for layer, (seconds, cpu, joules) in used.items()
    ]
    total = {key: sum(each[key] for each in layers) for key in ("joules", "low", "high")}
    footprint = power.estimate(total["joules"], pue.pue.si, grid.intensity.si, price.value.si)
    cores = Machine.from_json(context.earlier["hardware"]["machine"]).cores
    usd_per_second = cores * core.value.si * pue.pue.si * price.value.si
    throughput = context.earlier["serving"]["throughput"]
    return {
        "layers": layers,
        **total,
        "footprint": asdict(footprint),
        "usd_per_million_tokens": economics.estimate(throughput, usd_per_second),
        "accelerator_counted": own.gpu_joules is not None or context.device == "cpu",
        "assumptions": [
            _assumption("a busy core", core.value, core.name),
            _assumption("PUE", pue.pue, pue.name),
            _assumption("carbon of the grid", grid.intensity, grid.name),
            _assumption("electricity", price.value, price.name),
        ],
    }


def _assumption(name: str, fact: catalog.Fact, of: str) -> dict[str, str | float]:
    return {"name": name, "value": fact.si, "unit": fact.si_unit, "source": f"{of}, {fact.text}"}
