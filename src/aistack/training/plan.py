"""Which size to train in the seconds there are: for each rung its speed, its tokens, and the loss they should reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aistack.catalog.architecture import ModelSpec
from aistack.errors import DoesNotFit
from aistack.frameworks import memory
from aistack.frameworks.memory import Precision
from aistack.hardware.machine import Machine
from aistack.training import hyperparameters
from aistack.training.scaling import Anchored, Forecast, effective_tokens, forecast
from aistack.training.step import StepTime, estimate

_USABLE_MEMORY = 0.6
"""Assumed share of memory that a training run may take: the rest is the system's, the interpreter's and the text's."""


@dataclass(frozen=True)
class Candidate:
    """A model size with what it would do with the time."""

    spec: ModelSpec
    batch: int
    """Sequences a step."""
    step: StepTime
    memory: float
    """Bytes at the peak."""
    tokens: float
    """Tokens trained on in the time."""
    forecast: Forecast

    @property
    def steps(self) -> int:
        """Whole steps in the time."""
        return int(self.tokens // self.step.tokens)


def estimate_candidate(
    machine: Machine,
    spec: ModelSpec,
    seconds: float,
    seq_len: int,
    dtype: Precision,
    eager_factor: float,
    laws: Sequence[Anchored],
    unique_tokens: float,
) -> Candidate:
    """What training `spec` for `seconds` would come to.

    The batch depends on the run's operations (DeepSeek's rule), these on the speed, and that on the batch: two rounds
    settle it. Tokens beyond the text's own are passes over it again and count for less.
    """
    batch = 1
    for _ in range(3):
        step = estimate(machine, spec, batch, seq_len, dtype, eager_factor)
        tokens = seconds * step.tokens_per_second
        settled = hyperparameters.batch_sequences(hyperparameters.run_flop(spec, seq_len, tokens), seq_len)
        if settled == batch:
            break
        batch = settled
    step = estimate(machine, spec, batch, seq_len, dtype, eager_factor)
    tokens = max(seconds * step.tokens_per_second, float(step.tokens))
    needed = memory.estimate(spec, batch, seq_len, dtype, machine.device).total
    worth = float(effective_tokens(tokens, unique_tokens))
    return Candidate(spec, batch, step, needed, tokens, forecast(laws, spec.parameters, worth))


def choose(machine: Machine, candidates: Sequence[Candidate]) -> Candidate:
    """The candidate of least predicted loss among those that fit into memory; `DoesNotFit` where none does."""
    fitting = [each for each in candidates if each.memory <= _USABLE_MEMORY * machine.memory]
    if not fitting:
        least = min(each.memory for each in candidates)
        raise DoesNotFit(
            f"Training the smallest model takes {least / 1e9:.1f} GB, more than {_USABLE_MEMORY:.0%} of the "
            f"{machine.memory / 1e9:.1f} GB that this machine has."
        )
    return min(fitting, key=lambda each: each.forecast.loss)
