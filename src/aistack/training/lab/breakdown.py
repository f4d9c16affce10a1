"""Where the time of a training step really goes, by kind of operation."""

from __future__ import annotations

import os
import statistics

import torch

from aistack.frameworks.operators import Kind
from aistack.training.lab.learner import Learner

_STEPS = 2
# PyTorch's names, the first that fits; what fits none is elementwise
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("attention", "attention"),
    ("flash", "attention"),
    ("_fused_adamw", "optimizer"),
    ("embedding", "lookup"),
    ("mm", "matmul"),
    ("linear", "matmul"),
)


def measure(learner: Learner) -> dict[Kind, float]:
    """Seconds of a step by kind of operation, from PyTorch's profiler; takes two steps, so the learner moves on.

    Times are an operation's own, without those it calls, on the CPU or on the GPU. What the profiler itself costs, and
    time between operations, is spread over the kinds so that they sum up to the median step of the run.
    """
    # the profiler's library reports each start and stop to the terminal unless told otherwise
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from torch.profiler import ProfilerActivity, profile

    cuda = learner.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    whole = statistics.median(learner.history.seconds)
    with profile(activities=activities) as profiler:
        for _ in range(_STEPS):
            learner.step()
        if cuda:
            torch.cuda.synchronize()
    seconds: dict[Kind, float] = dict.fromkeys(("matmul", "attention", "elementwise", "lookup", "optimizer"), 0.0)
    for event in profiler.key_averages():
        spent = event.self_device_time_total if cuda else event.self_cpu_time_total
        if event.key.startswith("aten::"):
            seconds[_kind(event.key)] += spent
    total = sum(seconds.values())
    return {kind: whole * spent / total for kind, spent in seconds.items()}


def _kind(name: str) -> Kind:
    return next((kind for part, kind in _KINDS if part in name), "elementwise")
