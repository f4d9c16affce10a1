"""What rounding does to a model's answers: the error of its logits and the change of its loss on real text.

B sequences, S tokens, V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from aistack.serving.lab import int8


@dataclass(frozen=True)
class Fidelity:
    """A rounded model beside its original."""

    error: float
    """Standard deviation of the logits' error over that of the logits."""
    errors: tuple[float, ...]
    """The same, of each text."""
    loss_before: float
    loss: float
    """Nats a token, of the original and of the rounded model."""


def measure(original: Path, rounded: Path, texts: Sequence[Sequence[int]], count: int) -> Fidelity:
    """Both models over the first `count` of `texts` (tokens) with more than one token, each cut to the context."""
    before, after = int8.load(original), int8.load(rounded)
    errors, losses_before, losses = list[float](), list[float](), list[float]()
    with torch.inference_mode():
        for text in [text for text in texts if len(text) > 1][:count]:
            tokens = torch.tensor([text[: before.spec.max_context]])
            exact, rough = before(tokens)[0], after(tokens)[0]
            errors.append(float((rough - exact).std() / exact.std()))
            losses_before.append(float(functional.cross_entropy(exact[:-1], tokens[0, 1:])))
            losses.append(float(functional.cross_entropy(rough[:-1], tokens[0, 1:])))
    return Fidelity(_mean(errors), tuple(errors), _mean(losses_before), _mean(losses))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
