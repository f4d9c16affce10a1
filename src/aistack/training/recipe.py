"""A training run, settled before its first step: nothing in it depends on how the run goes or when it is resumed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from aistack.catalog.architecture import ModelSpec
from aistack.training.hyperparameters import run_flop
from aistack.training.schedule import Schedule


@dataclass(frozen=True)
class Recipe:
    """What is trained, on how much, and how. Two runs of one recipe on one machine give the same weights, bit by bit.

    AdamW's constants are those of Llama 2 (arXiv:2307.09288, section 2.2), as is the clipping; only matrices decay.
    """

    spec: ModelSpec
    schedule: Schedule
    batch: int
    """Sequences a step."""
    seq_len: int
    dtype: str
    """Format of the matrix products: "float32", or "bfloat16" for mixed precision."""
    seed: int
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    """Largest norm of the gradient."""

    @property
    def tokens(self) -> int:
        """Tokens that the whole run trains on."""
        return self.schedule.steps * self.batch * self.seq_len

    @property
    def flop(self) -> float:
        """Operations of the whole run, as DeepSeek counts them."""
        return run_flop(self.spec, self.seq_len, self.tokens)

    @property
    def fingerprint(self) -> str:
        """A hash of everything above: a checkpoint of another recipe is not taken up."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
