"""What the opening of Part 3 computes: the floor of frameworks, for the setting's model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.floor import Room, draw
from aistack.book.number import Number, name
from aistack.book.parts.frameworks import text_to_shards as chapter
from aistack.book.setting import Setting
from aistack.drawing import Figure
from aistack.frameworks.operators import flops_per_token, forward

COUNTED = "Counted by aistack.frameworks from the model's published configuration"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the setting's text, and of its model as operations."""
    spec = setting.spec
    operators = forward(spec, 1, setting.sequence, element_bytes=2.0, fused=True)
    launches = sum(operator.count for operator in operators)
    kinds = len({operator.name for operator in operators})
    return {
        "text": chapter.numbers(setting)["text"],
        "tokens": Number(setting.tokens, "token", "assumed", "the scenario"),
        "operations": Number(launches, "operations", "derived", COUNTED, basis="one forward pass, fused"),
        "kinds": Number(kinds, "kinds", "derived", COUNTED),
        "trained": Number(
            flops_per_token(spec, setting.sequence, "causal"), "FLOP", "derived", COUNTED, basis="training on a token"
        ),
    }


def words(setting: Setting) -> dict[str, object]:
    """The model's name."""
    return {"model": name(setting.model)}


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The floor."""
    return {"floor": lambda: _floor(setting)}


def _floor(setting: Setting) -> Figure:
    found = numbers(setting)
    rooms = (
        Room("Text", "found, judged,\ncopies removed", found["text"], "for the run"),
        Room("Tokens", "numbers for words,\nin shards", found["tokens"], "to train on"),
        Room(
            "Operators",
            "a model as a\ngraph of work",
            Number(found["operations"].value, "", "derived", COUNTED),
            "a pass",
        ),
        Room("Kernels", "chosen, fused,\nlaunched", found["trained"], "a token"),
    )
    return draw(
        "frameworks",
        "Text becomes tokens and a model becomes operations; here the two meet",
        rooms,
        below=("what a kernel takes", "how fast disks read"),
        above=("batches", "operations and bytes", "memory of a device"),
        subject=name(setting.model),
    )
