"""Where the training text comes from, and under which licence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aistack import units
from aistack.drawing import HUES, Figure
from aistack.drawing.theme import MUTED

SHOWN = 20
_LONGEST = 34


def draw(sources: Mapping[str, Mapping[str, Any]], bytes_per_token: float) -> Figure:
    """A bar for each of the largest sources, in tokens; its documents and licence stand beside it.

    `sources` maps a name to its `licence`, `documents` and `bytes`; tokens are its bytes over `bytes_per_token`.
    """
    import altair

    total = sum(source["bytes"] for source in sources.values())
    ranked = sorted(sources.items(), key=lambda item: -item[1]["bytes"])
    table = [
        {
            "source": name,
            "tokens": round(source["bytes"] / bytes_per_token),
            "documents": source["documents"],
            "licence": source["licence"],
        }
        for name, source in ranked
    ]
    rows = [
        {**row, "words": f"{row['documents']:,} document{'s' * (row['documents'] != 1)}, {_short(str(row['licence']))}"}
        for row in table[:SHOWN]
    ]
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y(
            "source:N",
            sort=None,
            axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8, labelLimit=220),
        ),
        x=altair.X(
            "tokens:Q",
            axis=altair.Axis(title="tokens", labelExpr="datum.value ? format(datum.value, '~s') : '0'", tickCount=5),
        ),
    )
    chart = altair.layer(
        base.mark_bar(color=HUES["frameworks"], height=11),
        base.mark_text(align="left", dx=6, color=MUTED).encode(text="words:N"),
    ).properties(width=380, height=altair.Step(19))
    few = min(3, len(ranked))
    share = sum(source["bytes"] for _, source in ranked[:few]) / total
    unknown = sum(source["licence"] == "unknown" for source in sources.values())
    licences = (
        f"{len({source['licence'] for source in sources.values()})} licences" if not unknown else "licence unknown"
    )
    names = ", ".join(name for name, _ in ranked[:few])
    return Figure(
        layer="frameworks",
        title=f"{names} make up {share:.0%} of the text" if len(ranked) > few else f"The text comes from {names}",
        subtitle=f"The {len(rows)} largest of {len(ranked)} sources by tokens, of about "
        f"{units.text(bytes_per_token, 'B')} each, with documents and licence; {licences}",
        source="This run; licences as the packages' metadata states them.",
        alt=f"Bar chart of {len(rows)} sources of training text, from {rows[0]['source']} with "
        f"{rows[0]['tokens']:,} tokens to {rows[-1]['source']} with {rows[-1]['tokens']:,}.",
        chart=chart,
        table=table,
    )


def _short(licence: str) -> str:
    """A licence expression, cut at its first terms where it is long."""
    terms = licence.split(" AND ")
    while len(terms) > 1 and len(" AND ".join(terms)) > _LONGEST:
        terms.pop()
    short = " AND ".join(terms)
    return short if short == licence else f"{short} and {licence.count(' AND ') + 1 - len(terms)} more"
