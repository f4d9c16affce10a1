"""Which near-duplicates are noticed: the S of banded signatures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import MUTED
from aistack.frameworks.minhash import estimate, threshold
from aistack.units import count

_POINTS = np.linspace(0, 1, 101)


def draw(splits: Sequence[tuple[int, int]], wanted: float, chosen: int = 0) -> Figure:
    """A curve a split into (bands, rows), the `chosen` one in colour.

    `wanted` is the similarity from which on a pair counts as a copy, below 1.
    """
    import altair

    rows = [
        {"similarity": float(s), "odds": float(p), "split": f"{bands} × {rows}", "own": place == chosen}
        for place, (bands, rows) in enumerate(splits)
        for s, p in zip(_POINTS, estimate(_POINTS, rows, bands), strict=True)
    ]
    names = [
        {"similarity": threshold(rows, bands), "odds": 0.5, "label": f"{bands} × {rows}", "own": place == chosen}
        for place, (bands, rows) in enumerate(splits)
    ]
    bands, each = splits[chosen]
    found = float(estimate(wanted, each, bands))
    missed = f"one copy in {count(float(f'{1 / (1 - found):.1g}'))}"
    half = float(estimate(wanted / 2, each, bands))
    colour = altair.condition("datum.own", altair.value(HUES["frameworks"]), altair.value(MUTED))
    x = altair.X(
        "similarity:Q",
        axis=altair.Axis(title="Jaccard similarity of a pair", format=".0%", tickCount=5, grid=False),
        scale=altair.Scale(domain=[0, 1]),
    )
    y = altair.Y("odds:Q", axis=altair.Axis(title="probability that it is looked at", format=".0%", tickCount=5))
    chart = altair.layer(
        altair.Chart(altair.Data(values=[{"similarity": wanted}]))
        .mark_rule(color=MUTED, strokeDash=[3, 3])
        .encode(x=x),
        altair.Chart(altair.Data(values=rows))
        .mark_line(strokeWidth=1.8)
        .encode(x=x, y=y, detail="split:N", color=colour),
        altair.Chart(altair.Data(values=names))
        .mark_text(align="left", dx=6)
        .encode(x=x, y=y, text="label:N", color=colour),
    ).properties(width=430, height=260)
    return Figure(
        layer="frameworks",
        title=f"{bands} bands of {each} miss {missed} and look at {half:.0%} of pairs half as alike",
        subtitle="Probability that a pair is compared, by how alike it is; bands × values in a band",
        source="Derived: aistack.frameworks.minhash (Broder 1997); the dashed line is what counts as a copy.",
        alt="Curves in the shape of an S: pairs that are little alike are almost never looked at, those that are very "
        f"alike almost always. More values in a band move the curve right. At {wanted:.0%} the chosen one "
        f"misses {missed}.",
        chart=chart,
        table=[
            {
                "similarity": f"{s:.0%}",
                **{f"{bands} × {rows}": f"{float(estimate(s, rows, bands)):.2%}" for bands, rows in splits},
            }
            for s in (0.2, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
        ],
    )
