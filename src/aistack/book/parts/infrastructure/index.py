"""What the opening of Part 2 computes: the floor of infrastructure, for the setting's system."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.floor import Room, draw
from aistack.book.number import Number
from aistack.book.parts.infrastructure import collectives as chapter
from aistack.book.setting import Setting
from aistack.drawing import Figure
from aistack.infrastructure import reliability

RELIABILITY = "Fitted to published fleets by aistack.infrastructure.reliability"


def numbers(setting: Setting) -> dict[str, Number]:
    """The chapter's, and what a cluster draws and how often it fails."""
    system = chapter.joined(setting)
    values = chapter.numbers(setting)
    standing = reliability.estimate(system.chips)
    values["between"] = Number(
        float(standing.mean_time_between_failures), "s", "derived", RELIABILITY, basis="of all of them together"
    )
    if system.watts_per_chip:
        values["power"] = Number(
            system.watts_per_chip * system.chips, "W", "derived", "catalog: the accelerator's node", basis="at the plug"
        )
    return values


def words(setting: Setting) -> dict[str, object]:
    """Names, and whether the power is known."""
    return {**chapter.words(setting), "powered": bool(chapter.joined(setting).watts_per_chip)}


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The floor."""
    return {"floor": lambda: _floor(setting)}


def _floor(setting: Setting) -> Figure:
    found = numbers(setting)
    rooms = (
        Room("Node", "chips that share\na fast link", found["inner"], "a chip, one way"),
        Room("Network", "nodes that share\na slower one", found["outer"], "a chip, one way"),
        Room("Collectives", "agreeing on\none sum", found["seconds"], "for the gradients"),
        Room("Facility", "power, cooling,\nspares, price", found.get("power"), "at the plug"),
    )
    return draw(
        "infrastructure",
        "Many chips become one machine, and the links between them decide how well",
        rooms,
        below=("chips", "their memory", "their power"),
        above=("time of a message", "failures", "watts and dollars"),
        subject=f"{found['ranks'].plain} of {setting.facts.name}",
    )
