"""What the challenges of layer 1 compute: walls, watts, idle arithmetic, prices, and how far our own models miss."""

from __future__ import annotations

import datetime
import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from aistack import catalog
from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.catalog.fitted import constants
from aistack.catalog.prices import RentalPrice
from aistack.drawing import Figure
from aistack.evidence import kernels
from aistack.hardware import atlas, roofline, trend
from aistack.hardware.chip import ELEMENT_BYTES, chip
from aistack.hardware.figures import kernel_error

WALLS = ("v100-sxm2-32gb", "a100-sxm4-80gb", "h100-sxm5", "b200-sxm", "rubin")
NARROWEST = ("nvfp4", "fp8", "int8", "bf16", "fp16")
"""Formats that products are computed in, narrowest first."""

ROWS = (1, 8, 32, 128, 512, 2048)
PRICED = "h100-sxm5"
TWO_DIES = "mi250x"
FLOP_FORMATS = ("bf16", "fp16")
DEVICES_PER_FAULT = 1000
"""Devices of which one computes wrongly without saying so (engineering.fb.com, 22 July 2025)."""

LEFT_OUT = {"gemm": (0.079, 0.26), "attention": (0.13, 0.39)}
"""Median and nine tenths of the errors on accelerators whose rows the fit has not seen: `fit_kernels.left_out`, which
takes two minutes, run on 2026-11-22; a slow test holds them."""

ROOF = "aistack.hardware.roofline"
TREND = "accelerators of the catalog, aistack.hardware.trend"
EVIDENCE = "aistack evidence kernels"
FITTED = "aistack.evidence.fit_kernels, from measured kernels"
META = "Meta, How Meta keeps its AI hardware reliable, 2025"
LLAMA = "The Llama 3 herd of models, arXiv 2407.21783, table 5"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the setting's chip and system, of all chips, and of measured kernels."""
    form = _narrowest(setting.accelerator)
    shares, prices, report = _shares(), _prices(), _report()
    errors = {line.of: line for line in report.classes}
    peak, efficiency, power = (_grown(quantity) for quantity in ("peak", "efficiency", "power"))
    cheap, dear = prices[0], prices[-1]
    found = {
        "wide_rows": _rows(setting.accelerator, setting.matrix_format),
        "narrow_rows": _rows(setting.accelerator, form),
        "h100_ridge": _ridge("h100-sxm5", "bf16"),
        "rubin_ridge": _ridge("rubin", "bf16"),
        "rubin_narrow": _ridge("rubin", "nvfp4"),
        "peak_growth": peak,
        "efficiency_growth": efficiency,
        "power_growth": power,
        "single": _share(shares[1], "1 row"),
        "full": _share(shares[ROWS[-1] + 1], f"more than {ROWS[-1]:,} rows"),
        "cheap": fact_of(cheap),
        "dear": fact_of(dear),
        "spread": Number(
            dear.usd_per_accelerator_hour / cheap.usd_per_accelerator_hour,
            "×",
            "derived",
            "rental prices of the catalog",
            "highest / lowest on-demand price",
            digits=2,
        ),
        "package": fact(TWO_DIES, "peaks.bf16", 3),
        "die": Number(fact(TWO_DIES, "peaks.bf16").value / 2, "FLOP/s", "derived", "catalog", "package / 2 dies"),
        "sustained": Number(
            setting.chip.kernels.matmul[setting.matrix_format],
            "%",
            "derived",
            FITTED,
            basis="of the dense peak",
            digits=2,
        ),
        "streamed": Number(setting.chip.kernels.bandwidth, "%", "derived", FITTED, basis="of the bandwidth", digits=2),
        "faulty": Number(
            setting.count / DEVICES_PER_FAULT, "faulty chips", "derived", META, "accelerators / 1,000", digits=2
        ),
        "one_in": Number(DEVICES_PER_FAULT, "devices", "stated", META),
        "corruptions": Number(6, "interruptions", "measured", LLAMA, basis="of 419 unexpected ones in 54 days"),
        "run_days": Number(54 * 86400, "s", "measured", LLAMA),
        "measured": Number(sum(line.rows for line in report.classes), "kernels", "measured", EVIDENCE),
        "unpredicted": Number(sum(report.skipped.values()), "kernels", "measured", EVIDENCE),
        "product_error": Number(errors["gemm"].median, "%", "measured", EVIDENCE, basis="median", digits=2),
        "decode_error": Number(
            errors["attention_decode"].ninetieth, "%", "measured", EVIDENCE, basis="one row in ten is worse", digits=2
        ),
        "unseen_product": _unseen("gemm", 0),
        "unseen_product_tenth": _unseen("gemm", 1),
        "unseen_attention": _unseen("attention", 0),
        "unseen_attention_tenth": _unseen("attention", 1),
    }
    if setting.facts.tdp is not None:
        tdp = fact(setting.accelerator, "tdp", 3)
        year = 365 * 86400 * tdp.value * setting.count
        found |= {
            "tdp": tdp,
            "draw": Number(tdp.value * setting.count, "W", "derived", "catalog", "design power × accelerators"),
            "year_energy": Number(
                year / 3600, "Wh", "derived", "catalog", "design power × accelerators × hours of a year"
            ),
        }
    return found


def words(setting: Setting) -> dict[str, object]:
    """Names, formats, and what is known."""
    prices = _prices()
    return {
        "chip": setting.facts.name,
        "wide": setting.matrix_format,
        "narrow": _narrowest(setting.accelerator),
        "narrower": _narrowest(setting.accelerator) != setting.matrix_format,
        "powered": setting.facts.tdp is not None,
        "fitted": _fitted("matmul", setting.chip.family),
        "streams": _fitted("bandwidth", setting.chip.family),
        "cheap_at": prices[0].provider,
        "dear_at": prices[-1].provider,
        "priced": catalog.accelerator(PRICED).name,
        "price_month": datetime.date.fromisoformat(prices[-1].date).strftime("%B %Y"),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Rows that a ridge wants, by format; the peak that measured products reach; what data sheets mean."""
    return {
        "walls": lambda: Table(
            "Fewer rows suffice only where a narrower format does not raise the peak in proportion",
            "Dense peaks and bandwidths from the catalog, one package each; wide is 16 bits where the chip has them.",
            [_wall(name) for name in dict.fromkeys((setting.accelerator, *WALLS))],
        ),
        "idle": lambda: Table(
            "It takes hundreds of rows before half of the arithmetic is used",
            f"Measured matrix products in 16 bits of {EVIDENCE}, all accelerators; dense peaks from the catalog.",
            _idle(),
        ),
        "misses": lambda: Table(
            "Products are predicted better than attention, attention better while it reads than while it writes",
            f"{EVIDENCE}: sizes of predicted / measured - 1; the constants were fitted to these rows.",
            [
                {
                    "kernels": {
                        "gemm": "matrix products",
                        "attention_prefill": "attention, reading",
                        "attention_decode": "attention, writing",
                    }[line.of],
                    "measured": Number(line.rows, "", "measured", EVIDENCE),
                    "half are within": Number(line.median, "%", "measured", EVIDENCE, digits=2),
                    "nine in ten are within": Number(line.ninetieth, "%", "measured", EVIDENCE, digits=2),
                }
                for line in _report().classes
            ],
        ),
    }


def figures(_: Setting) -> Mapping[str, Callable[[], Figure]]:
    """Where predicted products miss, accelerator by accelerator."""
    return {
        "errors": lambda: kernel_error.draw(
            _product_errors(),
            "matrix products",
            f"Measurements of the sources that {EVIDENCE} names; the constants were fitted to these rows",
        )
    }


def fact_of(row: RentalPrice) -> Number:
    """A rental price as a number of the page."""
    said = f"{row.provider}, {row.date}: {catalog.source(row.source).about}"
    return Number(row.usd_per_accelerator_hour, "USD/h", "stated", said, basis="on demand, one accelerator")


def _fitted(constant: str, family: str) -> bool:
    """Whether it was fitted to measurements of this family, or of its line (cdna for cdna3)."""
    return any(family.startswith(key) for key in constants("kernels")[constant].values)


def _narrowest(accelerator: str) -> str:
    peaks = chip(accelerator).peak
    return next((name for name in NARROWEST if name in peaks), next(iter(peaks)))


def _ridge(accelerator: str, form: str) -> Number:
    on = chip(accelerator)
    value = roofline.ridge(float(on.rate(form)), on.memory_bandwidth)
    return Number(value, "FLOP/B", "derived", ROOF, "peak / memory bandwidth", f"{on.name}, dense, {form}")


def _rows(accelerator: str, form: str) -> Number:
    ridge = _ridge(accelerator, form)
    return Number(
        ridge.value * ELEMENT_BYTES[form] / 2,
        "rows",
        "derived",
        ROOF,
        "ridge × bytes of an element / 2",
        form,
        digits=2,
    )


def _wall(accelerator: str) -> dict[str, Cell]:
    one, form = Setting(accelerator=accelerator), _narrowest(accelerator)
    return {
        "chip": one.facts.name,
        "bandwidth": one.bandwidth,
        "ridge, wide": _ridge(accelerator, one.matrix_format),
        "rows, wide": _rows(accelerator, one.matrix_format),
        "narrow": form,
        "ridge, narrow": _ridge(accelerator, form),
        "rows, narrow": _rows(accelerator, form),
    }


@functools.cache
def _grown(quantity: Literal["peak", "efficiency", "power"]) -> Number:
    dated = [(place.year, getattr(place, quantity)) for place in atlas.estimate() if not place.announced]
    known = [(year, value) for year, value in dated if value is not None]
    grown = trend.estimate([year for year, _ in known], [value for _, value in known])
    return Number(
        grown.growth,
        "×",
        "derived",
        TREND,
        "least squares of logarithms",
        f"{grown.count} chips",
        3,
        grown.low,
        grown.high,
    )


@functools.cache
def _predictions() -> tuple[kernels.Prediction, ...]:
    return kernels.predict(row for name in kernels.CLASSES for row in kernels.rows(name))


@functools.cache
def _report() -> kernels.Report:
    return kernels.evaluate(_predictions())


@functools.cache
def _shares() -> Mapping[int, tuple[float, ...]]:
    """Share of the dense 16-bit peak that measured products reach, by rows: at most each of `ROWS`, then beyond."""
    found = defaultdict(list)
    for each in _predictions():
        row = each.row
        if row.kernel_class == "gemm" and row.dtype in FLOP_FORMATS and row.m and row.n and row.k and not row.groups:
            flop = 2.0 * row.m * row.n * row.k
            reached = flop / each.measured / float(chip(row.accelerator).rate(row.dtype))
            found[next((most for most in ROWS if row.m <= most), ROWS[-1] + 1)].append(reached)
    return {most: tuple(found[most]) for most in sorted(found)}


def _share(shares: tuple[float, ...], of: str) -> Number:
    basis = f"median of {len(shares)} products of {of}, 16 bits"
    return Number(float(np.median(shares)), "%", "measured", EVIDENCE, "FLOP / time / dense peak", basis, 2)


def _idle() -> list[dict[str, Cell]]:
    least = (1, *(each + 1 for each in ROWS))
    rows: list[dict[str, Cell]] = []
    for low, (most, shares) in zip(least, _shares().items(), strict=True):
        of = "more" if most > ROWS[-1] else f"{low:,} to {most:,}" if low < most else f"{most:,}"
        rows.append(
            {
                "rows": of,
                "products": Number(len(shares), "", "measured", EVIDENCE),
                "a tenth reach less than": Number(float(np.quantile(shares, 0.1)), "%", "measured", EVIDENCE, digits=2),
                "half reach": _share(shares, f"{of} rows"),
                "a tenth reach more than": Number(float(np.quantile(shares, 0.9)), "%", "measured", EVIDENCE, digits=2),
            }
        )
    return rows


@functools.cache
def _prices() -> tuple[RentalPrice, ...]:
    """What one chip costs on demand in the latest month that the catalog has, cheapest first."""
    known = catalog.series(PRICED, pricing="on-demand")
    latest = [row for row in known if row.date[:7] == known[-1].date[:7]]
    return tuple(sorted(latest, key=lambda row: row.usd_per_accelerator_hour))


def _product_errors() -> dict[str, list[float]]:
    found = defaultdict(list)
    for each in _predictions():
        if each.row.kernel_class == "gemm":
            found[catalog.accelerator(each.row.accelerator).name.split(" (")[0]].append(each.error)
    return {name: errors for name, errors in found.items() if len(errors) >= 50}


def _unseen(kind: str, end: int) -> Number:
    basis = "accelerators whose rows the fit has not seen, " + ("median", "one in ten is worse")[end]
    return Number(
        LEFT_OUT[kind][end], "%", "measured", "aistack.evidence.fit_kernels.left_out, 2026-11-22", "", basis, 2
    )
