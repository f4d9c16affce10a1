"""What the opening of Part 5 computes: the floor of serving, for the setting's model and system."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.floor import Room, draw
from aistack.book.number import Number
from aistack.book.parts.serving import prefill_and_decode as chapter
from aistack.book.setting import Setting
from aistack.drawing import Figure


def numbers(setting: Setting) -> dict[str, Number]:
    """The chapter's, which are about the same deployment."""
    return chapter.numbers(setting)


def words(setting: Setting) -> dict[str, object]:
    """Names, and how many accelerators."""
    return chapter.words(setting)


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The floor."""
    return {"floor": lambda: _floor(setting)}


def _floor(setting: Setting) -> Figure:
    found, said = chapter.numbers(setting), chapter.words(setting)
    rooms = (
        Room("Queue", "who is next,\nwho must wait", found["rate"], "within the goals"),
        Room("Prefill", "the prompt, all of\nit at once", found["ttft"], "to the first token"),
        Room("Cache", "what reading leaves\nfor writing", found["held"], "a replica"),
        Room("Decode", "the answer,\na token a step", found["tpot"], "for each further one"),
    )
    return draw(
        "serving",
        "A request is read at once, remembered in a cache, and answered token by token",
        rooms,
        below=("kernels' times", "links and power", "operators and memory"),
        above=("answers", "latency", "price of a token"),
        subject=f"{said['model']} on {said['count']:,} × {said['chip']}",
    )
