"""What "Why does AI need special hardware?" computes: one chip, one model, and how often each byte is used."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.drawing import Figure
from aistack.frameworks import operators
from aistack.frameworks.figures import operations_roofline
from aistack.frameworks.products import words as product_name
from aistack.hardware import atlas, roofline, trend
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.hardware.figures import atlas_trend, batch_roofline

ROWS = (1, 4, 16, 64, 256, 1024, 4096)
COMPARED = ("a100-sxm4-80gb", "h100-sxm5", "b200-sxm", "mi300x", "tpu-v5p", "apple-m1-max")
OUTPUTS = 4
"""Columns of the matrix for each of its rows, as in the feed-forward layer of a classic transformer."""

HEAD = 128
"""Width of an attention head in most models of today."""
STREAMS = "norms, activations, sums"

ROOF = "aistack.hardware.roofline"
DALLY = "Bill Dally's keynote at the Design Automation Conference 2021, as Semiconductor Engineering reports it"
WALL = "AI and Memory Wall, IEEE Micro 2024 (arXiv:2403.14123), abstract"
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
    reading = operations(setting, setting.prompt, 0)
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
        "multiply": Number(1.5e-12, "J", "stated", DALLY, basis="a half-precision multiply-add"),
        "administer": Number(30e-12, "J", "stated", DALLY, basis="its instruction: fetching, decoding, operands"),
        "arithmetic_growth": Number(3.0, "×", "stated", WALL, basis="in two years, servers' peaks over 20 years"),
        "memory_growth": Number(1.6, "×", "stated", WALL, basis="in two years, bandwidth of DRAM over 20 years"),
        "square": Number(
            1.5 * ridge * element, "", "derived", ROOF, "1.5 × ridge × bytes of an element, rounded", digits=2
        ),
        "head": Number(HEAD, "", "assumed", "the width of a head in most models"),
        "head_limit": Number(2 * HEAD / element, "FLOP/B", "derived", ROOF, "2 × depth / bytes of an element"),
        "bound_by_memory": Number(
            sum(each.seconds for each in reading if each.intensity < ridge) / sum(each.seconds for each in reading),
            "%",
            "derived",
            f"{COUNT}; {ROOF}",
            "seconds of operations below the ridge / seconds of all",
            digits=2,
        ),
        "room": Number(setting.chip.memory, "B", "stated", f"catalog: {setting.facts.name}"),
        "prompt": Number(setting.prompt, "token", "assumed", "the scenario"),
        "sustained": Number(
            setting.chip.kernels.matmul[setting.matrix_format],
            "%",
            "derived",
            "fitted to measured kernels by aistack.evidence.fit_kernels",
            basis="of the dense peak, large products",
            digits=2,
        ),
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


@dataclass(frozen=True)
class Operation:
    """Operations of one kind in all layers, on a chip that does nothing but wait for the slower of its two sides."""

    name: str
    flop: float
    bytes: float
    seconds: float

    @property
    def intensity(self) -> float:
        """FLOP on each byte."""
        return self.flop / self.bytes


def operations(setting: Setting, tokens: int, cached: int) -> tuple[Operation, ...]:
    """A forward pass of the setting's model over `tokens` after `cached` others, the longest operation first."""
    element = ELEMENT_BYTES[setting.matrix_format]
    totals: dict[str, list[float]] = {}
    for each in operators.forward(setting.spec, 1, tokens, cached, element, convention="causal", fused=True):
        named = product_name(each.name) if each.kind == "matmul" else each.name
        total = totals.setdefault(named if each.kind in ("matmul", "attention") else STREAMS, [0.0, 0.0])
        total[0] += each.total_flop
        total[1] += each.total_bytes
    found = [
        Operation(
            name, flop, moved, roofline.estimate(flop, moved, setting.peak.value, setting.bandwidth.value).seconds
        )
        for name, (flop, moved) in totals.items()
    ]
    return tuple(sorted(found, key=lambda each: -each.seconds))


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
    width, form = setting.spec.hidden, setting.matrix_format
    return {
        "operators": lambda: operations_roofline.draw(
            [(each.name, each.flop, each.bytes, each.seconds) for each in operations(setting, setting.prompt, 0)],
            {form: setting.peak.value},
            setting.bandwidth.value,
            f"{catalog.model(setting.model).name} reads {setting.prompt:,} tokens on one {setting.facts.name}, at best",
        ),
        "batch": lambda: batch_roofline.draw(setting.chip, ROWS, OUTPUTS * width, width, setting.matrix_format),
        "years": lambda: atlas_trend.draw(atlas.estimate(), "intensity", setting.accelerator),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Ridges of a few chips beside the setting's own."""
    chosen = dict.fromkeys((setting.accelerator, *COMPARED))
    rows = [_row(name) for name in chosen]
    ridges = [float(row["ridge"].value) for row in rows if isinstance(row["ridge"], Number)]
    title = f"The ridge differs by a factor of {max(ridges) / min(ridges):.0f} from chip to chip"
    return {
        "ridges": lambda: Table(title, "Peaks and bandwidths from the catalog, dense, one package each.", rows),
        "operators": lambda: Table(
            "Products gain from tokens that pass together; norms and activations never do", COUNT, _sides(setting)
        ),
    }


def _sides(setting: Setting) -> list[dict[str, Cell]]:
    """Reading a prompt beside writing the token after it; each has operations that the other lacks in a few models."""
    reading, writing = (
        {each.name: each for each in operations(setting, *passed)}
        for passed in ((setting.prompt, 0), (1, setting.prompt))
    )
    whole, step = (sum(each.seconds for each in found.values()) for found in (reading, writing))
    return [
        {
            "operation": name,
            "reading the prompt": _on_each_byte(reading.get(name)),
            "of its time": _of(reading.get(name), whole),
            "writing a token": _on_each_byte(writing.get(name)),
            "of that time": _of(writing.get(name), step),
        }
        for name in dict.fromkeys((*reading, *writing))
    ]


def _on_each_byte(each: Operation | None) -> Cell:
    return Number(each.intensity, "FLOP/B", "derived", COUNT, "FLOP / bytes") if each else "none"


def _of(each: Operation | None, whole: float) -> Cell:
    return Number(each.seconds / whole, "%", "derived", ROOF, "seconds / seconds of all", digits=2) if each else "none"


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
