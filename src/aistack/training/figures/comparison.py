"""Plans side by side: a panel a quantity, a bar a plan."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from aistack.drawing import HUES, Figure, Layer
from aistack.drawing.labels import width
from aistack.drawing.theme import INK, MUTED
from aistack.units import span, text

if TYPE_CHECKING:
    import altair

_PANEL, _ROW, _BAR, _ABREAST = 190, 34, 13, 2
_TITLE, _LETTERS = 90, 28


class Measure(NamedTuple):
    """A quantity of every plan."""

    name: str
    unit: str
    """An SI unit, or "%" for a share of one."""
    values: Sequence[float]
    """NaN where a plan has none."""
    intervals: Sequence[tuple[float, float] | None]
    more_is_better: bool

    def words(self, value: float) -> str:
        """A value with its unit."""
        if not math.isfinite(value):
            return "unknown"
        return f"{value:.1%}" if self.unit == "%" else text(value, self.unit)

    @property
    def order(self) -> list[int]:
        """Places of the plans that have a value, the best first."""
        known = [place for place, value in enumerate(self.values) if math.isfinite(value)]
        return sorted(known, key=lambda place: self.values[place], reverse=self.more_is_better)


def draw(
    columns: Sequence[str],
    measures: Sequence[Measure],
    competing: Sequence[bool],
    shared: str,
    layer: Layer = "serving",
) -> Figure:
    """Bars of each measure's values for the plans named by `columns`, the best in colour, with intervals as lines.

    Measures stand in the order of their weight: the title speaks of the first that tells plans apart. `competing` are
    the plans that may be the best (that fit, and meet their goals), `shared` says what all plans have in common,
    `layer` whose they are. Measures without any value are left out.
    """
    import altair

    known = [each for each in measures if each.order]
    panels = [_panel(measure, columns, competing, layer, place % _ABREAST == 0) for place, measure in enumerate(known)]
    rows = [altair.hconcat(*panels[at : at + _ABREAST], spacing=24) for at in range(0, len(panels), _ABREAST)]
    return Figure(
        layer=layer,
        title=_title(known, columns),
        subtitle=f"{shared}: the best of each in colour; lines are what eight of ten such predictions measured",
        source="Derived: each plan as aistack predicts it; prices and rates from the catalog.",
        alt="; ".join(
            f"{measure.name}: "
            + ", ".join(
                f"{column} {measure.words(value)}" for column, value in zip(columns, measure.values, strict=True)
            )
            for measure in known
        )
        + ".",
        chart=altair.vconcat(*rows, spacing=18),
        table=[
            {
                "plan": column,
                **{measure.name: measure.words(measure.values[place]) for measure in known},
                **{
                    f"{measure.name}, interval": span(*between, measure.unit) if between else ""
                    for measure in known
                    if any(measure.intervals)
                    for between in [measure.intervals[place]]
                },
            }
            for place, column in enumerate(columns)
        ],
    )


def _panel(
    measure: Measure, columns: Sequence[str], competing: Sequence[bool], layer: Layer, named: bool
) -> altair.LayerChart | altair.FacetChart:
    import altair

    order = [place for place in measure.order if competing[place]]
    best = order[0] if order and _differs(measure, order) else None
    rows: list[dict[str, Any]] = [
        {
            "row": place * _ROW + _ROW / 2,
            "start": 0.0,
            "value": value if math.isfinite(value) else 0.0,
            "words": measure.words(value),
        }
        for place, value in enumerate(measure.values)
    ]
    ends = [
        {"row": place * _ROW + _ROW / 2 + _BAR / 2 + 3, "low": between[0], "high": between[1]}
        for place, between in enumerate(measure.intervals)
        if between is not None
    ]
    most = max(*(row["value"] for row in rows), *(end["high"] for end in ends), 1e-12)
    room = max(width(row["words"]) + 8 for row in rows)
    x = altair.X("value:Q", scale=altair.Scale(domain=[0, most * _PANEL / (_PANEL - room)], nice=False), axis=None)
    tall = _ROW * len(columns)
    y = altair.Y("row:Q", scale=altair.Scale(domain=[0, tall], reverse=True, nice=False), axis=None)

    def chart(values: Sequence[dict[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=list(values)))

    layers = [
        chart([row])
        .mark_bar(height=_BAR, color=HUES[layer] if place == best else MUTED, opacity=1.0 if place == best else 0.6)
        .encode(x=x, x2="start:Q", y=y)
        for place, row in enumerate(rows)
    ]
    layers += [
        chart([row])
        .mark_text(align="left", dx=5, color=INK, fontWeight="bold" if place == best else "normal")
        .encode(x=x, y=y, text="words:N")
        for place, row in enumerate(rows)
    ]
    layers.append(chart(ends).mark_rule(color=MUTED, strokeWidth=1.5).encode(x=altair.X("low:Q"), x2="high:Q", y=y))
    if named:
        for place, column in enumerate(columns):
            lines = textwrap.wrap(column, _LETTERS) or [column]
            name = {"row": place * _ROW + _ROW / 2, "words": "\n".join(lines)}
            layers.append(
                chart([name])
                .mark_text(align="right", dx=-8, dy=-(len(lines) - 1) * 6, lineBreak="\n", lineHeight=12, color=INK)
                .encode(x=altair.value(0), y=y, text="words:N")
            )
    return altair.layer(*layers).properties(
        width=_PANEL, height=tall, title=altair.Title(measure.name, anchor="start", frame="group", fontSize=12)
    )


def _differs(measure: Measure, order: Sequence[int]) -> bool:
    """Whether the first can be told from the last."""
    first, last = (measure.words(measure.values[order[at]]) for at in (0, -1))
    return first != last


def _title(measures: Sequence[Measure], columns: Sequence[str]) -> str:
    """The best and the worst of the first quantity in which plans differ."""
    apart = [measure for measure in measures if _differs(measure, measure.order)]
    if not apart:
        return f"The {len(columns)} plans do not differ in what is drawn"
    first = apart[0]
    best, worst = first.order[0], first.order[-1]
    ends = [first.words(first.values[place]) for place in (best, worst)]
    named = f"{first.name}: {ends[0]} with {columns[best]}, {ends[1]} with {columns[worst]}"
    return named if len(named) <= _TITLE else f"{first.name}: {ends[0]} at best, {ends[1]} at worst"
