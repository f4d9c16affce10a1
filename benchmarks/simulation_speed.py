"""How many requests a second one core simulates, from event to event, on loads of several kinds.

Bar, one core: 100,000 requests a second. What counts is the processor's time of a call of `simulate`, from arrays of
requests and a priced server to arrays of times; making the requests is left out, pricing the server is said. The speed
depends on the load: events, not tokens, take time, and at each step of a busy server several requests come and go.
"""

from __future__ import annotations

import os

# one core is what the bar is for; set before NumPy starts its threads
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import platform
import statistics
import time
from typing import Any

from aistack import catalog
from aistack.infrastructure.cluster import cluster
from aistack.scenario import traces
from aistack.serving import requests
from aistack.serving.deployment import Deployment
from aistack.serving.simulation import simulate
from aistack.serving.step_time import server

REPEATS = 5
COUNT = 100_000
REQUESTS_A_SECOND = 100_000
FINDING = "the same, blocks found in caches as they are"
"""Each request looks up some twenty blocks: outside the bar, which is for requests that share nothing."""


def main() -> None:
    started = time.perf_counter()
    plan = Deployment(tensor_parallel=8, precision="fp8")
    priced = server(catalog.model("llama-3.1-70b").spec, cluster(8, "h100-sxm5"), plan, context=1200)
    print(f"pricing the server: {time.perf_counter() - started:.2f} s ({platform.machine()}, one core)")
    prompt = requests.lengths(1024, COUNT, spread=0.5, seed=1)
    output = requests.lengths(256, COUNT, spread=0.7, seed=2)
    conversation = traces.trace("azure-2023-conversation").requests
    mooncake = traces.trace("mooncake-conversation")
    loads: dict[str, tuple[Any, dict[str, Any]]] = {
        "Poisson, 1/s: mostly idle": (requests.poisson(1, prompt, output), {}),
        "Poisson, 5/s: a third of what it carries": (requests.poisson(5, prompt, output), {}),
        "Poisson, 12/s: near what it carries": (requests.poisson(12, prompt, output), {}),
        "gamma bursts of shape 0.25, 10/s": (requests.gamma(10, 0.25, prompt, output), {}),
        "closed loop of 64 clients": (requests.closed_loop(64, prompt, output), {}),
        "closed loop of 256 clients": (requests.closed_loop(256, prompt, output), {}),
        "Poisson, 40/s, on 4 replicas in turn": (requests.poisson(40, prompt, output), {"replicas": 4}),
        "Poisson, 40/s, on the least loaded of 4": (
            requests.poisson(40, prompt, output),
            {"replicas": 4, "routing": "least-loaded"},
        ),
        "Azure 2023 conversation, as recorded": (conversation, {}),
        "Azure 2023 conversation, at 12/s": (conversation.at_rate(12), {}),
        "Mooncake conversation on 8 replicas, prefixes held": (mooncake.with_prefix_cache(), {"replicas": 8}),
        FINDING: (mooncake.sharing(), {"replicas": 8}),
    }
    missed = []
    for name, (asked, options) in loads.items():
        taken = []
        for _ in range(REPEATS):
            started = time.process_time()
            played = simulate(priced, asked, **options)
            taken.append(time.process_time() - started)
        rate = len(asked) / statistics.median(taken)
        events = sum(len(seen.end) for seen in played.occupancy) / len(asked)
        tokens = int(asked.output.sum()) / statistics.median(taken)
        print(
            f"{name:52} {rate:9,.0f} requests/s ({len(asked) / max(taken):,.0f} to {len(asked) / min(taken):,.0f}), "
            f"{events:.1f} events a request, {tokens / 1e6:.0f} M tokens/s"
        )
        if rate < REQUESTS_A_SECOND and name != FINDING:
            missed.append(name)
    raise SystemExit(f"UNDER {REQUESTS_A_SECOND:,} requests/s: " + "; ".join(missed) if missed else None)


if __name__ == "__main__":
    main()
