"""How often each way of searching finds the right passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import MUTED

_WORDS = {"lexical": "words (BM25)", "dense": "vectors", "hybrid": "both together"}


def draw(modes: Sequence[Mapping[str, Any]], passages: int) -> Figure:
    """A panel a measure, a dot a way of searching with its 95% interval.

    `modes` holds mappings of `mode`, `questions`, `seconds` and `measures`: name -> `value`, `low`, `high`.
    """
    import altair

    rows = [
        {
            "search": _WORDS[mode["mode"]],
            "measure": name,
            "value": score["value"],
            "low": score["low"],
            "high": score["high"],
            "questions": mode["questions"],
            "milliseconds": 1e3 * mode["seconds"],
        }
        for mode in modes
        for name, score in mode["measures"].items()
    ]
    shown = ["recall@1", "recall@5", "recall@10", "MRR"]
    base = altair.Chart().encode(
        y=altair.Y("search:N", sort=list(_WORDS.values()), axis=altair.Axis(title=None, ticks=False, domain=False))
    )
    x = altair.X(
        "value:Q",
        scale=altair.Scale(domain=[0, 1]),
        axis=altair.Axis(title=None, format="%", values=[0, 0.5, 1], grid=True),
    )
    hue = HUES["applications"]
    panel = altair.layer(
        base.mark_rule(color=hue, strokeWidth=2).encode(x=altair.X("low:Q", title=None), x2="high:Q"),
        base.mark_point(color=hue).encode(x=x),
        base.mark_text(dy=-10, color=MUTED).encode(x=x, text=altair.Text("value:Q", format=".0%")),
        data=altair.Data(values=[row for row in rows if row["measure"] in shown]),
    ).properties(width=118, height=altair.Step(34))
    chart = panel.facet(column=altair.Column("measure:N", sort=shown, title=None), spacing=14)
    return Figure(
        layer="applications",
        title=_finding(modes),
        subtitle=f"{modes[0]['questions']} questions put to {passages:,} passages: share answered within the first 1, "
        "5 and 10 results, and mean reciprocal rank; lines are 95% intervals",
        source="A question is a sentence taken out of its passage (inverse cloze task), the rest is to find.",
        alt="Dot plots, one panel a measure. "
        + " ".join(
            f"{row['search']}, {row['measure']}: {row['value']:.0%}." for row in rows if row["measure"] in shown
        ),
        chart=chart,
        table=rows,
    )


def _finding(modes: Sequence[Mapping[str, Any]]) -> str:
    best, *others = sorted(modes, key=lambda mode: -float(mode["measures"]["recall@5"]["value"]))
    top = best["measures"]["recall@5"]
    name, share = _WORDS[best["mode"]], f"{top['value']:.0%}"
    if all(mode["measures"]["recall@5"]["high"] < top["low"] for mode in others):
        return f"Search by {name} finds most: the right passage is among the first five in {share} of cases"
    return (
        f"Search by {name} finds the right passage among the first five in {share} of cases, but no way is clearly best"
    )
