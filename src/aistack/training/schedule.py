"""The learning rate over a run: a linear warm-up, a plateau, a linear decay to zero (warm-up-stable-decay)."""

from __future__ import annotations

from dataclasses import dataclass

from aistack.errors import BadInput


@dataclass(frozen=True)
class Schedule:
    """A run of `steps` steps: warm-up over the first, decay over the last of them, `peak` in between.

    Warm-up-stable-decay is MiniCPM's (arXiv:2404.06395, section 4); that the decay should be linear and go to zero is
    Bergsma et al. 2025 (arXiv:2502.15938).
    """

    steps: int
    peak: float
    """The learning rate of the plateau."""
    warmup: float = 0.2
    """Share of the steps. Runs of a few hundred steps end a quarter of a nat lower with such a long one; the usual few
    per cent are for runs of many thousands."""
    decay: float = 0.5
    """Share of the steps."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise BadInput(f"A training run needs at least one step, not {self.steps}.")
        if not self.peak > 0:
            raise BadInput(f"A learning rate of {self.peak} teaches nothing; it must be above zero.")
        if self.warmup < 0 or self.decay < 0 or self.warmup + self.decay > 1:
            raise BadInput(f"Warm-up ({self.warmup}) and decay ({self.decay}) are shares that may sum up to 1.")

    def rate(self, step: int) -> float:
        """The learning rate of `step`, counted from 0; the last step's is the smallest but not yet zero."""
        risen = (step + 1) / max(1.0, self.warmup * self.steps)
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.peak * min(1.0, risen, left)
