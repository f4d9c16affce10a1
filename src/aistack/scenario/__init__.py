"""A question put to all six layers, and its answer.

    >>> from aistack.scenario import TrainingScenario
    >>> scenario = TrainingScenario(model="llama-3.1-8b", on="64xh100-sxm5", seq_len=8192, global_batch=128, tp=2)
    >>> str(scenario.plan)
    'TP 2 x DP 32, micro-batch 1, zero1, bf16'

The command line, a YAML file, an HTTP request and Python all build the same scenario through the same validation.
"""

from __future__ import annotations

from aistack.scenario.answer import Interval, MemoryPart, Share, TrainingAnswer
from aistack.scenario.plain import to_json
from aistack.scenario.pools_answer import PoolsAnswer
from aistack.scenario.pools_respond import answer_pools
from aistack.scenario.question import TrainingScenario, from_mapping, read
from aistack.scenario.remedies import remedies
from aistack.scenario.respond import answer
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_answer import ServingAnswer
from aistack.scenario.serving_respond import answer_serving

__all__ = [
    "Interval",
    "MemoryPart",
    "PoolsAnswer",
    "ServingAnswer",
    "ServingScenario",
    "Share",
    "TrainingAnswer",
    "TrainingScenario",
    "answer",
    "answer_pools",
    "answer_serving",
    "from_mapping",
    "read",
    "remedies",
    "to_json",
]
