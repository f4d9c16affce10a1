"""What the opening of Part 6 computes: the floor of applications, for the setting's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.floor import Room, draw
from aistack.book.number import Number
from aistack.book.parts.applications import cost_and_trends as chapter
from aistack.book.setting import Setting
from aistack.drawing import Figure


def numbers(setting: Setting) -> dict[str, Number]:
    """The chapter's, which are about the same answers."""
    return chapter.numbers(setting)


def words(setting: Setting) -> dict[str, object]:
    """Names, and what is known of the answers."""
    return chapter.words(setting)


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The floor."""
    return {"floor": lambda: _floor(setting)}


def _floor(setting: Setting) -> Figure:
    found, said = chapter.numbers(setting), chapter.words(setting)
    rooms = (
        Room("Ask", "a question, with what\nwas found for it", found["prompt"], "a request"),
        Room("Answer", "text, or the next\nstep of an agent", found["output"], "written"),
        Room("Check", "right, safe, allowed,\nbetter than before?"),
        Room("Account", "money, energy, and\nwhat it was worth", found.get("thousand"), "a thousand answers"),
    )
    return draw(
        "applications",
        "Where an answer is asked for, checked and paid",
        rooms,
        below=("answers and their price", "energy and carbon", "a model's limits"),
        above=("decisions", "products", "consequences"),
        subject=f"{said['model']} on {setting.count:,} × {said['chip']}",
    )
