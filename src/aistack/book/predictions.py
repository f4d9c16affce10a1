"""What the book says will happen: each with a probability, a day on which it is settled, and why it could fail."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aistack.book.listing import read
from aistack.book.page import PARTS
from aistack.drawing import Layer
from aistack.errors import UnknownName

FILE = PARTS / "predictions.yaml"

Words = Annotated[str, Field(min_length=1)]


class Outcome(BaseModel):
    """How a prediction came out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    happened: bool
    date: datetime.date
    why: Words
    source: Words
    """A key of the bibliography."""


class Prediction(BaseModel):
    """One statement about the future that a day will settle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: Layer
    statement: Words
    probability: Annotated[float, Field(gt=0, lt=1)]
    made: datetime.date
    resolves: datetime.date
    criterion: Words
    """What is looked at on that day, and what counts as yes."""
    evidence: Words
    base_rate: Words
    """How often such things have happened."""
    against: Words
    """Why it could fail."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Keys of the bibliography."""
    outcome: Outcome | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.resolves <= self.made:
            raise ValueError("a prediction resolves after it is made")
        return self


@functools.cache
def predictions() -> Mapping[str, Prediction]:
    """Every prediction by its key. Raises `BadInput` for a file that cannot be used."""
    return read(FILE, Prediction)


def prediction(key: str) -> Prediction:
    """The prediction with this key. Raises `UnknownName`."""
    if key not in predictions():
        raise UnknownName("prediction in predictions.yaml", key, predictions())
    return predictions()[key]


@dataclass(frozen=True)
class Scores:
    """How good resolved predictions were; of both scores less is better."""

    resolved: int
    happened: int
    brier: float
    """Mean of (probability - outcome)^2: 0 for a seer, 0.25 for one who always says one half (Brier 1950)."""
    logarithmic: float
    """Mean of -ln(probability given to what happened): 0 for a seer, 0.693 for one half (Good 1952)."""


def score(given: Iterable[Prediction]) -> Scores | None:
    """The scores of those that are resolved; None where none is."""
    pairs = [(each.probability, each.outcome.happened) for each in given if each.outcome is not None]
    if not pairs:
        return None
    return Scores(
        resolved=len(pairs),
        happened=sum(happened for _, happened in pairs),
        brier=sum((probability - happened) ** 2 for probability, happened in pairs) / len(pairs),
        logarithmic=-sum(math.log(p if happened else 1 - p) for p, happened in pairs) / len(pairs),
    )
