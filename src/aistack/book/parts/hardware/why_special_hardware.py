"""What "Why AI needs special hardware" computes: one weight matrix, one chip, and how often each byte is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.hardware import roofline
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.hardware.figures import batch_roofline

ROWS = (1, 4, 16, 64, 256, 1024, 4096)
COMPARED = ("a100-sxm4-80gb", "h100-sxm5", "b200-sxm", "mi300x", "tpu-v5p", "apple-m1-max")

MODEL = "Derived with aistack.hardware"


def numbers(setting: Setting) -> dict[str, Number]:
    """For the setting's chip, and a feed-forward matrix of the setting's model."""
    on, spec = setting.chip, setting.spec
    form = setting.matrix_format
    peak, bandwidth = on.rate(form), on.memory_bandwidth
    width = spec.hidden
    element = ELEMENT_BYTES[form]
    weights = 4.0 * width * width
    flop, moved = 2.0 * weights, element * weights
    ridge = roofline.ridge(peak, bandwidth)
    one = roofline.estimate(flop, moved, peak, bandwidth)
    return {
        "peak": setting.peak,
        "bandwidth": setting.bandwidth,
        "ridge": Number(ridge, "FLOP/B", "derived", MODEL, formula="peak / memory bandwidth"),
        "width": Number(width, "", "stated", f"configuration of {spec.name}"),
        "element": Number(element, "B", "stated", f"the format {form}"),
        "flop": Number(flop, "FLOP", "derived", MODEL, formula="2 × rows × columns, one row of input"),
        "moved": Number(moved, "B", "derived", MODEL, formula="bytes of an element × rows × columns"),
        "computing": Number(flop / peak, "s", "derived", MODEL, formula="FLOP / peak"),
        "moving": Number(moved / bandwidth, "s", "derived", MODEL, formula="bytes / memory bandwidth"),
        "intensity": Number(one.intensity, "FLOP/B", "derived", MODEL, formula="FLOP / bytes"),
        "used": Number(one.rate / peak, "%", "derived", MODEL, formula="intensity / ridge", digits=2),
        "batch": Number(ridge * element / 2, "rows", "derived", MODEL, formula="ridge × bytes of an element / 2"),
        "half": Number(ridge * element / 4, "rows", "derived", MODEL, formula="half the rows of the ridge"),
    }


def words(setting: Setting) -> dict[str, object]:
    """The chip's name, and its 16-bit format."""
    return {"chip": setting.facts.name, "form": setting.matrix_format, "model": setting.spec.name}


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The roofline of the chip with products of more and more rows."""
    on = setting.chip
    width = setting.spec.hidden
    return {"ridge": lambda: batch_roofline.draw(on, ROWS, 4 * width, width, setting.matrix_format)}


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Ridges of a few chips beside the setting's own."""
    names = dict.fromkeys((setting.accelerator, *COMPARED))
    return {
        "ridges": lambda: Table("Every chip wants hundreds of operations a byte", MODEL, [_row(name) for name in names])
    }


def _row(accelerator: str) -> dict[str, Number | str]:
    one = Setting(accelerator=accelerator)
    return {
        "chip": one.facts.name,
        "format": one.matrix_format,
        "peak": one.peak,
        "memory bandwidth": one.bandwidth,
        "ridge": Number(one.peak.value / one.bandwidth.value, "FLOP/B", "derived", MODEL, "peak / memory bandwidth"),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """How many rows at once it takes to leave the slope."""
    on, form = setting.chip, setting.matrix_format
    element, width = ELEMENT_BYTES[form], setting.spec.hidden

    def run(rows: int) -> Shown:
        flop, moved = 2.0 * rows * 4 * width * width, element * (4.0 * width * width + 5 * rows * width)
        here = roofline.estimate(flop, moved, on.rate(form), on.memory_bandwidth)
        return Shown(
            {
                "operations a byte": Number(here.intensity, "FLOP/B", "derived", MODEL, formula="FLOP / bytes"),
                "rate": Number(here.rate, "FLOP/s", "derived", MODEL, formula="min(peak, intensity × bandwidth)"),
                "of the peak": Number(here.rate / on.rate(form), "%", "derived", MODEL),
                "time": Number(here.seconds, "s", "derived", MODEL, formula="max(FLOP / peak, bytes / bandwidth)"),
            }
        )

    return {"rows": Demo("More rows for the same bytes", (Control("rows", "Rows at once", ROWS, 1),), run)}
