"""What a user may ask of a dive, and how its minutes are shared out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aistack.drawing import Layer

# Shares of the whole, by what each stage still learns from more time: training far more than the others.
_SHARES: dict[Layer, float] = {
    "hardware": 0.07,
    "infrastructure": 0.05,
    "frameworks": 0.13,
    "training": 0.52,
    "serving": 0.15,
    "applications": 0.08,
}

QUICK_MINUTES = 1.5


@dataclass(frozen=True)
class Options:
    """The options of a dive; they are stored with the run, and a resumed run keeps them."""

    minutes: float = 10.0
    text: tuple[Path, ...] = ()
    """Files and folders to learn from; empty: the documentation of the installed Python packages."""
    device: str = "auto"
    """"auto" takes a CUDA device where PyTorch sees one; "cpu" and "cuda" force one."""
    seed: int = 0
    port: int = 0
    """Port of the served model; 0 takes a free one."""
    endpoint: str | None = None
    """Base URL of an OpenAI-compatible server to generate with, instead of the model just trained."""

    @property
    def quick(self) -> bool:
        """Whether the budget is so small that every stage should take its smallest meaningful size."""
        return self.minutes < 3

    def budget(self, layer: Layer) -> float:
        """Seconds that `layer`'s stage should take."""
        return 60 * self.minutes * _SHARES[layer]
