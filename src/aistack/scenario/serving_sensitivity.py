"""How strongly a replica's latency and throughput depend on each layer below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from aistack.scenario import better
from aistack.serving import steady_state, tables
from aistack.serving.capacity import Workload
from aistack.serving.step_time import Server


def estimate(server: Server, work: Workload, load: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """For "ttft", "tpot" and "throughput": percent that it gets better for one percent more of each resource.

    Times are those under `load` (a rate or a concurrency, as `steady_state.estimate` takes it); throughput is that of a
    full replica, since below it the load decides. Each resource is made one percent better alone. Answers of one token
    have no time between tokens, which nothing makes better.
    """
    before = _seconds(server, work, load)
    found: dict[str, dict[str, float]] = {name: {} for name in before}
    for resource, improved in BETTER.items():
        after = _seconds(improved(server), work, load)
        for name in found:
            none = name == "tpot" and np.all(np.asarray(work.output) <= 1)
            found[name][resource] = 0.0 if none else better.elasticity(before[name], after[name])
    return found


def _seconds(server: Server, work: Workload, load: Mapping[str, float]) -> dict[str, float]:
    seen = steady_state.estimate(server, work.prompt, work.output, prefix_hit=work.prefix_hit, **load)
    full = steady_state.estimate(server, work.prompt, work.output, prefix_hit=work.prefix_hit)
    return {"ttft": float(seen.ttft), "tpot": float(seen.tpot), "throughput": 1 / float(full.throughput)}


def _priced(server: Server) -> Server:
    """The replica with its tables as its chip and cluster now are."""
    draft = server.draft and _priced(replace(server.draft, chip=server.chip, cluster=server.cluster))
    priced = tables.estimate(server.spec, server.chip, server.cluster, server.deployments)
    return replace(server, tables=priced, draft=draft)


def _latency(server: Server) -> Server:
    names = ("step_overhead", "sequence_overhead", "request_overhead", "gap", "dispatch")
    quicker = {name: getattr(server.engine, name) / better.MORE for name in names}
    chip, cluster = better.launching(server.chip), better.answering(server.cluster)
    return _priced(replace(server, chip=chip, cluster=cluster)).with_engine(replace(server.engine, **quicker))


BETTER: Mapping[str, Callable[[Server], Server]] = {
    "compute": lambda server: _priced(replace(server, chip=better.computing(server.chip))),
    "memory bandwidth": lambda server: _priced(replace(server, chip=better.reading(server.chip))),
    "scale-up link": lambda server: _priced(replace(server, cluster=better.scale_up(server.cluster))),
    "scale-out link": lambda server: _priced(replace(server, cluster=better.scale_out(server.cluster))),
    "latency and launches": _latency,
}
"""Each resource, and how to have one percent more of it."""
