"""How recall falls as there is more to search: pilots, the prediction from them, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, PAPER

_WORDS = {"lexical": "words (BM25)", "dense": "vectors"}


def draw(curves: Sequence[Mapping[str, Any]], k: int) -> Figure:
    """Recall@`k` over the number of passages: hollow dots are pilots, filled ones measured, the band is predicted.

    `curves` holds mappings of `mode`, `points` (passages, kind "pilot" or "measured", value, low, high) and
    `prediction` (passages, value, low, high).
    """
    import altair

    series = [_WORDS[curve["mode"]] for curve in curves]
    colour = altair.Color(
        "search:N",
        scale=altair.Scale(domain=list(_WORDS.values()), range=[HUES["applications"], INK]),
        legend=None,
    )
    predicted, points = (
        [row | {"search": name} for curve, name in zip(curves, series, strict=True) for row in curve[what]]
        for what in ("prediction", "points")
    )
    x = altair.X(
        "passages:Q",
        scale=altair.Scale(type="log", nice=False),
        axis=altair.Axis(title="passages searched", format="~s", tickCount=6),
    )
    y = altair.Y("value:Q", scale=altair.Scale(domain=[0, 1]), axis=altair.Axis(title=f"recall@{k}", format="%"))
    line = altair.Chart(altair.Data(values=predicted)).encode(x=x, color=colour)
    dots = altair.Chart(altair.Data(values=points)).encode(x=x, color=colour)
    ends = [curve["prediction"][0] | {"search": name} for curve, name in zip(curves, series, strict=True)]
    chart = altair.layer(
        line.mark_area(opacity=0.15).encode(y=altair.Y("low:Q"), y2="high:Q"),
        line.mark_line(strokeDash=[5, 3]).encode(y=y),
        dots.mark_rule(strokeWidth=1.5).encode(y=altair.Y("low:Q"), y2="high:Q"),
        dots.transform_filter("datum.kind === 'pilot'")
        .mark_point(filled=False, fill=PAPER, strokeWidth=1.5, size=50)
        .encode(y=y),
        dots.transform_filter("datum.kind === 'measured'").mark_point(size=60).encode(y=y),
        altair.Chart(altair.Data(values=ends))
        .mark_text(align="left", dx=4, dy=-14)
        .encode(x=x, y=altair.Y("high:Q"), text="search:N", color=colour),
    ).properties(width=560, height=260)
    words = curves[0]
    measured, expected = words["points"][-1], words["prediction"][-1]
    return Figure(
        layer="applications",
        title=f"Of {measured['passages']:,} passages, words find the right one within {k} results in "
        f"{measured['value']:.0%} of cases; {expected['low']:.0%} to {expected['high']:.0%} was predicted",
        subtitle="Hollow: pilots that the prediction was made from. Dashed with 95% band: the prediction. Filled: "
        "measured, with 95% interval",
        source="This run. Model: the wrong passages that outscore the right one are beta-binomial.",
        alt=f"Recall@{k} against the number of passages. "
        + " ".join(f"{row['search']}, {row['kind']}, {row['passages']:,}: {row['value']:.0%}." for row in points),
        chart=chart,
        table=[
            {"search": row["search"], "what": row.get("kind", "predicted"), "passages": row["passages"]}
            | {key: row[key] for key in ("value", "low", "high")}
            for row in (*points, *predicted)
        ],
    )
