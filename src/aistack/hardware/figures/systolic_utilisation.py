"""How many rows a systolic array needs before it is busy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED
from aistack.hardware.systolic import estimate


def draw(sides: Sequence[int] = (32, 128, 256), rows: Sequence[int] = (), highlight: int | None = None) -> Figure:
    """Utilisation by rows of activations M, a line for each square array; `highlight` is the one in the layer's hue.

    The product is M x 4,096 by 4,096 x 4,096; `rows` are the M in the table.
    """
    import altair

    marked = highlight if highlight is not None and highlight in sides else max(sides)
    rows = tuple(rows) or (1, 8, 64, 128, 256, 1024, 4096)
    m = np.unique(np.round(2 ** np.linspace(0, 13, 105)))
    lines = [
        {"rows": float(each), "busy": float(busy), "side": side}
        for side in sides
        for each, busy in zip(m, estimate(m, 4096, 4096, side, side).utilisation, strict=True)
    ]
    names = [
        {"rows": side / 2, "busy": float(estimate(side / 2, 4096, 4096, side, side).utilisation), "side": side}
        | {"words": f"{side} × {side}"}
        for side in sides
    ]
    nine = int(m[np.argmax(estimate(m, 4096, 4096, marked, marked).utilisation >= 0.9)])
    x = altair.X(
        "rows:Q",
        scale=altair.Scale(type="log", domain=[1, 8192], nice=False),
        axis=log_axis("rows that the weights are multiplied by", [(4.0**p, f"{4**p:,}") for p in range(7)]),
    )
    y = altair.Y("busy:Q", scale=altair.Scale(domain=[0, 1]), axis=altair.Axis(title="cells busy", format="%"))
    colour = altair.condition(f"datum.side == {marked}", altair.value(HUES["hardware"]), altair.value(MUTED))
    ink = altair.condition(f"datum.side == {marked}", altair.value(HUES["hardware"]), altair.value(INK))
    chart = altair.layer(
        altair.Chart(altair.Data(values=lines)).mark_line().encode(x=x, y=y, detail="side:N", color=colour),
        # the curves come close to one another, so the last is named to its right
        *(
            altair.Chart(altair.Data(values=[name]))
            .mark_text(align="left" if name is names[-1] else "right", dx=8 if name is names[-1] else -8)
            .encode(x=x, y=y, text="words:N", color=ink)
            for name in names
        ),
    ).properties(width=520, height=260)
    at_one = float(estimate(1, 4096, 4096, marked, marked).utilisation)
    return Figure(
        layer="hardware",
        title=f"One row keeps {at_one:.2%} of a {marked} × {marked} array busy; nine tenths take about {nine:,}",
        subtitle="Share of a weight-stationary array's cells and cycles that multiply, by rows of an M × 4,096 by "
        "4,096 × 4,096 product; the next weights shift in behind the present ones",
        source="Derived: closed form of aistack.hardware.systolic, which its clock-by-clock simulation confirms.",
        alt=f"Busy cells against rows from 1 to 8,192, for square arrays of {', '.join(str(s) for s in sides)} cells a "
        "side. Each rises in proportion to the rows until there are as many rows as the array is high, then levels off "
        f"towards all of them; {marked} by {marked} passes nine tenths at about {nine:,} rows.",
        chart=chart,
        table=[
            {"rows": f"{each:,}"}
            | {f"{side} × {side}": f"{float(estimate(each, 4096, 4096, side, side).utilisation):.1%}" for side in sides}
            for each in rows
        ],
    )
