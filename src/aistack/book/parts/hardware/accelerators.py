"""What "What does each accelerator bet on?" computes: the catalog's accelerators side by side, and how they change."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, fact, name
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.drawing import Figure
from aistack.hardware import atlas, gemm, trend
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.hardware.figures import atlas as atlas_figure
from aistack.hardware.figures import atlas_trend, bets, die_sizes

BETS = (
    "h100-sxm5",
    "b200-sxm",
    "rtx-5090",
    "mi355x",
    "tpu-v7",
    "trainium2",
    "gaudi3",
    "cerebras-wse3",
    "groq-lpu-v1",
)
COMPARED = (*BETS, "tpu-v4", "mi300x", "apple-m3-ultra", "grace-superchip")
CHOICES = ("h100-sxm5", "b200-sxm", "mi355x", "tpu-v7", "trainium2", "gaudi3", "cerebras-wse3", "groq-lpu-v1")
DIES = ("v100-sxm2-16gb", "a100-sxm4-80gb", "h100-sxm5", "rtx-5090", "l4", "gaudi2", "tpu-v4i", "cerebras-wse3")

ATLAS = "aistack.hardware.atlas, from the catalog"
TREND = "aistack.hardware.trend over the catalog's accelerators that ship"
GEMM = "aistack.hardware.gemm, fitted to measured kernels where there are any of the family"

QUANTITIES: Mapping[str, Callable[[atlas.Place], float | None]] = {
    "arithmetic, dense, 16 bits": lambda place: place.peak,
    "memory bandwidth": lambda place: place.bandwidth,
    "memory": lambda place: place.memory,
    "FLOP a byte at the ridge": lambda place: place.intensity,
    "FLOP a joule": lambda place: place.efficiency,
    "power a die's area": lambda place: place.heat,
}


@functools.cache
def _trends() -> Mapping[str, trend.Trend]:
    """Of what ships; a wafer is many chips and left out, as in the figures."""
    real = [place for place in atlas.estimate() if not place.announced and place.peak < 7e15]
    dated = {
        name: [(place.year, value) for place in real if (value := pick(place)) is not None]
        for name, pick in QUANTITIES.items()
    }
    return {name: trend.estimate(*zip(*points, strict=True)) for name, points in dated.items()}


def numbers(setting: Setting) -> dict[str, Number]:
    """What data sheets print and what is meant, and what the setting's model needs of chips without main memory."""
    spec, chip = setting.spec, setting.chip
    weights = 1.0 * spec.parameters
    trends = _trends()
    dense = catalog.accelerator("h100-sxm5").peaks["bf16"].si
    wafer = catalog.accelerator("cerebras-wse3")
    groq = catalog.accelerator("groq-lpu-v1").on_chip.scratchpad
    on_wafer = wafer.on_chip.scratchpad
    assert groq and on_wafer
    printed = 1440e15
    doubling = {
        "peak_doubling": "arithmetic, dense, 16 bits",
        "bandwidth_doubling": "memory bandwidth",
        "memory_doubling": "memory",
        "efficiency_doubling": "FLOP a joule",
    }
    sustained = chip.kernels.matmul[setting.matrix_format]
    return {
        "peak": setting.peak,
        "bandwidth": setting.bandwidth,
        "ridge": Number(setting.peak.value / setting.bandwidth.value, "FLOP/B", "derived", ATLAS, "peak / bandwidth"),
        "sustained": Number(sustained, "%", "derived", GEMM, basis="of the peak, large products", digits=2),
        "dense": fact("h100-sxm5", "peaks.bf16"),
        "sparse": Number(2 * dense, "FLOP/s", "derived", "NVIDIA, H100 data sheet", "2 × dense", "2 of 4 weights zero"),
        "both": fact("h100-sxm5", "scale_up.both_directions"),
        "one_way": fact("h100-sxm5", "scale_up.bandwidth"),
        "wafer_printed": fact("cerebras-wse3", "more.fp16_quoted"),
        "wafer_dense": fact("cerebras-wse3", "peaks.fp16"),
        "wafer_times": Number(
            wafer.more["fp16_quoted"].si / wafer.peaks["fp16"].si, "×", "derived", "catalog", "printed / dense"
        ),
        "die": Number(
            catalog.accelerator("mi250x").peaks["bf16"].si / 2, "FLOP/s", "derived", "catalog", "package / 2"
        ),
        "package": fact("mi250x", "peaks.bf16"),
        "gpu_memory": fact("mi300x", "memory_capacity"),
        "h100_memory": fact("h100-sxm5", "memory_capacity", 3),
        "mac_memory": fact("apple-m3-ultra", "memory_capacity"),
        "mac_bandwidth": fact("apple-m3-ultra", "memory_bandwidth"),
        "cpu_memory": fact("grace-superchip", "memory_capacity"),
        "cpu_bandwidth": fact("grace-superchip", "memory_bandwidth"),
        "groq_memory": fact("groq-lpu-v1", "on_chip.scratchpad"),
        "groq_bandwidth": fact("groq-lpu-v1", "on_chip.bandwidth"),
        "wafer_memory": fact("cerebras-wse3", "on_chip.scratchpad"),
        "wafer_bandwidth": fact("cerebras-wse3", "on_chip.bandwidth"),
        "weights": Number(weights, "B", "derived", f"configuration of {spec.name}", "parameters × 1 byte"),
        "groqs": Number(math.ceil(weights / groq.si), "LPU", "derived", ATLAS, "weights / memory, up"),
        "wafers": Number(math.ceil(weights / on_wafer.si), "WSE-3", "derived", ATLAS, "weights / memory, up"),
        "printed_rack": Number(printed, "FLOP/s", "stated", "NVIDIA, GB200 NVL72 specifications", basis="FP4, sparse"),
        "gpus": Number(72, "GPUs", "stated", "NVIDIA, GB200 NVL72 specifications"),
        "per_gpu": Number(printed / 2 / 72, "FLOP/s", "derived", "catalog: gb200", "printed / 2 / GPUs", "FP4, dense"),
        **{
            key: Number(trends[name].doubling, "years", "derived", TREND, "ln 2 / ln growth a year", digits=2)
            for key, name in doubling.items()
        },
    }


def words(setting: Setting) -> dict[str, object]:
    """The chip's name and format, and the model's."""
    return {
        "chip": setting.facts.name,
        "form": setting.matrix_format,
        "model": name(setting.model),
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """Dies to scale, bets side by side, the atlas, and arithmetic by year; the setting's chip among them."""
    own = setting.accelerator
    return {
        "dies": lambda: die_sizes.draw([catalog.accelerator(each) for each in dict.fromkeys((*DIES, own))]),
        "bets": lambda: bets.draw(atlas.estimate(BETS, own), own),
        "atlas": lambda: atlas_figure.draw(atlas.estimate(first=own), own),
        "years": lambda: atlas_trend.draw(atlas.estimate(first=own), "peak", own),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """The comparison, what data sheets print, and the trends."""
    compared = list(dict.fromkeys((setting.accelerator, *COMPARED)))

    def sheet(printed: Number, meant: Number, what: str, why: str) -> dict[str, Cell]:
        return {"printed as": what, "printed": printed, "comparable": meant, "difference": why}

    found = numbers(setting)
    return {
        "compared": lambda: Table(
            "Dense peaks and memories, each of what the last column counts as one",
            "aistack catalog; each value has its own source on hover. A peak is that of the format beside it",
            [_row(each) for each in compared],
        ),
        "sheets": lambda: Table(
            "The headline can be several times what is comparable",
            "aistack catalog, where each is kept with its basis",
            [
                sheet(found["sparse"], found["dense"], "H100 SXM, BF16", "half of the weights zero, in a pattern"),
                sheet(found["wafer_printed"], found["wafer_dense"], "WSE-3", "sparse; dense is an estimate"),
                sheet(found["both"], found["one_way"], "NVLink of an H100", "both directions added up"),
                sheet(found["package"], found["die"], "MI250X, BF16", "a package of two dies that work as two devices"),
                sheet(found["printed_rack"], found["per_gpu"], "GB200 NVL72, FP4", "a rack; sparse"),
            ],
        ),
        "trends": lambda: Table(
            "Arithmetic doubles soonest, what it costs in energy latest"
            if _ordered()
            else "How long each quantity takes to double",
            TREND + "; the interval is that of nine tenths, too narrow since chips of one maker are alike",
            [
                {
                    "quantity": name,
                    "chips": each.count,
                    "a year": Number(each.growth - 1, "%", "derived", TREND, digits=2),
                    "at least": Number(each.low - 1, "%", "derived", TREND, digits=2),
                    "at most": Number(each.high - 1, "%", "derived", TREND, digits=2),
                    "doubles in": Number(each.doubling, "years", "derived", TREND, digits=2),
                }
                for name, each in _trends().items()
            ],
        ),
    }


def _ordered() -> bool:
    trends = _trends()
    chips = [trends[name].doubling for name in list(QUANTITIES)[:3]]
    return chips[0] == min(chips) and trends["FLOP a joule"].doubling > max(chips)


def _row(which: str) -> dict[str, Cell]:
    entry = catalog.accelerator(which)
    form = next((each for each in ("bf16", "fp16", "fp32_matrix", "fp32") if each in entry.peaks), None)
    on_chip = next((each for each in ("scratchpad", "last_level", "l3", "l2") if getattr(entry.on_chip, each)), None)

    def cell(field: str, known: object) -> Cell:
        if known:
            return fact(which, field)
        return "none" if field.startswith("memory") and entry.on_chip.bandwidth else None

    return {
        "accelerator": entry.name.split(" (")[0],
        "maker": entry.vendor,
        "format": form or "not stated",
        "peak": fact(which, f"peaks.{form}") if form else None,
        "memory": cell("memory_capacity", entry.memory_capacity),
        "bandwidth": cell("memory_bandwidth", entry.memory_bandwidth),
        "on the die": fact(which, f"on_chip.{on_chip}") if on_chip else None,
        "power": cell("tdp", entry.tdp),
        "of one": _scope(entry),
    }


def _scope(entry: catalog.Accelerator) -> str:
    known = next(each for each in (*entry.peaks.values(), entry.memory_capacity) if each)
    return next(basis for basis in known.bases if basis.startswith("per ")).removeprefix("per ")


def demos(setting: Setting) -> Mapping[str, Demo]:
    """Two accelerators of the reader's choice, on paper and in two products."""
    names = {
        catalog.accelerator(each).name.split(" (")[0]: each for each in dict.fromkeys((setting.accelerator, *CHOICES))
    }

    def run(first: str, second: str) -> Shown:
        ours, theirs = _side(names[first]), _side(names[second])
        return Shown(
            {
                f"{work}, first over second": Number(
                    ours[work].value / theirs[work].value, "×", "derived", GEMM, "time / time"
                )
                for work in ("a large product", "one row through a matrix")
            },
            rows=[{"quantity": each, "first": ours[each], "second": theirs[each]} for each in ours],
        )

    labels = tuple(names)
    controls = (Control("first", "First", labels, labels[0]), Control("second", "Second", labels, labels[1]))
    return {"compare": Demo("Two accelerators, the same work", controls, run)}


@functools.lru_cache(maxsize=128)
def _side(name: str) -> Mapping[str, Number]:
    one = Setting(accelerator=name)
    chip, form = one.chip, one.matrix_format
    peak, bandwidth = one.peak.value, one.bandwidth.value
    large, small = (float(gemm.estimate(chip, m, 8192, 8192, form)) for m in (8192, 1))
    weights = 8192**2 * ELEMENT_BYTES[form]
    values = {
        "peak": one.peak,
        "memory": Number(chip.memory, "B", "stated", f"catalog: {one.facts.name}"),
        "memory bandwidth": one.bandwidth,
        "ridge": Number(peak / bandwidth, "FLOP/B", "derived", ATLAS, "peak / bandwidth"),
        "all memory read once in": Number(chip.memory / bandwidth, "s", "derived", ATLAS, "memory / bandwidth"),
        "a large product": Number(large, "s", "derived", GEMM, basis=f"8192 by 8192 by 8192 in {form}"),
        "one row through a matrix": Number(small, "s", "derived", GEMM, basis=f"8192 by 8192 weights in {form}"),
        "of the peak, large": Number(2 * 8192.0**3 / large / peak, "%", "derived", GEMM, "FLOP / time / peak"),
        "of the bandwidth, one row": Number(
            weights / small / bandwidth, "%", "derived", GEMM, "bytes of weights / time / bandwidth"
        ),
    }
    return values
