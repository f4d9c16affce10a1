"""Jobs to plan, machines without faults, and plans of every kind."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from aistack.catalog.fitted import Constant
from aistack.infrastructure.cluster import Cluster
from aistack.scenario import TrainingScenario
from aistack.training.engine import Engine
from aistack.training.legality import legal
from aistack.training.parallel import CHOICES, Plan, Plans
from aistack.training.parallel_step import Job


def job(
    model: str = "llama-3.1-8b", on: str = "64xh100-sxm5", seq_len: int = 4096, global_batch: int = 256, **more: Any
) -> Job:
    return TrainingScenario(model=model, on=on, seq_len=seq_len, global_batch=global_batch, **more).job


def divisors(number: int) -> list[int]:
    return [each for each in range(1, number + 1) if number % each == 0]


def random_plans(asked: Job, count: int, seed: int = 0, precisions: tuple[str, ...] = ("bf16",)) -> Plans:
    """Legal plans of `asked`, drawn at random from all that a plan can say."""
    rng = np.random.default_rng(seed)
    chips = asked.cluster.chips
    drawn = 500 * count
    columns = {name: rng.integers(len(choices), size=drawn) for name, choices in CHOICES.items()}
    columns["precision"] = rng.choice([CHOICES["precision"].index(name) for name in precisions], drawn)
    sizes = np.array(divisors(chips))
    t, p, c = (rng.choice(sizes, drawn) for _ in range(3))
    columns |= {
        "tensor_parallel": t,
        "pipeline_parallel": p,
        "context_parallel": c,
        "data_parallel": np.maximum(chips // (t * p * c), 1),
        "expert_parallel": rng.choice([1, 1, 2, 4, 8], drawn),
        "micro_batch": rng.choice([1, 1, 2, 4, 8], drawn),
        "interleave": rng.choice([1, 1, 2, 3, 4], drawn),
        "shard_group": rng.choice([0, 0, 2, 4, 8], drawn),
        "recompute_share": rng.choice([100, 100, 25, 60], drawn),
        "sequence_parallel": rng.integers(2, size=drawn),
    }
    plans = Plans(**{field.name: columns[field.name].astype(np.int64) for field in fields(Plan)})
    fine = np.flatnonzero(legal(asked.spec, asked.seq_len, asked.global_batch, chips, plans))
    assert len(fine) >= count, len(fine)
    return plans.take(fine[:count])


def without_losses(engine: Engine) -> Engine:
    """An engine that adds nothing to the kernels and hides nothing behind them."""
    return replace(
        engine, tensor_overlap=0.0, data_overlap=0.0, context_overlap=0.0, expert_overlap=0.0, attention=1.0,
        traffic=1.0, accumulation=0.0, routing=1.0, expert_work=1.0, dispatch=0.0, step_overhead=0.0, straggling=0.0,
        derates=Constant(meaning="nothing is lost", unit="1", values={"all": 1.0}),
    )  # fmt: skip


def one_switch(cluster: Cluster, bandwidth: float, latency: float = 0.0) -> Cluster:
    """The same chips on one switch, all with this bandwidth, and nothing else that takes time."""
    level = replace(
        cluster.levels[-1], latency=latency, bandwidth=bandwidth, quick=None, in_network=None, fabric="switch"
    )
    return replace(cluster, levels=(level,), startup=0.0, own_part=0.0, exchange_share=1.0)


def ideal(asked: Job, bandwidth: float = 1e30) -> Job:
    """The job where nothing but the kernels takes time, or else communication at `bandwidth`."""
    return replace(asked, engine=without_losses(asked.engine), cluster=one_switch(asked.cluster, bandwidth))
