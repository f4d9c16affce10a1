"""A published row, read as the product reads it, in the plain numbers that the adapters map to their peers' inputs.

All planners get the same reading of a row: where the source leaves a cell blank, what the product assumes for it goes
to the peers as well. Chips, links and networks are the catalog's, so no planner has better data sheets than another.
"""

from __future__ import annotations

from typing import Any

from shapes import shape

from aistack.training.parallel import Plan
from aistack.training.parallel_step import Job

ZERO = {"none": 0, "zero1": 1, "zero2": 2, "zero3": 3}


def described(name: str, job: Job, plan: Plan) -> dict[str, Any]:
    """The job and its plan as JSON: SI units, one-way bandwidths of one chip, dense peak of the plan's precision."""
    inner, outer = job.cluster.levels[0], job.cluster.levels[-1]
    return {
        "id": name,
        "model": shape(job.spec),
        "seq_len": job.seq_len,
        "global_batch": job.global_batch,
        "micro_batch": plan.micro_batch,
        "tp": plan.tensor_parallel,
        "pp": plan.pipeline_parallel,
        "dp": plan.data_parallel,
        "cp": plan.context_parallel,
        "ep": plan.expert_parallel,
        "interleave": plan.interleave,
        "zero": ZERO[plan.zero],
        "recomputation": plan.recomputation,
        "chip": {
            "name": job.chip.name,
            "peak": job.chip.rate(plan.precision),
            "memory": job.chip.memory,
            "memory_bandwidth": job.chip.memory_bandwidth,
        },
        "domain": {"size": inner.size, "bandwidth": inner.bandwidth, "latency": inner.latency},
        "network": {"bandwidth": outer.bandwidth, "latency": outer.latency},
    }
