"""Fifty years of microprocessors: what kept growing and what stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from aistack.catalog.processors import Quantity
from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Scale, Shape, circle, group, line, text
from aistack.hardware.trend import Trend, estimate
from aistack.units import text as quantity_text

_WIDE, _TALL, _LEFT, _GAP = 290.0, 150.0, 70.0, 44.0
_FIRST, _TURN, _LAST = 1970, 2005, 2023
"""Voltages stopped falling with sizes about 2005, and Dennard's scaling with them (Bohr, IEEE SSCS Newsletter 12(1),
2007)."""

_PANELS: tuple[tuple[Quantity, str, str], ...] = (
    ("transistors", "transistors", "1"),
    ("clock", "clock", "Hz"),
    ("power", "design power", "W"),
    ("cores", "cores", "1"),
)


def draw(history: Mapping[Quantity, Sequence[tuple[float, float]]]) -> Figure:
    """Four panels with a dot a processor; lines are the trends before and since 2005.

    `history` is `aistack.catalog.processors.history()`.
    """
    trends = {
        (quantity, first): estimate(*zip(*part, strict=True))
        for quantity, _, _ in _PANELS
        for first, last in ((_FIRST, _TURN), (_TURN, _LAST))
        for part in [[each for each in history[quantity] if first <= each[0] < last]]
        if len({value for _, value in part}) > 2
    }
    panels = [
        group(
            *_panel(
                history[quantity], {first: trend for (each, first), trend in trends.items() if each == quantity}, unit
            ),
            text(0, -8, name, bold=True),
            move=(_LEFT + (number % 2) * (_WIDE + _LEFT), 22 + (number // 2) * (_TALL + _GAP)),
        )
        for number, (quantity, name, unit) in enumerate(_PANELS)
    ]
    return Figure(
        layer="hardware",
        title=f"Until {_TURN} clocks doubled every {trends['clock', _FIRST].doubling:.1f} years; since then "
        f"{_pace(trends['clock', _TURN])}, and cores took over",
        subtitle=f"Microprocessors by year, logarithmic; lines are the exponentials nearest to those before and since "
        f"{_TURN}",
        source="K. Rupp and others, 50 years of microprocessor trend data, CC BY 4.0; trends fitted here.",
        alt="; ".join(
            f"{name} from {_label(history[quantity][0][1], unit)} in {history[quantity][0][0]:.0f} to "
            f"{_label(max(value for _, value in history[quantity]), unit)} at most"
            for quantity, name, unit in _PANELS
        )
        + f". Since {_TURN}: "
        + "; ".join(f"{name}, {_pace(trends[quantity, _TURN])}" for quantity, name, _ in _PANELS)
        + ".",
        chart=Diagram(2 * (_LEFT + _WIDE), 22 + 2 * (_TALL + _GAP) - 16, tuple(panels)),
        table=[
            {
                "what": next(name for each, name, _ in _PANELS if each == quantity),
                "years": f"until {_TURN}" if first < _TURN else f"since {_TURN}",
                "times a year": f"{trend.growth:.2f}",
                "nine tenths": f"{trend.low:.2f} to {trend.high:.2f}",
                "processors": trend.count,
            }
            for (quantity, first), trend in trends.items()
        ],
    )


def _panel(points: Sequence[tuple[float, float]], trends: Mapping[int, Trend], unit: str) -> list[Shape]:
    values = [value for _, value in points]
    across = Scale(_FIRST, _LAST, 0, _WIDE)
    up = Scale(min(values) / 1.6, max(values) * 1.6, _TALL, 0, log=True)
    powers = range(math.ceil(math.log10(up.low)), math.floor(math.log10(up.high)) + 1)
    step = 3 if len(powers) > 6 else 1
    shapes: list[Shape] = []
    for power in powers:
        if power % step == 0:
            y = up(10.0**power)
            shapes += [
                line(0, y, _WIDE, y, "grid"),
                text(-8, y + 4, _label(10.0**power, unit), "muted", size=11, anchor="end"),
            ]
    for year in (1980, 2000, 2020):
        shapes += [text(across(year), _TALL + 16, f"{year}", "muted", size=11, anchor="middle")]
    shapes.append(line(0, _TALL, _WIDE, _TALL, "muted"))
    shapes += [circle(across(year), up(value), 1.8, "muted") for year, value in points]
    for first, trend in trends.items():
        years = [year for year, _ in points if (year < _TURN) == (first < _TURN)]
        ends = [(across(year), up(max(trend.at(year), up.low))) for year in (years[0], years[-1])]
        shapes.append(line(*ends[0], *ends[1], "hardware", thick=2.5))
    return shapes


def _pace(trend: Trend) -> str:
    if 0.97 < trend.growth < 1.03:
        return "they stand still" if trend.low < 1 < trend.high else f"they change by {trend.growth - 1:+.0%} a year"
    return f"they {'rise' if trend.growth > 1 else 'fall'} by {abs(trend.growth - 1):.0%} a year"


def _label(value: float, unit: str) -> str:
    if unit == "1":
        for size, word in ((1e9, " billion"), (1e6, " million")):
            if value >= size:
                return f"{value / size:,.3g}{word}"
        return f"{value:,.0f}"
    return quantity_text(value, unit)
