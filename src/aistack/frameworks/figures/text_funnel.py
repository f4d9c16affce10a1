"""From the text that was found to the text that is trained on: what each step kept, and why it dropped the rest."""

from __future__ import annotations

from typing import Any

from aistack import units
from aistack.drawing import HUES, Figure
from aistack.drawing.theme import MUTED
from aistack.frameworks.funnel import Amount, Funnel, Step

_REASONS = 2
"""Losses that are named beside a bar; the table has them all."""


def draw(funnel: Funnel, drawn: Step, tokens: int) -> Figure:
    """A bar a step: what it let through in the layer's colour, what it dropped in grey, with the largest reasons."""
    import altair

    found, left = funnel.steps[0].taken, funnel.steps[-1].kept
    bars: list[dict[str, Any]] = []
    notes: list[dict[str, str]] = []
    table: list[dict[str, Any]] = []
    for step in funnel.steps:
        losses = sorted(step.dropped.items(), key=lambda item: -item[1].bytes)
        lost = step.taken.bytes - step.kept.bytes
        bars.append({"step": step.name, "start": 0, "end": step.kept.bytes / 1e6, "what": "kept"})
        bars.append(
            {"step": step.name, "start": step.kept.bytes / 1e6, "end": step.taken.bytes / 1e6, "what": "dropped"}
        )
        notes.append({"step": step.name, "words": _words(step, lost, losses)})
        table.extend(
            {"step": step.name, "reason": reason, "documents": amount.documents, "bytes": amount.bytes}
            for reason, amount in [*losses, ("kept", step.kept)]
        )
    base = altair.Chart(altair.Data(values=bars)).encode(
        y=altair.Y(
            "step:N",
            sort=None,
            axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8, offset=0),
            scale=altair.Scale(paddingInner=0.68, paddingOuter=0.35),
        )
    )
    chart = altair.layer(
        base.mark_bar().encode(
            x=altair.X(
                "start:Q", axis=altair.Axis(title="text, MB", format="~g", tickCount=6), scale=altair.Scale(nice=False)
            ),
            x2="end:Q",
            color=altair.Color(
                "what:N", scale=altair.Scale(domain=["kept", "dropped"], range=[HUES["frameworks"], MUTED]), legend=None
            ),
            fillOpacity=altair.condition("datum.what == 'kept'", altair.value(1), altair.value(0.35)),
        ),
        altair.Chart(altair.Data(values=notes))
        .mark_text(align="left", baseline="top", dy=12, dx=1, color=MUTED, fontSize=10.5)
        .encode(y=altair.Y("step:N", sort=None), x=altair.value(0), text="words:N"),
    ).properties(width=540, height=altair.Step(46))
    share = left.bytes / found.bytes
    return Figure(
        layer="frameworks",
        title=f"{share:.0%} of the text and {left.documents / found.documents:.0%} of the documents come through",
        subtitle="Text after each step, what it kept in the layer's colour, what it dropped in grey, from "
        f"{drawn.kept.documents:,} pieces of source ({units.text(drawn.kept.bytes, 'B')}); what is left becomes "
        f"{units.text(tokens, 'token')}",
        source="This run's account of its steps.",
        alt=f"Bars of {len(funnel.steps)} steps: {found.documents:,} documents of {units.text(found.bytes, 'B')} go "
        f"in, {left.documents:,} of {units.text(left.bytes, 'B')} come out. "
        + " ".join(f"{note['step']}: {note['words']}." for note in notes),
        chart=chart,
        table=table,
    )


def _words(step: Step, lost: int, losses: list[tuple[str, Amount]]) -> str:
    """What stands below a bar."""
    kept = f"{step.kept.documents:,} documents"
    if not losses:
        return kept
    named = [f"{reason} {units.text(amount.bytes, 'B')}" for reason, amount in losses[:_REASONS]]
    if len(losses) == 1:
        named = [losses[0][0]]
    more = [f"{len(losses) - _REASONS} more"] if len(losses) > _REASONS else []
    return f"{kept}, minus {units.text(lost, 'B')}: {'; '.join([*named, *more])}"
