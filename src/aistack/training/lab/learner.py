"""A model in training: its weights, its optimizer, and one step after another.

B batch, S sequence, V vocabulary
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from aistack.errors import AistackError
from aistack.frameworks.lab.shards import Shards
from aistack.frameworks.lab.transformer import Transformer
from aistack.training.recipe import Recipe


class Diverged(AistackError):
    """The loss left the numbers, or is far worse than guessing."""


@dataclass
class History:
    """What happened in each step so far."""

    losses: list[float] = field(default_factory=list)
    """Training loss of each step, nats a token."""
    seconds: list[float] = field(default_factory=list)
    """Wall time of each step."""
    validation: list[tuple[int, float]] = field(default_factory=list)
    """(steps done, nats a token)."""


class Learner:
    """Trains the model of a recipe. After n calls of `step` its weights depend on recipe, shards and n alone."""

    def __init__(self, recipe: Recipe, shards: Shards, device: str) -> None:
        self.recipe, self.shards, self.device = recipe, shards, device
        torch.manual_seed(recipe.seed)
        self.model = Transformer(recipe.spec).to(device)
        decayed = [weight for weight in self.model.parameters() if weight.dim() >= 2]
        others = [weight for weight in self.model.parameters() if weight.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.schedule.peak,
            betas=recipe.betas,
            fused=True,
        )
        self.history = History()

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.history.losses)

    def step(self) -> float:
        """Train on the next batch; returns its loss in nats a token, before the update.

        Raises `Diverged` before the weights are touched by a loss or gradient that is no number.
        """
        started = time.perf_counter()
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.schedule.rate(self.steps)
        rows = torch.from_numpy(self.shards.batch(self.steps, recipe.batch, recipe.seed)).to(self.device)
        loss = loss_of(self.model, rows, recipe.dtype)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        value = loss.item()
        self._check(value, norm.item())
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.history.losses.append(value)
        self.history.seconds.append(time.perf_counter() - started)
        return value

    def evaluate(self, validation: Shards, sequences: int) -> float:
        """Mean loss, nats a token, of the first `sequences` of `validation` in a fixed order, or of all."""
        size = self.recipe.batch
        batches = max(1, min(sequences, len(validation)) // size)
        total = 0.0
        self.model.eval()
        with torch.inference_mode():
            for index in range(batches):
                rows = torch.from_numpy(validation.batch(index, size, seed=0)).to(self.device)
                total += loss_of(self.model, rows, self.recipe.dtype).item()
        self.model.train()
        return total / batches

    def _check(self, loss: float, norm: float) -> None:
        guessing = math.log(self.recipe.spec.vocab)
        if math.isfinite(loss) and math.isfinite(norm) and loss < 1.5 * guessing:
            return
        raise Diverged(
            f"Training broke down at step {self.steps + 1}: loss {loss:.4g} (guessing has {guessing:.3g}), gradient "
            f"norm {norm:.4g}. The learning rate of {self.recipe.schedule.rate(self.steps):.3g} is probably too high. "
            "The last checkpoint was kept."
        )


def loss_of(model: Transformer, rows: Tensor, dtype: str) -> Tensor:
    """Mean cross-entropy, in nats, of predicting each token of `rows` [B, S+1] but the first from those before it."""
    with torch.autocast(rows.device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        logits = model(rows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())
