"""How accelerators changed over the years, with the trend and how long it takes to double."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aistack.drawing import HUES, Figure, labels
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.hardware.atlas import Place
from aistack.hardware.trend import Trend, estimate

Quantity = Literal["peak", "bandwidth", "intensity", "efficiency", "memory", "heat"]

_WIDE, _TALL = 580, 330


@dataclass(frozen=True)
class _Of:
    title: str
    axis: str
    scale: float
    pick: Callable[[Place], float | None]


_OF: Mapping[Quantity, _Of] = {
    "peak": _Of("Dense 16-bit arithmetic", "TFLOP/s", 1e12, lambda place: place.peak),
    "bandwidth": _Of("Memory bandwidth", "TB/s", 1e12, lambda place: place.bandwidth),
    "intensity": _Of("FLOP in the time of a byte", "FLOP/B", 1.0, lambda place: place.intensity),
    "efficiency": _Of("Peak FLOP a joule", "TFLOP/s a watt", 1e12, lambda place: place.efficiency),
    "memory": _Of("Memory", "GB", 1e9, lambda place: place.memory),
    "heat": _Of("Power a square millimetre of die", "W/mm²", 1e6, lambda place: place.heat),
}


def draw(places: Sequence[Place], quantity: Quantity, highlight: str = "") -> Figure:
    """A dot an accelerator by year, the exponential nearest to those that ship, rings for announced ones.

    `places` are of `aistack.hardware.atlas.estimate`; wafers are left out, since one is many chips.
    """
    import altair

    of = _OF[quantity]
    shown = [
        (place, value / of.scale)
        for place in sorted(places, key=lambda place: (place.id != highlight, -place.year, -place.peak))
        for value in [of.pick(place)]
        if value is not None and place.peak < 7e15
    ]
    trend = estimate(*zip(*((place.year, value) for place, value in shown if not place.announced), strict=True))
    rows = _rows(shown, highlight)
    first, last = min(row["at"] for row in rows) - 0.4, max(row["at"] for row in rows) + 1.2
    low, high = min(value for _, value in shown) / 1.5, max(value for _, value in shown) * 1.6
    x = altair.X(
        "at:Q",
        scale=altair.Scale(domain=[first, last], nice=False),
        axis=altair.Axis(title=None, format="d", tickMinStep=1),
    )
    y = altair.Y(
        "value:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis(of.axis, _ticks(low, high), grid=True),
    )
    points = [
        (
            (row["at"] - first) / (last - first) * _WIDE,
            math.log(high / row["value"]) / math.log(high / low) * _TALL,
        )
        for row in rows
    ]
    line = [{"at": year, "value": trend.at(year)} for year in (first + 0.3, last - 0.9)]
    # names keep off the line
    along = [first + 0.3 + (last - first - 1.2) * step / 80 for step in range(81)]
    taken = [
        ((at - first) / (last - first) * _WIDE, math.log(high / trend.at(at)) / math.log(high / low) * _TALL)
        for at in along
    ]
    names = [row["name"] for row in rows]
    placed = labels.place(points, names, (_WIDE, _TALL), radius=4, size=10, taken=taken)

    def dots(kind: str) -> altair.Chart:
        return altair.Chart(altair.Data(values=[row for row in rows if row["kind"] == kind]))

    layers = [
        altair.Chart(altair.Data(values=line)).mark_line(color=MUTED, strokeDash=[4, 3]).encode(x=x, y=y),
        dots("ships").mark_point(color=MUTED, size=36).encode(x=x, y=y),
        dots("announced").mark_point(stroke=MUTED, fill=PAPER, strokeWidth=1.5, size=40).encode(x=x, y=y),
        dots("marked").mark_point(color=HUES["hardware"], size=80).encode(x=x, y=y),
        *labels.layers(
            points, names, placed, [HUES["hardware"] if row["kind"] == "marked" else INK for row in rows], size=10
        ),
    ]
    return Figure(
        layer="hardware",
        title=f"{of.title}: {_pace(trend)}",
        subtitle=f"{len(shown)} accelerators by year, one package each, and the exponential nearest to those that "
        "ship (dashed); rings are announced. Names where there is room, the table has all",
        source="Catalog, where every value has its source; trend by least squares of logarithms, interval of nine "
        "tenths for independent scatter. Wafers are left out.",
        alt=f"{of.title} of {len(shown)} accelerators from {min(p.year for p, _ in shown)} to "
        f"{max(p.year for p, _ in shown)}, {low * 1.5:.3g} to {high / 1.6:.3g} {of.axis}. "
        f"The trend is a factor of {trend.growth:.2f} a year.",
        chart=altair.layer(*layers).properties(width=_WIDE, height=_TALL),
        table=[
            {"accelerator": place.name, "maker": place.vendor, "year": place.year, of.axis: f"{value:.3g}"}
            for place, value in sorted(shown, key=lambda each: (each[0].year, each[0].name))
        ],
    )


def _rows(shown: Sequence[tuple[Place, float]], highlight: str) -> list[dict[str, Any]]:
    """Dots of one year stand side by side, in order of their values, so that they do not hide one another."""
    years: dict[int, list[Place]] = {}
    for place, _ in sorted(shown, key=lambda each: each[1]):
        years.setdefault(place.year, []).append(place)
    return [
        {
            "name": place.name,
            "value": value,
            "at": place.year + 0.6 * (years[place.year].index(place) + 0.5) / len(years[place.year]) - 0.3,
            "kind": "marked" if place.id == highlight else "announced" if place.announced else "ships",
        }
        for place, value in shown
    ]


def _pace(trend: Trend) -> str:
    if trend.low <= 1 <= trend.high:
        return f"no clear trend ({trend.low:.2f} to {trend.high:.2f} times a year)"
    return (
        f"{'twice' if trend.growth > 1 else 'half'} as much every "
        f"{abs(trend.doubling):.1f} years ({trend.low:.2f} to {trend.high:.2f} times a year)"
    )


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
    values = [step * 10.0**power for power in powers for step in steps]
    return [(value, f"{value:,.10g}") for value in values if low <= value <= high]
