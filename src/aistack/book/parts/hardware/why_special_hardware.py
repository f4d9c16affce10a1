"""What "Why does AI need special hardware?" computes: one chip, one model, and how often each byte is used."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.frameworks import operators
from aistack.hardware import atlas, roofline, trend
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.hardware.figures import atlas_trend, batch_roofline

ROWS = (1, 4, 16, 64, 256, 1024, 4096)
COMPARED = ("a100-sxm4-80gb", "h100-sxm5", "b200-sxm", "mi300x", "tpu-v5p", "apple-m1-max")
OUTPUTS = 4
"""Columns of the matrix for each of its rows, as in the feed-forward layer of a classic transformer."""

ROOF = "aistack.hardware.roofline"
COUNT = "aistack.frameworks.operators, counted from the model's configuration"


def numbers(setting: Setting) -> dict[str, Number]:
    """For the setting's chip, and a feed-forward matrix of the setting's model."""
    spec = setting.spec
    peak, bandwidth = setting.peak.value, setting.bandwidth.value
    element = ELEMENT_BYTES[setting.matrix_format]
    places = float(OUTPUTS * spec.hidden**2)
    one = roofline.estimate(2 * places, element * places, peak, bandwidth)
    ridge = roofline.ridge(peak, bandwidth)
    weights = element * spec.active_parameters
    grown = _grown()
    return {
        "peak": setting.peak,
        "bandwidth": setting.bandwidth,
        "ridge": Number(ridge, "FLOP/B", "derived", ROOF, "peak / memory bandwidth"),
        "share": Number(
            _share(setting.model, setting.prompt), "%", "derived", COUNT, "FLOP of products / all FLOP", digits=4
        ),
        "width": Number(spec.hidden, "", "stated", f"configuration of {spec.name}"),
        "element": Number(element, "B", "stated", f"the format {setting.matrix_format}"),
        "flop": Number(2 * places, "FLOP", "derived", ROOF, "2 × inputs × outputs"),
        "moved": Number(element * places, "B", "derived", ROOF, "bytes of an element × inputs × outputs"),
        "computing": Number(2 * places / peak, "s", "derived", ROOF, "FLOP / peak"),
        "moving": Number(element * places / bandwidth, "s", "derived", ROOF, "bytes / memory bandwidth"),
        "intensity": Number(one.intensity, "FLOP/B", "derived", ROOF, "FLOP / bytes"),
        "used": Number(one.rate / peak, "%", "derived", ROOF, "intensity / ridge", digits=2),
        "batch": Number(round(ridge * element / 2), "rows", "derived", ROOF, "ridge × bytes of an element / 2"),
        "half": Number(ridge * element / 4, "rows", "derived", ROOF, "ridge × bytes of an element / 4"),
        "weights": Number(weights, "B", "derived", COUNT, "parameters that a token uses × bytes of an element"),
        "reading": Number(weights / bandwidth, "s", "derived", ROOF, "bytes of the weights / memory bandwidth"),
        "speed": Number(bandwidth / weights, "token/s", "derived", ROOF, "memory bandwidth / bytes of the weights"),
        "doubling": Number(
            grown.doubling,
            "years",
            "derived",
            "accelerators of the catalog, aistack.hardware.trend",
            "exponential nearest to peak / memory bandwidth by year",
            digits=2,
        ),
    }


def words(setting: Setting) -> dict[str, object]:
    """The chip's name, its format, the model's name, and whether its weights fit into one chip."""
    weights = ELEMENT_BYTES[setting.matrix_format] * setting.spec.parameters
    return {
        "chip": setting.facts.name,
        "form": setting.matrix_format,
        "model": catalog.model(setting.model).name,
        "fits": weights <= setting.chip.memory,
    }


@functools.lru_cache(maxsize=64)
def _share(model: str, tokens: int) -> float:
    """Of a forward pass's FLOP, the share of matrix products, attention's own among them."""
    run = operators.forward(Setting(model=model).spec, 1, tokens, element_bytes=2.0, fused=True)
    products = sum(each.total_flop for each in run if each.kind in ("matmul", "attention"))
    return products / sum(each.total_flop for each in run)


@functools.cache
def _grown() -> trend.Trend:
    shipped = [(each.year, each.intensity) for each in atlas.estimate() if not each.announced]
    dated = [(year, intensity) for year, intensity in shipped if intensity is not None]
    return trend.estimate([year for year, _ in dated], [intensity for _, intensity in dated])


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The chip's roofline with products of more and more rows; all chips' ridges over the years."""
    width = setting.spec.hidden
    return {
        "batch": lambda: batch_roofline.draw(setting.chip, ROWS, OUTPUTS * width, width, setting.matrix_format),
        "years": lambda: atlas_trend.draw(atlas.estimate(), "intensity", setting.accelerator),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Ridges of a few chips beside the setting's own."""
    chosen = dict.fromkeys((setting.accelerator, *COMPARED))
    rows = [_row(name) for name in chosen]
    ridges = [float(row["ridge"].value) for row in rows if isinstance(row["ridge"], Number)]
    title = f"The ridge differs by a factor of {max(ridges) / min(ridges):.0f} from chip to chip"
    return {"ridges": lambda: Table(title, "Peaks and bandwidths from the catalog, dense, one package each.", rows)}


def _row(accelerator: str) -> dict[str, Number | str]:
    one = Setting(accelerator=accelerator)
    return {
        "chip": one.facts.name,
        "format": one.matrix_format,
        "peak": one.peak,
        "memory bandwidth": one.bandwidth,
        "ridge": Number(one.peak.value / one.bandwidth.value, "FLOP/B", "derived", ROOF, "peak / memory bandwidth"),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """What more rows, and narrower elements, do to one matrix on the setting's chip."""
    chip, width = setting.chip, setting.spec.hidden
    known = tuple(name for name in ("fp32", "bf16", "fp16", "fp8", "int8") if name in chip.peak)

    def run(rows: int, form: str) -> Shown:
        element = ELEMENT_BYTES[form]
        places = float(OUTPUTS * width**2)
        moved = element * (places + rows * width * (1 + OUTPUTS))
        here = roofline.estimate(2 * rows * places, moved, chip.rate(form), chip.memory_bandwidth)
        limit = {"memory": "bytes / memory bandwidth", "compute": "FLOP / peak"}[here.bound]
        return Shown(
            {
                "FLOP on each byte": Number(here.intensity, "FLOP/B", "derived", ROOF, "FLOP / bytes"),
                "the chip's ridge": Number(here.ridge, "FLOP/B", "derived", ROOF, "peak / memory bandwidth"),
                "time": Number(here.seconds, "s", "derived", ROOF, limit),
                "time a row": Number(here.seconds / rows, "s", "derived", ROOF, "time / rows"),
                "arithmetic in use": Number(here.rate / chip.rate(form), "%", "derived", ROOF, "rate / peak"),
            }
        )

    start = setting.matrix_format if setting.matrix_format in known else known[0]
    controls = (Control("rows", "Rows at once", ROWS, 1), Control("form", "Format", known, start))
    return {"rows": Demo("More rows on the same bytes", controls, run)}
