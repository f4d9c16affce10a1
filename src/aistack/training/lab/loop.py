"""The training loop: steps, evaluations and checkpoints, from the beginning or from where a killed run had come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from aistack.errors import BadInput
from aistack.frameworks.lab.shards import Shards
from aistack.training.lab import checkpoint
from aistack.training.lab.checkpoint import Checkpoint
from aistack.training.lab.learner import History, Learner
from aistack.training.recipe import Recipe

Watch = Callable[[Learner], None]
"""Called after every step."""


def train(
    recipe: Recipe,
    shards: Shards,
    validation: Shards,
    folder: Path,
    device: str,
    *,
    every: int,
    sequences: int,
    watch: Watch,
    say: Callable[[str], None],
) -> Learner:
    """Train to the recipe's last step; each `every` steps and at the end evaluate and write a checkpoint into `folder`.

    A folder that holds a checkpoint of the same recipe is taken up from there, and ends, on a CPU and with the same
    number of threads, with the very weights of a run that was never interrupted. Each evaluation is over the first
    `sequences` of `validation`. Raises `BadInput` for checkpoints of another recipe, `Diverged` where training breaks.
    """
    learner = Learner(recipe, shards, device)
    found = checkpoint.load(folder, say)
    if found is not None:
        restore(learner, found)
        watch(learner)
    while learner.steps < recipe.schedule.steps:
        learner.step()
        if learner.steps % every == 0 or learner.steps == recipe.schedule.steps:
            learner.history.validation.append((learner.steps, learner.evaluate(validation, sequences)))
            checkpoint.save(folder, snapshot(learner))
        watch(learner)
    return learner


def snapshot(learner: Learner) -> Checkpoint:
    """The learner as a checkpoint: weights, both moments of AdamW, random state, history and the recipe's hash."""
    tensors = {"random": torch.get_rng_state()}
    for name, weight in learner.model.named_parameters():
        tensors[f"weight.{name}"] = weight.detach()
        for key, value in learner.optimizer.state[weight].items():
            tensors[f"{key}.{name}"] = value
    state = {"recipe": learner.recipe.fingerprint, "history": asdict(learner.history)}
    return Checkpoint(learner.steps, tensors, state)


def restore(learner: Learner, found: Checkpoint) -> None:
    """Bring a new learner to where `found` was taken. Raises `BadInput` where that was under another recipe."""
    if found.state["recipe"] != learner.recipe.fingerprint:
        raise BadInput(
            "The checkpoint belongs to another training run (its recipe differs). "
            "Remove the checkpoints to train from the beginning."
        )
    moments = {name.split(".", 1)[0] for name in found.tensors} - {"random", "weight"}
    with torch.no_grad():
        for name, weight in learner.model.named_parameters():
            weight.copy_(found.tensors[f"weight.{name}"])
            learner.optimizer.state[weight] = {
                key: found.tensors[f"{key}.{name}"].to(weight.device) for key in sorted(moments)
            }
    torch.set_rng_state(found.tensors["random"])
    history = found.state["history"]
    validation = [(int(step), float(loss)) for step, loss in history["validation"]]
    learner.history = History(list(history["losses"]), list(history["seconds"]), validation)
