"""Published serving throughput and times against predicted ones: a panel a quantity."""

from __future__ import annotations

import math
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.evidence.serving_report import Quantity, Report
from aistack.units import text

_SIDE = 250
_CIRCLED = 5
_QUANTITIES = {"throughput": ("output throughput", "token/s"), "ttft": ("time to first token", "s"),
               "tpot": ("time per output token", "s")}  # fmt: skip

Point = dict[str, Any]


def draw(report: Report) -> Figure:
    """A dot a trusted row at its published and predicted value, beside the line of equality, the farthest in rings.

    Predictions are those with constants that have not seen the row's source.
    """
    import altair

    quantities = [each for each in report.quantities if each.headline is not None]
    if not quantities:
        raise ValueError("There is no trusted row to draw.")
    panels = [_panel(each, _points(report, each)) for each in quantities]
    said = ", ".join(
        f"{_QUANTITIES[each.metric][0]} {each.headline.median:.0%}" for each in quantities if each.headline
    )
    return Figure(
        layer="serving",
        title=f"Median errors of what was never fitted: {said}",
        subtitle=f"{report.trusted:,} trusted rows of {len(report.rows):,} published ones, each predicted without its "
        "own source. Medians are means over sources. The line is where predicted equals published; the farthest have "
        "a ring",
        source="Published: the sources as named. Predicted: aistack, with constants fitted on the other sources.",
        alt="Published serving against predictions. "
        + " ".join(
            f"{_QUANTITIES[each.metric][0].capitalize()}: {each.headline.pooled.rows:,} rows, "
            f"{each.headline.sources} sources, median error {each.headline.median:.0%}, nine of ten within "
            f"{each.headline.percentile_90:.0%}, "
            f"{each.headline.inside:.0%} in the 80% interval."
            for each in quantities
            if each.headline
        ),
        chart=altair.hconcat(*panels, spacing=30),
        table=[
            {
                "quantity": _QUANTITIES[each.metric][0],
                "source": line.of,
                "rows": line.rows,
                "groups": line.groups,
                "median error": f"{line.median:.1%}",
                "90th percentile": f"{line.percentile_90:.1%}",
                "predicted / published": line.ratio,
                "in the 80% interval": f"{line.inside:.0%}",
            }
            for each in quantities
            for line in each.by_source
        ],
    )  # fmt: skip


def _points(report: Report, quantity: Quantity) -> list[Point]:
    found = []
    for row in report.rows:
        each = row.comparisons.get(quantity.metric)
        if row.trusted and each is not None and math.isfinite(each.source_left_out):
            name = f"{row.model}, {row.accelerator}"
            predicted = each.source_left_out
            found.append({"id": row.id, "name": name, "published": each.published, "predicted": predicted})
    return found


def _panel(quantity: Quantity, points: list[Point]) -> Any:
    import altair

    name, unit = _QUANTITIES[quantity.metric]
    values = [point[key] for point in points for key in ("published", "predicted")]
    low, high = min(values) / 2, 2 * max(values)
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    ticks = [
        (
            10.0**power,
            f"{10**power:,} s" if unit == "s" and power > 1 else text(10.0**power, unit).removesuffix(" tokens/s"),
        )
        for power in powers
    ]
    scale = altair.Scale(type="log", domain=[low, high], nice=False)
    shown = f"{name}, {unit.replace('token', 'tokens')}" if unit != "s" else name
    x = altair.X("published:Q", scale=scale, axis=log_axis(f"published {shown}", ticks[::2], grid=True))
    y = altair.Y("predicted:Q", scale=scale, axis=log_axis("predicted", ticks, grid=True))

    known = {point["id"]: point for point in points}
    far = [known[each.id] for each in quantity.worst if each.id in known][:_CIRCLED]
    ends = [{"published": low, "predicted": low}, {"published": high, "predicted": high}]
    return altair.layer(
        altair.Chart(altair.Data(values=ends)).mark_line(color=MUTED, strokeWidth=1).encode(x=x, y=y),
        altair.Chart(altair.Data(values=points))
        .mark_point(color=HUES["serving"], size=9, opacity=0.35)
        .encode(x=x, y=y),
        altair.Chart(altair.Data(values=far))
        .mark_point(stroke=INK, fill=PAPER, strokeWidth=1.5, size=34)
        .encode(x=x, y=y),
    ).properties(width=_SIDE, height=_SIDE)
