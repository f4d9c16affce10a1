"""What the vision of layer 1 computes: growth so far, where it leads in five years, what has stopped growing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType

from aistack import catalog
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.catalog.records import Technology
from aistack.drawing import Figure
from aistack.hardware import atlas, roofline, trend
from aistack.hardware.chip import chip
from aistack.hardware.figures import atlas_trend

NOW, THEN = 2026, 2031
QUANTITIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "peak": ("16-bit arithmetic", "FLOP/s"),
        "bandwidth": ("memory bandwidth", "B/s"),
        "memory": ("memory", "B"),
        "power": ("design power", "W"),
        "efficiency": ("arithmetic for a joule", "FLOP/J"),
    }
)
"""Attribute of a place in the atlas -> what it is, in which unit."""

SOURCE = "accelerators of the catalog, aistack.hardware.trend"
ROOF = "aistack.hardware.roofline"


def numbers(setting: Setting) -> dict[str, Number]:
    """Growth of all chips, where the setting's chip would stand in five years, and what shrinks no more."""
    peak, bandwidth = _trend("peak"), _trend("bandwidth")
    old, newer, newest = (_cell(name) for name in ("sram-7nm", "sram-n5", "sram-n2"))
    hbm, hbm4 = (_technology(name).values["bandwidth"].si for name in ("hbm", "hbm4"))
    b200, rubin = chip("b200-sxm"), chip("rubin")
    return {
        "peak_doubling": _doubling("peak"),
        "bandwidth_doubling": _doubling("bandwidth"),
        "efficiency_doubling": _doubling("efficiency"),
        "power_then": _at("power", THEN),
        "ahead": Number(
            peak.at(THEN) / setting.peak.value, "×", "derived", SOURCE, f"trend at {THEN} / this chip's peak", digits=2
        ),
        "wider": Number(
            bandwidth.at(THEN) / setting.bandwidth.value,
            "×",
            "derived",
            SOURCE,
            f"trend at {THEN} / this chip's bandwidth",
            digits=2,
        ),
        "cell_before": Number(1 - newer / old, "%", "derived", "catalog", "1 - area at 5 nm / at 7 nm", digits=2),
        "cell_since": Number(1 - newest / newer, "%", "derived", "catalog", "1 - area at 2 nm / at 5 nm", digits=2),
        "stack": Number(hbm4 / hbm, "×", "derived", "catalog", "HBM4 / first HBM, bandwidth of a stack", digits=2),
        "jump": Number(
            rubin.memory_bandwidth / b200.memory_bandwidth, "×", "derived", "catalog", "Rubin / B200", digits=2
        ),
        "before_ridge": _ridge("b200-sxm", "bf16"),
        "after_ridge": _ridge("rubin", "bf16"),
        "narrow_before": _ridge("b200-sxm", "nvfp4"),
        "narrow_after": _ridge("rubin", "nvfp4"),
    }


def words(setting: Setting) -> dict[str, object]:
    """The chip, and whether the trend says that chips to come will be faster than it."""
    return {
        "chip": setting.facts.name,
        "now": NOW,
        "then": THEN,
        "overtaken": _trend("peak").at(THEN) > setting.peak.value
        and _trend("bandwidth").at(THEN) > setting.bandwidth.value,
    }


def tables(_: Setting) -> Mapping[str, Callable[[], Table]]:
    """Growth of each quantity, and where it leads."""
    return {
        "trends": lambda: Table(
            "Arithmetic has grown faster than bandwidth, both faster than what a joule buys",
            f"{SOURCE}; chips that ship, one package each. Intervals are of the fit; the future may leave them.",
            [_row(quantity) for quantity in QUANTITIES],
        )
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """Bandwidth over the years, with the setting's chip."""
    return {
        "bandwidth": lambda: atlas_trend.draw(
            atlas.estimate(first=setting.accelerator), "bandwidth", setting.accelerator
        )
    }


def _row(quantity: str) -> dict[str, Cell]:
    grown = _trend(quantity)
    return {
        "of one package": QUANTITIES[quantity][0],
        "chips": grown.count,
        "a year": Number(
            grown.growth, "×", "derived", SOURCE, "least squares of logarithms", "", 3, grown.low, grown.high
        ),
        "doubles in": _doubling(quantity),
        f"on trend in {NOW}": _at(quantity, NOW),
        f"on trend in {THEN}": _at(quantity, THEN),
    }


@functools.cache
def _trend(quantity: str) -> trend.Trend:
    dated = [(place.year, getattr(place, quantity)) for place in atlas.estimate() if not place.announced]
    known = [(year, value) for year, value in dated if value is not None]
    return trend.estimate([year for year, _ in known], [value for _, value in known])


def _doubling(quantity: str) -> Number:
    return Number(_trend(quantity).doubling, "years", "derived", SOURCE, "ln 2 / ln growth", digits=2)


def _at(quantity: str, year: int) -> Number:
    what, unit = QUANTITIES[quantity]
    return Number(_trend(quantity).at(year), unit, "derived", SOURCE, f"the trend's value in {year}", what, 2)


def _ridge(accelerator: str, form: str) -> Number:
    on = chip(accelerator)
    value = roofline.ridge(float(on.rate(form)), on.memory_bandwidth)
    return Number(value, "FLOP/B", "derived", ROOF, "peak / memory bandwidth", f"{on.name}, dense, {form}")


def _technology(name: str) -> Technology:
    found = catalog.record("technology", name)
    assert isinstance(found, Technology)
    return found


def _cell(name: str) -> float:
    return _technology(name).values["area"].si
