"""Which size to train in the seconds there are: for each rung its speed, its tokens, and the loss they should reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aistack.catalog.architecture import ModelSpec
from aistack.errors import DoesNotFit
from aistack.frameworks import memory
from aistack.frameworks.memory import Precision
from aistack.frameworks.operators import Kind
from aistack.hardware.machine import Machine
from aistack.training import hyperparameters, step
from aistack.training.recipe import Recipe
from aistack.training.scaling import Anchored, Forecast, effective_tokens, forecast
from aistack.training.schedule import Schedule
from aistack.training.step import StepTime

_USABLE_MEMORY = 0.6
"""Assumed share of memory that a training run may take: the rest is the system's, the interpreter's and the text's."""
LEAST_STEPS = 10
"""Fewer cannot warm up and decay."""


@dataclass(frozen=True)
class Pace:
    """How fast a machine trains: what turns a model and seconds into a batch and a number of steps."""

    machine: Machine
    seq_len: int
    dtype: Precision
    eager_factors: Mapping[Kind, float]
    """Of each kind of operation, from a model that will not be trained."""
    allocator_factor: float = 1.0
    """Memory held over that which tensors need, from the same model: what the allocator cannot use again."""

    def step(self, spec: ModelSpec, batch: int) -> StepTime:
        """The time of one step over `batch` sequences."""
        return step.estimate(self.machine, spec, batch, self.seq_len, self.dtype, self.eager_factors)

    def batch(self, spec: ModelSpec, seconds: float) -> int:
        """Sequences a step for a run of `seconds`: `hyperparameters.batch_sequences`, but no more than memory holds.

        That wants the run's operations and tokens; they follow from the speed, and that from the batch: a few rounds
        settle it.
        """
        batch = 1
        for _ in range(4):
            tokens = seconds * self.step(spec, batch).tokens_per_second
            flop = hyperparameters.run_flop(spec, self.seq_len, tokens)
            batch = hyperparameters.batch_sequences(flop, tokens, self.seq_len)
            while batch > 1 and not self.fits(spec, batch):
                batch //= 2
        return batch

    def memory(self, spec: ModelSpec, batch: int) -> float:
        """Bytes at the peak of a step over `batch` sequences."""
        needed = memory.estimate(spec, batch, self.seq_len, self.dtype, self.machine.device).total
        return self.allocator_factor * needed

    def fits(self, spec: ModelSpec, batch: int) -> bool:
        """Whether a step over `batch` sequences leaves the rest of the machine room to breathe."""
        return self.memory(spec, batch) <= _USABLE_MEMORY * self.machine.memory

    def recipe(self, spec: ModelSpec, seconds: float, rate_over_root: float, seed: int) -> Recipe:
        """A run of about `seconds` whose peak learning rate is `rate_over_root` times the root of a batch's tokens."""
        batch = self.batch(spec, seconds)
        steps = int(seconds / self.step(spec, batch).seconds)
        return recipe(spec, steps, batch, self.seq_len, self.dtype, rate_over_root, seed)


def recipe(
    spec: ModelSpec, steps: int, batch: int, seq_len: int, dtype: Precision, rate_over_root: float, seed: int
) -> Recipe:
    """A run of `steps` steps (ten at least); its peak rate is `rate_over_root` times the root of a batch's tokens."""
    steps = max(LEAST_STEPS, steps)
    schedule = Schedule(steps, rate_over_root * (batch * seq_len) ** 0.5)
    return Recipe(spec, schedule, batch, seq_len, dtype, seed)


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
    def enough(self) -> bool:
        """Whether the time is enough for a run at all."""
        return self.tokens >= LEAST_STEPS * self.step.tokens


def estimate(pace: Pace, spec: ModelSpec, seconds: float, laws: Sequence[Anchored], unique_tokens: float) -> Candidate:
    """What training `spec` for `seconds` would come to. Tokens beyond the text's own are repeats and count for less."""
    batch = pace.batch(spec, seconds)
    step = pace.step(spec, batch)
    tokens = seconds * step.tokens_per_second
    worth = float(effective_tokens(tokens, unique_tokens))
    return Candidate(spec, batch, step, pace.memory(spec, batch), tokens, forecast(laws, spec.parameters, worth))


def choose(pace: Pace, candidates: Sequence[Candidate]) -> Candidate:
    """The candidate of least predicted loss among those that fit into memory and time.

    Where the time is enough for none it is the fastest. Raises `DoesNotFit` where none fits into memory.
    """
    fitting = [each for each in candidates if pace.fits(each.spec, each.batch)]
    if not fitting:
        least = min(each.memory for each in candidates)
        raise DoesNotFit(
            f"Training the smallest model takes {least / 1e9:.1f} GB, more than {_USABLE_MEMORY:.0%} of the "
            f"{pace.machine.memory / 1e9:.1f} GB that this machine has."
        )
    enough = [each for each in fitting if each.enough]
    if not enough:
        return min(fitting, key=lambda each: each.step.seconds)
    return min(enough, key=lambda each: each.forecast.loss)
