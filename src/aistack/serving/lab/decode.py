"""Decoding without a server: the engine alone, step after step, on a model of random weights."""

from __future__ import annotations

import time

import torch
from tokenizers import Tokenizer, models

from aistack.catalog.architecture import ModelSpec
from aistack.frameworks.lab.transformer import Transformer
from aistack.serving.lab.engine import Engine, Limits
from aistack.serving.lab.int8 import round_in_place
from aistack.serving.lab.sequence import Sampling


def build(spec: ModelSpec, int8: bool, device: str) -> Transformer:
    """A model with random weights: its speed is that of a trained one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Transformer(spec).eval().requires_grad_(False)
    if int8:
        round_in_place(model)
    return model.to(device)


def measure(model: Transformer, batch: int, context: int, steps: int, threads: int | None = None) -> list[float]:
    """Seconds of each of `steps` decode steps of `batch` sequences that hold about `context` tokens each.

    Computed with so many CPU threads, or with as many as PyTorch is set to.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return _steps(model, batch, context, steps)
    finally:
        torch.set_num_threads(before)


def _steps(model: Transformer, batch: int, context: int, steps: int) -> list[float]:
    engine = Engine(model, Tokenizer(models.WordLevel({"x": 0}, "x")), frozenset(), Limits(batch, max(256, batch)))
    prompt = [index % model.spec.vocab for index in range(context)]
    for number in range(batch):
        engine.add(str(number), prompt, Sampling(max_tokens=steps + 2, temperature=0, ignore_eos=True))
    while len(engine.step()) < batch:
        pass
    engine.step()
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        engine.step()
        seconds.append(time.perf_counter() - started)
    return seconds
