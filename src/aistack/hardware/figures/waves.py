"""What sizes that do not divide cost: tiles at the edge, and the last wave of tiles."""

from __future__ import annotations

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import MUTED
from aistack.hardware.chip import Chip
from aistack.hardware.energy import BLOCK_TILE
from aistack.hardware.gemm import estimate, filled

_LEAST, _MOST, _STEP = 512, 8192, 64


def draw(chip: Chip, precision: str) -> Figure:
    """By the side n of a square product on `chip`: places that are filled with tiles of one shape; the rate predicted.

    A place is a compute unit during a wave. Raises `BadInput` where the chip has no peak in `precision`.
    """
    import altair

    n = np.arange(_LEAST, _MOST + 1, _STEP, dtype=float)
    full = filled(n, n, chip.units, BLOCK_TILE)
    rate = 2 * n**3 / estimate(chip, n, n, n, precision) / chip.rate(precision)
    drop = int(np.argmax(full[:-1] - full[1:]))
    rows, columns = BLOCK_TILE
    shape = f"{rows} × {columns}"
    lines = [
        {"side": float(side), "share": float(share), "what": what}
        for what, shares in (("filled", full), ("rate", rate))
        for side, share in zip(n, shares, strict=True)
    ]
    high = float(max(full.max(), rate.max()))
    x = altair.X(
        "side:Q",
        scale=altair.Scale(domain=[0, _MOST], nice=False),
        axis=altair.Axis(title="side of the product", format=",.0f", tickCount=8),
    )
    y = altair.Y("share:Q", scale=altair.Scale(domain=[0, max(1.0, high)]), axis=altair.Axis(title=None, format="%"))
    named = [
        {"side": _MOST, "share": float(full[-1]), "words": "places filled", "what": "filled"},
        {"side": _MOST, "share": float(rate[-1]), "words": "rate, of the peak", "what": "rate"},
    ]
    colour = altair.condition("datum.what == 'rate'", altair.value(HUES["hardware"]), altair.value(MUTED))
    return Figure(
        layer="hardware",
        title=f"From side {n[drop]:,.0f} to {n[drop + 1]:,.0f} the places filled fall from {full[drop]:.0%} to "
        f"{full[drop + 1]:.0%}",
        subtitle=f"Square products in {precision} on {chip.name} with {chip.units:,} compute units. Grey: share of "
        f"their places that tiles of {shape} fill, waves and edges counted. Coloured: rate predicted with the best of "
        "several tile shapes",
        source="Derived: tiles and waves counted; rate as aistack.hardware.gemm predicts it; units and peak from the "
        "catalog.",
        alt=f"Two lines by the side of a product from {_LEAST:,} to {_MOST:,}. The share of places filled rises and "
        f"falls like a saw between {full.min():.0%} and {full.max():.0%}; the predicted rate climbs from {rate[0]:.0%} "
        f"to {rate[-1]:.0%} of the peak, with smaller teeth.",
        chart=altair.layer(
            altair.Chart(altair.Data(values=lines)).mark_line().encode(x=x, y=y, detail="what:N", color=colour),
            altair.Chart(altair.Data(values=named))
            .mark_text(align="left", dx=6)
            .encode(x=x, y=y, text="words:N", color=colour),
        ).properties(width=520, height=240),
        table=[
            {
                "side": f"{side:,.0f}",
                "tiles": int(np.ceil(side / rows) * np.ceil(side / columns)),
                "waves": int(np.ceil(np.ceil(side / rows) * np.ceil(side / columns) / chip.units)),
                "places filled": f"{share:.0%}",
                "rate, of the peak": f"{attained:.0%}",
            }
            for side, share, attained in list(zip(n, full, rate, strict=True))[::8]
        ],
    )
