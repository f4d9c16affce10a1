"""The operations of a training step on one accelerator: what each computes, what it moves, how long it takes.

Forward, backward and repeated passes of an operation count together, over all its layers and micro-batches.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aistack.frameworks.kernels import MASTER_BYTES
from aistack.frameworks.parts import Kernel
from aistack.frameworks.parts import estimate as parts_of
from aistack.frameworks.products import words
from aistack.hardware import flash_attention
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.training.parallel import Plan, Plans
from aistack.training.parallel_step import Job, resources
from aistack.training.pricing import price
from aistack.training.sharded_layers import sharding


@dataclass(frozen=True)
class Operation:
    """One kind of operation in a whole step."""

    name: str
    flop: float
    bytes: float
    """Of memory traffic, where every operand is read and every result written once."""
    seconds: float


def estimate(job: Job, plan: Plan) -> tuple[Operation, ...]:
    """The operations of `plan`'s step on a mean rank of its pipeline, the longest first.

    A product of M x K by K x N matrices has 2 M N K FLOP; attention those of the pairs that the mask leaves, in two
    products forward and five backward (arXiv:2307.08691, section 3.1); what moves bytes alone, such as a norm, is
    counted as one FLOP an element that passes. Seconds are those that the step is made of (`training.pricing`), apart
    from waiting for launches. Left out: communication and the optimiser. Raises `BadInput` where micro-batches do not
    divide the global batch.
    """
    plans = Plans.of([plan])
    share = plan.micro_batches(job.global_batch) / plan.pipeline_parallel
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    engine = job.engine
    graph = parts_of(
        job.spec, job.seq_len, sharding(plans), plan.precision, adapters=job.adapters, predicted=job.predicted
    )
    for part in graph:
        kinds = {"none": (), "selective": part.light if engine.fused_attention else part.core, "full": part.forward}
        again = kinds[plan.recomputation] if part.name == "layer" else ()
        for kernel, often in itertools.chain(
            ((kernel, 1.0) for kernel in (*part.forward, *part.backward)),
            ((kernel, plan.recompute_share / 100) for kernel in again),
        ):
            work = price(job.chip, [kernel], plan.precision, 1, fused_attention=engine.fused_attention)
            spent = engine.spend(job.chip, plan.precision, work)
            flop, moved = _work(kernel)
            moved *= engine.traffic if kernel.kind == "stream" else 1.0
            times = share * often * max(part.layers, 1)
            runs = times * _number(kernel.count)
            total = totals[words(kernel.name)]
            total[0] += runs * flop
            total[1] += runs * moved
            total[2] += times * float((spent.matrix + spent.attention + spent.stream)[0])
    adding = engine.accumulation * float(resources(job, plans, plan.precision).layers.accumulation[0])
    moved = adding * job.chip.memory_bandwidth * job.chip.kernels.bandwidth
    totals["adding up gradients"] = [share * moved / MASTER_BYTES, share * moved, share * adding]
    found = [Operation(name, *values) for name, values in totals.items()]
    return tuple(sorted(found, key=lambda operation: -operation.seconds))


def _work(kernel: Kernel) -> tuple[float, float]:
    """FLOP and bytes of one run of a kernel."""
    given = {name: _number(value) for name, value in kernel.arguments.items()}
    each = ELEMENT_BYTES[kernel.precision]
    if kernel.kind == "stream":
        return given["bytes_moved"] / each, given["bytes_moved"]
    if kernel.kind == "gemm":
        m, n, k, groups = (given[name] for name in ("m", "n", "k", "groups"))
        return 2 * groups * m * n * k, groups * (each * (m * k + k * n) + max(each, 2.0) * m * n)
    return _attention(kernel.arguments, given, each)


def _attention(arguments: Mapping[str, Any], given: Mapping[str, Any], each: float) -> tuple[float, float]:
    batch, heads, kv_heads, queries, keys, width, value = (
        given[name] for name in ("batch", "heads", "kv_heads", "queries", "keys", "head_dim", "value_dim")
    )
    backward = bool(arguments["backward"])
    over_keys, over_values = flash_attention.BACKWARD_PRODUCTS if backward else flash_attention.PRODUCTS
    pairs = float(flash_attention.pairs(queries, keys, arguments["causal"], arguments.get("window")))
    flop = 2 * batch * heads * pairs * (over_keys * width + over_values * value)
    moved = each * batch * (heads * queries * (width + value) + kv_heads * keys * (width + value))
    return flop, (2 if backward else 1) * moved


def _number(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else float(np.asarray(value).reshape(-1)[0])
