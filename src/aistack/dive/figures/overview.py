"""How far each prediction was from what was measured, all layers in one picture."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.dive.ledger import Entry
from aistack.drawing import HUES, LAYERS, Figure
from aistack.drawing.theme import MUTED


def draw(entries: Sequence[Entry]) -> Figure:
    """A dot a quantity at measured / predicted, on a logarithmic axis around 1, with its measured spread."""
    import altair

    rows = []
    ratios = []
    for entry in entries:
        if entry.ratio is None or entry.measured is None:
            continue
        ratios.append(entry.ratio)
        rows.append(
            {
                "layer": entry.layer,
                "quantity": entry.quantity,
                "ratio": entry.ratio,
                "least": (entry.measured if entry.least is None else entry.least) / entry.predicted,
                "most": (entry.measured if entry.most is None else entry.most) / entry.predicted,
            }
        )
    near = sum(1 for ratio in ratios if 0.8 <= ratio <= 1.25)
    low, high = min([0.5, *ratios]) * 0.9, max([2.0, *ratios]) * 1.1
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y(
            "quantity:N",
            sort=None,
            axis=altair.Axis(title=None, ticks=False, domain=False, labelLimit=300, labelPadding=8),
        ),
        color=altair.Color(
            "layer:N", scale=altair.Scale(domain=list(LAYERS), range=[HUES[layer] for layer in LAYERS]), legend=None
        ),
    )
    x = altair.X(
        "ratio:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=altair.Axis(
            title="measured / predicted",
            values=[value for value in (0.01, 0.1, 0.25, 0.5, 0.8, 1, 1.25, 2, 4, 10, 100) if low <= value <= high],
            format="~g",
            grid=True,
        ),
    )
    one = altair.Chart(altair.Data(values=[{"ratio": 1}])).mark_rule(color=MUTED, strokeWidth=1.5).encode(x="ratio:Q")
    chart = altair.layer(
        one,
        base.mark_rule(strokeWidth=2, clip=True).encode(x=altair.X("least:Q"), x2="most:Q"),
        base.mark_point(size=60, opacity=1).encode(x=x),
    ).properties(width=400, height=altair.Step(19))
    return Figure(
        layer="applications",
        title=f"{near} of {len(rows)} predictions came within a quarter of what was measured",
        subtitle="Measured over predicted, one dot a quantity, coloured by layer; lines span the repeated measurements",
        source="This run; every prediction was entered before its measurement.",
        alt=f"Dot plot of {len(rows)} ratios of measured to predicted, on an axis from {low:.2g} to {high:.2g}; "
        f"{near} lie between 0.8 and 1.25.",
        chart=chart,
        table=rows,
    )
