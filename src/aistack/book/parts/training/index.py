"""What the opening of Part 4 computes: the floor of training, for the setting's model and system."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.floor import Room, draw
from aistack.book.number import Number
from aistack.book.parts.training import transformer_step as step
from aistack.book.setting import Setting
from aistack.drawing import Figure


def numbers(setting: Setting) -> dict[str, Number]:
    """The step's and the run's."""
    return step.numbers(setting)


def words(setting: Setting) -> dict[str, object]:
    """Names, and whether the plan fits."""
    return step.words(setting)


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The floor."""
    return {"floor": lambda: _floor(setting)}


def _floor(setting: Setting) -> Figure:
    found, said = step.numbers(setting), step.words(setting)
    rooms = (
        Room("Model", "what a token meets\non its way", found["trained"], "to train on a token"),
        Room("Plan", "who holds what,\nwho waits for whom", found["needed"], "an accelerator"),
        Room("Step", "forward, backward,\nupdate", found["mfu"] if said["fits"] else None, "of the peak"),
        Room(
            "Run", "steps, failures,\ncheckpoints, price", found.get("days") if said["fits"] else None, "on the clock"
        ),
    )
    return draw(
        "training",
        "From a model to a trained one: the plan decides what the chips make of it",
        rooms,
        below=("kernels' times", "links and failures", "operators and memory"),
        above=("weights", "loss", "cost and energy"),
        subject=f"{said['model']} on {setting.count:,} × {said['chip']}",
    )
