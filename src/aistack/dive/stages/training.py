"""Stage 4: choose a size and a learning rate for the time there is, predict the run, train, and export the model."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from math import log
from typing import Any

from aistack.dive.stage import Context, Outputs
from aistack.dive.stages import training_plan
from aistack.dive.stages.training_plan import BITS, CHECKPOINTS, LOSS, MEMORY, STEP, THROUGHPUT, Desk
from aistack.drawing import Figure
from aistack.errors import AistackError
from aistack.files import read_json, write_json
from aistack.training.lab import breakdown, huggingface, loop, sampling
from aistack.training.lab.allocator import keeping_memory
from aistack.training.lab.footprint import peak_memory
from aistack.training.lab.learner import Learner
from aistack.training.step import model_flop

_BLOCKS = 10
"""Parts of the run whose mean step times make the spread."""
_CURVE = 200
"""Most points of the loss curve that are kept for the figure."""
_SAMPLES, _PROMPT, _CONTINUATION = 3, 24, 48
"""Continuations shown, tokens of a prompt, tokens of its continuation."""
_LOGITS_OFF = 1e-3
"""Two correct engines in fp32 agree on a logit to about 1e-5."""


def run(context: Context) -> Outputs:
    """Plan (or take up the plan of a killed attempt), train, measure what was predicted, export and sample."""
    with keeping_memory():
        return _run(Desk.open(context))


def figures(outputs: Outputs) -> list[Figure]:
    """The loss and its forecast, the sizes to choose from, the learning rates tried, and what a step's time goes to."""
    from aistack.training.figures import learning_rate, loss, sizes, step_time

    return [
        loss.draw(outputs["curve"], outputs["validation"], outputs["forecast"]),
        sizes.draw(outputs["sizes"], outputs["parameters"]),
        learning_rate.draw(outputs["trials"], outputs["trial_rule"]),
        step_time.draw(outputs["step_by_kind"], outputs["step_by_kind_measured"]),
    ]


def _run(desk: Desk) -> Outputs:
    context = desk.context
    stored = context.folder / "plan.json"
    if stored.exists():
        planned: Outputs = read_json(stored)
        for entry in planned["predictions"]:
            interval = None if entry["low"] is None else (entry["low"], entry["high"])
            context.ledger.predict(entry["quantity"], entry["predicted"], entry["unit"], entry["how"], interval)
    else:
        planned = training_plan.make(desk)
        write_json(stored, planned)
    learner, grown = _train(desk, planned)
    return planned | _measured(desk, learner, grown) | _exported(desk, learner)


def _train(desk: Desk, planned: Mapping[str, Any]) -> tuple[Learner, float]:
    """Train, or go on training; also the bytes by which memory grew at most."""
    context, recipe = desk.context, desk.recipe(planned)
    steps = recipe.schedule.steps
    words = f"Training {recipe.spec.parameters / 1e6:.1f} M parameters on {recipe.tokens / 1e6:.2f} M tokens"
    with context.progress.task(words, total=steps) as task, peak_memory(context.device) as grown:
        shown = 0

        def watch(learner: Learner) -> None:
            nonlocal shown
            task.advance(learner.steps - shown)
            shown = learner.steps
            recent = learner.history.seconds[-20:]
            rate = len(recent) * recipe.batch * recipe.seq_len / sum(recent)
            task.note(f"loss {statistics.mean(learner.history.losses[-20:]):.3f}, {rate:,.0f} tokens/s")

        learner = loop.train(
            recipe,
            desk.shards,
            desk.validation,
            context.folder / "checkpoints",
            context.device,
            every=max(1, -(-steps // CHECKPOINTS)),
            sequences=desk.sequences,
            watch=watch,
            say=context.progress.say,
        )
    return learner, grown.bytes


def _measured(desk: Desk, learner: Learner, grown: float) -> Outputs:
    """Enter what was measured."""
    ledger, history, recipe = desk.context.ledger, learner.history, learner.recipe
    seconds, tokens = history.seconds, recipe.batch * recipe.seq_len
    size = max(1, len(seconds) // _BLOCKS)
    blocks = [statistics.mean(seconds[start : start + size]) for start in range(0, len(seconds), size)]
    middle = statistics.median(seconds)
    ledger.measure(STEP, middle, blocks)
    ledger.measure(THROUGHPUT, recipe.tokens / sum(seconds), [tokens / block for block in blocks])
    ledger.measure(MEMORY, grown)
    loss = history.validation[-1][1]
    bits = loss / log(2) / desk.bytes_per_token
    ledger.measure(LOSS, loss)
    ledger.measure(BITS, bits)
    flop = model_flop(recipe.spec, recipe.batch, recipe.seq_len)
    return {
        "validation_loss": loss,
        "bits_per_byte": bits,
        "step_seconds": middle,
        "tokens_per_second": recipe.tokens / sum(seconds),
        "flop_utilization": flop / middle / desk.machine.rate(recipe.dtype).peak,
        "peak_memory": grown,
        "curve": _thinned(history.losses, tokens),
        "validation": [{"tokens": step * tokens, "loss": value} for step, value in history.validation],
    }


def _exported(desk: Desk, learner: Learner) -> Outputs:
    """Export the model, hold it against `transformers`, and let it continue a few validation texts."""
    context = desk.context
    folder = context.folder / "model"
    with context.progress.task("Exporting the model") as task:
        huggingface.export(learner.model, folder, desk.tokenizer)
        rows = desk.validation.batch(0, 2, seed=0)
        difference = huggingface.measure_agreement(folder, rows[:, :-1])
        task.note(f"largest difference of a logit to transformers: {difference:.1e}")
    if not difference < _LOGITS_OFF:
        raise AistackError(
            f"transformers reads another model out of {folder} than was trained: logits differ by {difference:.2g}. "
            "Its version may read config.json differently; try the pinned one."
        )
    samples = sampling.continuations(
        learner.model, desk.validation, folder, _SAMPLES, _PROMPT, _CONTINUATION, desk.seed
    )
    with context.progress.task("Profiling a step"):
        # last, as it takes further steps
        by_kind = breakdown.measure(learner)
    return {
        "step_by_kind_measured": by_kind,
        "model": str(folder.relative_to(context.root)),
        "logits_off_transformers": difference,
        "samples": samples,
    }


def _thinned(losses: list[float], tokens: int) -> list[dict[str, float]]:
    """The training loss as means over equal stretches, at the tokens seen by the middle of each."""
    size = -(-len(losses) // _CURVE)
    stretches = [losses[start : start + size] for start in range(0, len(losses), size)]
    return [
        {"tokens": (index * size + len(stretch) / 2) * tokens, "loss": statistics.mean(stretch)}
        for index, stretch in enumerate(stretches)
    ]
