"""A published serving row, read as the product reads it, in the plain numbers that the adapters map to peers' inputs.

All planners get the same reading of a row, and the same data sheets of chips and links.
"""

from __future__ import annotations

from typing import Any

from shapes import shape

from aistack.evidence.serving_plan import Pool
from aistack.evidence.serving_predictor import profile
from aistack.evidence.serving_reading import Question
from aistack.hardware.chip import Chip, chip
from aistack.infrastructure.cluster import cluster
from aistack.serving import formats
from aistack.serving.engines import DEFAULTS

FILLED = 0.9
"""Share of the memory that weights and cache may take, the engines' usual default."""


def described(question: Question) -> dict[str, Any]:
    """The question as JSON: SI units, one-way bandwidths of one chip, dense peaks of the formats' precisions."""
    spec, accelerator = question.spec, chip(question.accelerator)
    stored = formats.weights(question.formats.weights)
    others = formats.weights(stored.others) if stored.others else stored
    level = cluster(question.chips, question.accelerator).levels[0]
    return {
        "id": question.row.id,
        "model": {"name": spec.name, **shape(spec), "cache_elements": spec.cache_elements_per_token},
        "scenario": question.scenario,
        "prompt": question.prompt,
        "output": question.output,
        "held": question.held,
        "concurrency": question.concurrency,
        "rate": question.rate,
        "most": most(question, accelerator),
        "pool": sizes(question.pool),
        "prefill_pool": question.prefill and sizes(question.prefill),
        "engine": question.engine.name,
        "weights": {"format": stored.name, "bytes": stored.bytes, "others": others.bytes},
        "cache": {"format": question.formats.kv, "bytes": formats.cache_bytes(question.formats.kv)},
        "chip": {
            "name": accelerator.name,
            "peak": accelerator.rate(stored.precision(accelerator)),
            "memory": accelerator.memory,
            "memory_bandwidth": accelerator.memory_bandwidth,
        },
        "domain": {"size": level.size, "bandwidth": level.bandwidth, "latency": level.latency},
    }


def sizes(pool: Pool) -> dict[str, int]:
    """Equal instances and what each is divided into."""
    return {
        "instances": pool.instances,
        "tp": pool.tensor_parallel,
        "pp": pool.pipeline_parallel,
        "ep": pool.expert_parallel,
        "dp": pool.data_parallel,
    }


def most(question: Question, accelerator: Chip) -> int:
    """Sequences that one instance holds at once: what its memory has room for, and its engine's own limit."""
    pool = question.pool
    memory = FILLED * accelerator.memory * pool.chips / pool.instances
    held = question.spec.parameters * formats.weights(question.formats.weights).bytes
    each = question.spec.cache_elements_per_token * formats.cache_bytes(question.formats.kv)
    room = (memory - held) / (each * (question.held + question.prompt + question.output))
    return max(1, min(int(room), DEFAULTS[profile(question)][0]))
