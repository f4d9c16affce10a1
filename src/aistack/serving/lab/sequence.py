"""A request under way: its tokens so far and what is held for it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

from aistack.serving.lab.blocks import Table
from aistack.serving.lab.detokeniser import Detokeniser

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen and when to stop."""

    max_tokens: int = 16
    temperature: float = 1.0
    """0 takes the likeliest token each time."""
    top_p: float = 1.0
    """Only the likeliest tokens that together reach this probability."""
    top_k: int = 0
    """Only that many of the likeliest tokens; 0 is all."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    """Go on after an end-of-text token, as load generators want."""


@dataclass(eq=False)
class Sequence:
    """One request in the engine."""

    id: str
    tokens: list[int]
    """The prompt, then what was generated."""
    prompt_tokens: int
    sampling: Sampling
    detokeniser: Detokeniser
    computed: int = 0
    """How many of `tokens` have their keys and values in the cache."""
    table: Table = field(default_factory=list)
    random: random.Random = field(init=False)
    """The sequence's own source of chance: what others in its batch do cannot change its course."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.sampling.seed)

    @property
    def generated(self) -> int:
        """Tokens generated so far."""
        return len(self.tokens) - self.prompt_tokens
