"""An answer as plain values, for JSON: what every face sends and writes.

Names and units are those of `TrainingAnswer`, `ServingAnswer` and `PoolsAnswer`: seconds, bytes, FLOP, joules,
kilograms of CO2 equivalent, litres, US dollars, and shares of one. What is not known (the cost where no price is) is
null.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

from aistack.scenario.answer import TrainingAnswer
from aistack.scenario.pools_answer import PoolsAnswer
from aistack.scenario.serving_answer import ServingAnswer

FOLLOWS = ("accelerators", "headroom", "memory_total", "fits", "meets", "binding", "bound")
"""What follows from the fields of a serving answer."""


POOLS_FOLLOW = ("accelerators", "headroom", "meets", "binding", "bound")
"""What follows from the fields of an answer of two pools."""


def to_json(answer: TrainingAnswer | ServingAnswer | PoolsAnswer) -> dict[str, Any]:
    """The answer and what follows from it, in dictionaries, lists, text, numbers, true, false and null alone."""
    if isinstance(answer, ServingAnswer | PoolsAnswer):
        names = FOLLOWS if isinstance(answer, ServingAnswer) else POOLS_FOLLOW
        follows = {name: values(getattr(answer, name)) for name in names}
        return {**_fields(answer), "scenario": answer.scenario.model_dump(mode="json"), **follows}
    run = answer.run and {
        **values(answer.run),
        "days": values(answer.run.days),
        "accelerator_hours": values(answer.run.chip_hours),
    }
    return {
        **_fields(answer),
        "scenario": answer.scenario.model_dump(mode="json"),
        "run": run,
        "memory_total": answer.memory_total,
        "fits": answer.fits,
    }


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: values(getattr(value, field.name)) for field in dataclasses.fields(value)}


def values(value: Any) -> Any:
    """Anything frozen as dictionaries, lists, text, numbers, true, false and null."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): values(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    if isinstance(value, tuple | list):
        return [values(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
