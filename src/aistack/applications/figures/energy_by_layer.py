"""Where the dive's energy and time went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aistack import units
from aistack.drawing import HUES, LAYERS, Figure


def draw(energy: Mapping[str, Any]) -> Figure:
    """A bar a layer, the top of the stack on top, with energy and processor time written beside it.

    `energy` has `layers` (layer, seconds, cpu_seconds, joules, low, high, kind), `joules`, `low`, `high`, `footprint`,
    `usd_per_million_tokens` and `assumptions`.
    """
    import altair

    rows = [
        {
            "layer": each["layer"],
            "joules": each["joules"],
            "low": each["low"],
            "high": each["high"],
            "seconds": each["seconds"],
            "cpu_seconds": each["cpu_seconds"],
            "kind": each["kind"],
            "label": f"{units.text(each['joules'], 'J')}, {each['cpu_seconds']:,.0f} s of processor time",
        }
        for each in energy["layers"]
    ]
    most = max(row["joules"] for row in rows)
    y = altair.Y(
        "layer:N",
        sort=list(reversed(LAYERS)),
        axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8),
    )
    base = altair.Chart(altair.Data(values=rows)).encode(y=y)
    x = altair.X("joules:Q", scale=altair.Scale(domain=[0, most * 1.45]), axis=None)
    chart = altair.layer(
        base.mark_bar(height=18).encode(
            x=x,
            color=altair.Color(
                "layer:N", scale=altair.Scale(domain=list(LAYERS), range=[HUES[each] for each in LAYERS]), legend=None
            ),
        ),
        base.mark_text(align="left", dx=6).encode(x=x, text="label:N"),
    ).properties(width=480, height=altair.Step(30))
    top = max(rows, key=lambda row: row["joules"])
    total, footprint = energy["joules"], energy["footprint"]
    kinds = "measured" if all(row["kind"] == "measured" for row in rows) else "processor time times an assumed power"
    return Figure(
        layer="applications",
        title=f"{top['layer'].capitalize()} took {top['joules'] / total:.0%} of the dive's {units.text(total, 'J')}",
        subtitle=f"Energy of the machine by layer: {kinds}. In all {units.text(energy['low'], 'J')} to "
        f"{units.text(energy['high'], 'J')}, {units.text(footprint['carbon'], 'kg')} CO2e and "
        f"{units.text(footprint['cost'], 'USD')} of electricity in an average data centre; "
        f"{units.text(energy['usd_per_million_tokens'], 'USD')} for a million tokens of the served model",
        source="; ".join(f"{each['name']}: {each['source']}" for each in energy["assumptions"]),
        alt=f"Bars of energy by layer, in all {units.text(total, 'J')}. "
        + " ".join(f"{row['layer']}: {row['label']}." for row in rows),
        chart=chart,
        table=rows,
    )
