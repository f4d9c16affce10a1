"""How many requests a second one core simulates, here and in vidur: the same loads, in turns, the processor's time.

vidur's prices of steps need profiles of chips that its package lacks, so its steps are given one price and cost it
nothing: what is timed is its scheduler, event by event. This planner's simulation prices its steps as it goes.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from adapters import OURS, Adapter

from aistack import catalog
from aistack.infrastructure.cluster import cluster
from aistack.serving import requests
from aistack.serving.deployment import Deployment
from aistack.serving.simulation import simulate
from aistack.serving.step_time import server

ROUNDS = 3
COUNTS = {"ours": 50_000, "vidur": 1_000}
"""Requests of a load: as many as take each a second or so."""
LOADS = {"light": 5.0, "busy": 20.0}
"""Poisson arrivals a second, each of `PROMPT` and `OUTPUT` tokens, at Llama 3 8B on one H100."""
PROMPT, OUTPUT, SEQUENCES, CHUNK = 1024, 256, 256, 8192


def timed(python: Path, vidur: str) -> dict[str, Any]:
    """Requests a second of each planner at each load: the median of rounds, the least and the most."""
    plan = Deployment(max_batch=SEQUENCES, chunk=CHUNK)
    priced = server(catalog.model("llama-3-8b").spec, cluster(1, "h100-sxm5"), plan, context=PROMPT + OUTPUT)
    found: dict[str, Any] = {}
    for name, rate in LOADS.items():
        lengths = (requests.lengths(tokens, COUNTS["ours"], spread=0, seed=1) for tokens in (PROMPT, OUTPUT))
        asked = requests.poisson(rate, *lengths)
        job = {"id": name, "requests": COUNTS["vidur"], "rate": rate, "prompt": PROMPT, "output": OUTPUT,
               "sequences": SEQUENCES, "chunk": CHUNK}  # fmt: skip
        rates: dict[str, list[float]] = {OURS: [], vidur: []}
        for _ in range(ROUNDS + 1):
            started = time.process_time()
            simulate(priced, asked)
            rates[OURS].append(COUNTS["ours"] / (time.process_time() - started))
            adapter = Adapter(python, "simulation_with_vidur.py")  # it numbers replicas on from one run to the next
            rates[vidur].append(COUNTS["vidur"] / adapter.ask([job])[0][name]["seconds"])
            adapter.close()
        found[name] = {
            "rate": rate,
            "planners": {
                planner: {"median": statistics.median(each[1:]), "least": min(each[1:]), "most": max(each[1:])}
                for planner, each in rates.items()
            },
        }
    return found
