"""How stage 4 plans: measure small models, choose a size for the time that is left, and predict its run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import log
from pathlib import Path
from typing import Any, cast

from aistack.catalog.architecture import ModelSpec
from aistack.dive.stage import Context
from aistack.files import read_json, write_json
from aistack.frameworks.lab.shards import Shards, open_shards
from aistack.frameworks.memory import Precision
from aistack.hardware.machine import Machine
from aistack.training import hyperparameters, ladder, plan
from aistack.training.lab import breakdown, entropy, pilots, speed
from aistack.training.lab.footprint import peak_memory
from aistack.training.lab.learner import Learner
from aistack.training.lab.tuning import Trial, best, tune
from aistack.training.plan import LEAST_STEPS, Candidate, Pace, choose
from aistack.training.recipe import Recipe
from aistack.training.scaling import PUBLISHED, Anchored, Forecast, Pilot, anchor, effective_tokens, forecast
from aistack.training.step import precision

STEP, THROUGHPUT, MEMORY = "Training step", "Training throughput", "Peak training memory"
LOSS, BITS = "Final validation loss", "Bits per byte"
"""The quantities in the ledger."""
CHECKPOINTS = 8
"""In a run; each comes with an evaluation."""

_CALIBRATION, _TUNING, _PILOT, _WARMUP, _RESERVE = 0.03, 0.13, 0.07, 0.02, 0.03
"""Shares of the stage's budget; the reserve is for what follows training, as are the seconds below."""
_AFTER = 5.0
_CALIBRATION_SHAPE, _CALIBRATION_BATCH = (160, 3), 4
"""Of the model whose speed gives the eager factor; no rung has this shape."""
_GENTLE = 1e-5
"""Its learning rate over the root of its batch's tokens: it is only timed, and no rate so low breaks training."""
_PRUNED_SHARE = 0.75
"""Assumed share of a trial that runs on average; the rest is pruned."""
_CENTRE, _REACH = 0.5, 4.0
"""The search covers learning rates from an eighth of DeepSeek's rule to twice it: runs so short want less."""
_OFF = 1.5
"""A warm-up that is so much slower or faster than predicted is told."""


@dataclass(frozen=True)
class Desk:
    """The stage's context and what earlier stages left, opened."""

    context: Context
    machine: Machine
    shards: Shards
    validation: Shards
    vocab: int
    bytes_per_token: float
    token_entropy: float
    """Nats: the loss of knowing how often each token occurs."""
    tokenizer: Path
    dtype: Precision

    @staticmethod
    def open(context: Context) -> Desk:
        """Open what the hardware and frameworks stages of the run wrote."""
        data = context.earlier["frameworks"]
        machine = Machine.from_json(context.earlier["hardware"]["machine"])
        shards = context.root / data["shards"]
        train = open_shards(shards, "train")
        return Desk(
            context,
            machine,
            train,
            open_shards(shards, "validation"),
            int(data["vocab"]),
            float(data["bytes_per_token"]),
            entropy.measure(train),
            context.root / data["tokenizer"],
            precision(machine),
        )

    @property
    def sequences(self) -> int:
        """Validation sequences of an evaluation; the same for pilots and the final model, so that they compare."""
        return 32 if self.context.options.quick else 128

    @property
    def seed(self) -> int:
        """The run's."""
        return self.context.options.seed

    def laws(self, runs: list[Pilot]) -> list[Anchored]:
        """The published laws, moved to this text by `runs`."""
        return [anchor(law, runs, self.bytes_per_token, self.token_entropy) for law in PUBLISHED]

    def choose(self, pace: Pace, seconds: float, runs: list[Pilot]) -> tuple[Candidate, list[Candidate]]:
        """The best size for `seconds` of training as far as `runs` tell, and all that it was chosen from."""
        laws = self.laws(runs)
        rungs = ladder.ladder(self.vocab, self.shards.seq_len)
        candidates = [plan.estimate(pace, spec, seconds, laws, self.shards.tokens) for spec in rungs]
        return choose(pace, candidates), candidates

    def recipe(self, planned: Mapping[str, Any]) -> Recipe:
        """The run that a plan describes."""
        spec = ladder.shape(planned["width"], planned["depth"], self.vocab, self.shards.seq_len)
        return plan.recipe(
            spec,
            planned["steps"],
            planned["batch"],
            self.shards.seq_len,
            cast(Precision, planned["dtype"]),
            planned["rate_over_root"],
            self.seed,
        )


def make(desk: Desk) -> dict[str, Any]:
    """Measure small models, choose the size for the time that is left, and predict its run."""
    started = time.perf_counter()
    context, budget = desk.context, desk.context.budget

    def left() -> float:
        """Seconds for training: the budget less what is spent and what comes after."""
        return max(0.2 * budget, (1 - _RESERVE) * budget - _AFTER - (time.perf_counter() - started))

    pace, calibrated = _calibrate(desk)
    first, _ = desk.choose(pace, left(), [])
    trials, trial_recipe = _tune(desk, pace, first.spec)
    tuned = best(trials)
    root = (trial_recipe.batch * trial_recipe.seq_len) ** 0.5
    over_root = tuned.rate / root
    runs = [Pilot(trial_recipe.spec.parameters, *tuned.readings[-1])]

    second, _ = desk.choose(pace, left(), runs)
    with context.progress.task("A pilot run of a larger model"):
        pilot = pace.recipe(ladder.below(second.spec, 1), _PILOT * budget, over_root, desk.seed)
        runs.append(pilots.measure(pilot, desk.shards, desk.validation, context.device, desk.sequences))

    chosen, candidates = desk.choose(pace, left(), runs)
    _predict_step(context, chosen, calibrated)
    steps = _settle_steps(desk, chosen, over_root, left)
    planned: dict[str, Any] = {
        "parameters": chosen.spec.parameters,
        "width": chosen.spec.hidden,
        "depth": chosen.spec.layers,
        "batch": chosen.batch,
        "seq_len": desk.shards.seq_len,
        "steps": steps,
        "dtype": desk.dtype,
        "rate_over_root": over_root,
        "eager_factors": dict(pace.eager_factors),
        "allocator_factor": pace.allocator_factor,
        "flop_utilization_predicted": chosen.step.flop_utilization,
        "step_by_kind": dict(chosen.step.by_kind),
        "trials": [asdict(trial) for trial in trials],
        "trial_rule": hyperparameters.rate_over_root(trial_recipe.flop) * root,
        "trial_parameters": trial_recipe.spec.parameters,
        "pilots": [asdict(one) for one in runs],
        "sizes": [_size_row(each) for each in candidates if each.enough or each is chosen],
    }
    recipe = desk.recipe(planned)
    planned |= {"learning_rate": recipe.schedule.peak, "tokens": recipe.tokens}
    planned["forecast"] = _predict_loss(desk, recipe, runs)
    return planned | {"predictions": context.ledger.to_json()}


def _calibrate(desk: Desk) -> tuple[Pace, list[float]]:
    """The factors of speed and memory, from a model that will not be trained; and how its speed varied, around 1."""
    raw, device = Pace(desk.machine, desk.shards.seq_len, desk.dtype, {}), desk.context.device
    spec = ladder.shape(*_CALIBRATION_SHAPE, desk.vocab, desk.shards.seq_len)
    recipe = plan.recipe(spec, 10_000, _CALIBRATION_BATCH, desk.shards.seq_len, desk.dtype, _GENTLE, desk.seed)
    with desk.context.progress.task("Timing a small model") as task:
        # once before anything is measured: the first step loads code, whose pages are no model's memory
        Learner(recipe, desk.shards, device).step()
        with peak_memory(device) as grown:
            learner = Learner(recipe, desk.shards, device)
            seconds = speed.measure(learner, _CALIBRATION * desk.context.budget)
        took, alone = breakdown.measure(learner), raw.step(spec, _CALIBRATION_BATCH)
        task.note(f"{sum(took.values()) / alone.seconds:.1f} times its operations' own time")
    factors = {kind: took[kind] / seconds for kind, seconds in alone.by_kind.items()}
    pace = replace(raw, eager_factors=factors, allocator_factor=grown.bytes / raw.memory(spec, _CALIBRATION_BATCH))
    middle = statistics.median(seconds)
    return pace, [each / middle for each in seconds]


def _tune(desk: Desk, pace: Pace, near: ModelSpec) -> tuple[tuple[Trial, ...], Recipe]:
    """Short runs of a model about the size of `near` at several learning rates."""
    context = desk.context
    count = 3 if context.options.quick else 6
    seconds = _TUNING * context.budget / count / _PRUNED_SHARE
    # kept, as a resumed plan measures the speed anew and would else try other runs than those already finished
    stored = context.folder / "trials.json"
    if not stored.exists():
        spec = ladder.below(near, 0)
        flop = pace.recipe(spec, seconds, 1.0, desk.seed).flop
        wanted = pace.recipe(spec, seconds, _CENTRE * hyperparameters.rate_over_root(flop), desk.seed)
        write_json(
            stored,
            {
                "width": wanted.spec.hidden,
                "depth": wanted.spec.layers,
                "steps": wanted.schedule.steps,
                "batch": wanted.batch,
                "dtype": wanted.dtype,
                "rate_over_root": wanted.schedule.peak / (wanted.batch * wanted.seq_len) ** 0.5,
            },
        )
    recipe = desk.recipe(read_json(stored))
    words = f"Learning rates for {recipe.spec.parameters / 1e6:.1f} M parameters"
    with context.progress.task(words, total=count) as task:

        def watch(trial: Trial) -> None:
            task.advance()
            task.note(f"{trial.rate:.2g}: loss {trial.readings[-1][1]:.3f}" if trial.readings else "diverged")

        trials = tune(
            recipe,
            desk.shards,
            desk.validation,
            context.folder / "tuning.jsonl",
            context.device,
            trials=count,
            reach=_REACH,
            sequences=desk.sequences,
            watch=watch,
        )
    return trials, recipe


def _predict_step(context: Context, chosen: Candidate, calibrated: list[float]) -> None:
    seconds, tokens = chosen.step.seconds, chosen.step.tokens
    spread = min(calibrated), max(calibrated)
    how = (
        f"{chosen.spec.parameters / 1e6:.1f} M parameters, {chosen.batch} x {tokens // chosen.batch} tokens: each "
        "operation at the machine's rates, times its kind's factor from a smaller model"
    )
    context.ledger.predict(STEP, seconds, "s", how, (seconds * spread[0], seconds * spread[1]))
    rates = tokens / seconds / spread[1], tokens / seconds / spread[0]
    context.ledger.predict(THROUGHPUT, tokens / seconds, "token/s", "tokens of a step over its time", rates)
    how = "weights, gradients, both moments and every tensor kept for backward, times a smaller model's factor"
    context.ledger.predict(MEMORY, chosen.memory, "B", how)


def _settle_steps(desk: Desk, chosen: Candidate, over_root: float, left: Callable[[], float]) -> int:
    """How many steps the time is for, by a short timed warm-up of the real thing, which is then thrown away.

    The step's time was predicted before; its number must be fixed before the schedule starts, so that a resumed run is
    the same run.
    """
    context = desk.context
    recipe = plan.recipe(chosen.spec, 1000, chosen.batch, desk.shards.seq_len, desk.dtype, over_root, desk.seed)
    with context.progress.task("Timing the chosen model"):
        learner = Learner(recipe, desk.shards, context.device)
        seconds = statistics.median(speed.measure(learner, _WARMUP * context.budget, least=5))
    predicted = chosen.step.seconds
    if not predicted / _OFF < seconds < predicted * _OFF:
        word = "slower" if seconds > predicted else "faster"
        context.progress.say(
            f"  A step takes {seconds:.3g} s where {predicted:.3g} s was predicted: the machine is {word} now than "
            f"when it was measured. The run is planned anew, with {'fewer' if word == 'slower' else 'more'} steps."
        )
    # an evaluation is forward passes, each about a third of a step; there is one with every checkpoint
    evaluations = CHECKPOINTS * max(1, desk.sequences // chosen.batch) / 3
    # a few steps on a busy machine are no better a guess at the whole run's than the prediction: take the mean of both
    return max(LEAST_STEPS, int(left() / (seconds * predicted) ** 0.5 - evaluations))


def _predict_loss(desk: Desk, recipe: Recipe, runs: list[Pilot]) -> dict[str, Any]:
    """Enter the loss that the settled run should reach; the law's curve is kept for the figure."""
    laws, ledger = desk.laws(runs), desk.context.ledger

    def after(tokens: float) -> Forecast:
        return forecast(laws, recipe.spec.parameters, float(effective_tokens(tokens, desk.shards.tokens)))

    final = after(recipe.tokens)
    how = f"published scaling laws, moved to this text by {len(runs)} short runs of smaller models"
    ledger.predict(LOSS, final.loss, "nat/token", how, (final.low, final.high))
    per_byte = 1 / log(2) / desk.bytes_per_token
    how = f"the same, with {desk.bytes_per_token:.2f} bytes a token"
    ledger.predict(BITS, final.loss * per_byte, "bit/B", how, (final.low * per_byte, final.high * per_byte))
    return asdict(final)


def _size_row(each: Candidate) -> dict[str, Any]:
    return {
        "parameters": each.spec.parameters,
        "name": each.spec.name,
        "tokens": each.tokens,
        "tokens_per_second": each.step.tokens_per_second,
        "memory": each.memory,
        "loss": each.forecast.loss,
        "low": each.forecast.low,
        "high": each.forecast.high,
    }
