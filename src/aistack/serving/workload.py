"""What clients ask of a server: prompts of some length, answers of some length, so many clients at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from aistack.errors import BadInput


@dataclass(frozen=True)
class Ask:
    """One request: a prompt and how many tokens to generate."""

    prompt: tuple[int, ...]
    output: int
    """Tokens to generate, neither more nor less."""


def draw(texts: Sequence[Sequence[int]], count: int, context: int, seed: int) -> tuple[Ask, ...]:
    """`count` requests whose prompts begin `texts` (tokens), in random order and of random lengths.

    Prompts are an eighth to a half of the `context` long (shorter where the text is), answers an eighth to three
    eighths. The same arguments give the same requests. Raises `BadInput` where no text has a token.
    """
    chance = random.Random(seed)
    usable = [text for text in texts if text]
    if not usable:
        raise BadInput("There is no text to make prompts from.")
    asks = []
    for _ in range(count):
        length = chance.randint(max(1, context // 8), max(1, context // 2))
        output = chance.randint(max(2, context // 8), max(2, 3 * context // 8))
        asks.append(Ask(tuple(chance.choice(usable)[:length]), output))
    return tuple(asks)
