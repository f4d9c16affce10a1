"""What the opening of Part 1 computes: the floor of hardware, for the setting's accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.floor import Room, draw
from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.drawing import Figure
from aistack.hardware import roofline
from aistack.hardware.chip import ELEMENT_BYTES

FITTED = "Fitted to measured kernels by aistack.evidence.fit_kernels"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the setting's accelerator: its ridge, what kernels reach, and its power where the catalog has its own."""
    form, facts = setting.matrix_format, setting.facts
    values = {
        "element": Number(ELEMENT_BYTES[form], "B", "stated", f"the format {form}"),
        "ridge": Number(
            roofline.ridge(setting.peak.value, setting.bandwidth.value),
            "FLOP/B",
            "derived",
            "aistack.hardware.roofline",
            "peak / memory bandwidth",
        ),
        "sustained": Number(
            setting.chip.kernels.matmul[form], "%", "derived", FITTED, basis=f"large products in {form}", digits=2
        ),
    }
    if facts.tdp and "per package" in facts.tdp.bases:
        values["power"] = fact(setting.accelerator, "tdp")
    return values


def words(setting: Setting) -> dict[str, object]:
    """The chip's name."""
    return {"chip": setting.facts.name}


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The floor."""
    return {"floor": lambda: _floor(setting)}


def _floor(setting: Setting) -> Figure:
    found = numbers(setting)
    rooms = (
        Room("Formats", "how many bits\na number gets", found["element"], f"in {setting.matrix_format}"),
        Room("Matrix engines", "multipliers\nin lockstep", setting.peak, "at its peak"),
        Room("Memory", "stacks, caches,\nregisters", setting.bandwidth, "from main memory"),
        Room("Kernels", "programs that\nkeep both busy", found["sustained"], "of the peak"),
        Room("Energy", "what each step\ncosts, and heats", found.get("power"), "by design"),
    )
    return draw(
        "hardware",
        "A chip multiplies in lockstep, and memory, programs and heat decide how often",
        rooms,
        below=("silicon", "wires and stacks", "watts"),
        above=("time of a product", "bytes held", "joules"),
        subject=setting.facts.name,
    )
