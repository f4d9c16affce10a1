"""One panel of time against size: the fitted line, the points that it was fitted to, and those held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aistack.drawing import HUES
from aistack.drawing.theme import MUTED, PAPER

if TYPE_CHECKING:
    import altair


def panel(
    line: Sequence[Mapping[str, float]],
    between: Sequence[altair.Chart],
    points: Sequence[Mapping[str, Any]],
    x: altair.X,
    y: altair.Y,
    *,
    height: int,
    title: str,
    subtitle: str,
) -> altair.LayerChart | altair.FacetChart:
    """`line` and `points` (which say whether `fitted`) hold `size` and `seconds`; `between` lies between the two."""
    import altair

    measured = altair.Chart(altair.Data(values=list(points)))
    return altair.layer(
        altair.Chart(altair.Data(values=list(line))).mark_line(color=MUTED, strokeWidth=1.5).encode(x=x, y=y),
        *between,
        measured.transform_filter("datum.fitted").mark_point(color=HUES["infrastructure"]).encode(x=x, y=y),
        measured.transform_filter("!datum.fitted")
        .mark_point(stroke=HUES["infrastructure"], fill=PAPER, strokeWidth=2, size=60)
        .encode(x=x, y=y),
    ).properties(
        width=172,
        height=height,
        title=altair.Title(title, subtitle=subtitle, anchor="start", fontWeight="normal", subtitleColor=MUTED),
    )
