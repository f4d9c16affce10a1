"""Decoding a model that no cache holds: memory's bandwidth, and what eight bits buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text


def draw(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """A row for each number format and batch: a ring at the predicted time of a step, a dot at the measured one.

    `steps` has rows of format, batch, predicted and measured (s).
    """
    import altair

    rows = [
        {
            "step": f"{each['format']}, {each['batch']} sequence{'s' if each['batch'] > 1 else ''}",
            "predicted": each["predicted"] * 1e3,
            "measured": each["measured"] * 1e3,
        }
        for each in steps
    ]
    most = max(max(row["predicted"], row["measured"]) for row in rows)
    scale = altair.Scale(domain=[0, 1.12 * most], nice=False)
    axis = altair.Axis(title="time of one decode step, ms", tickCount=6)
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y("step:N", sort=None, axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8))
    )
    first = altair.Chart(altair.Data(values=rows[:1])).encode(y=altair.Y("step:N", sort=None))
    predicted = altair.X("predicted:Q", scale=scale, axis=axis)
    measured = altair.X("measured:Q", scale=scale, axis=axis)
    chart = altair.layer(
        base.mark_rule(color=MUTED, opacity=0.5).encode(x=predicted, x2="measured:Q"),
        base.mark_point(fill=PAPER, stroke=MUTED, strokeWidth=2, size=70).encode(x=predicted),
        base.mark_point(color=HUES["serving"], size=70).encode(x=measured),
        first.mark_text(dy=-13, color=HUES["serving"]).encode(x=measured, text=altair.value("measured")),
        first.mark_text(dy=15, color=INK).encode(x=predicted, text=altair.value("predicted")),
    ).properties(height=altair.Step(38))
    alone = {each["format"]: each["measured"] for each in steps if each["batch"] == 1}
    gain = alone["float32"] / alone["int8"]
    return Figure(
        layer="serving",
        title=f"Where the weights come from memory, eight bits make a step {gain:.1f} times as fast",
        subtitle="One decode step of a larger model of random weights, which no cache holds: rings predicted, dots "
        "measured (median)",
        source="Predicted: bytes of the weights at this machine's measured bandwidth, and every operation's cost.",
        alt=". ".join(
            f"{row['step']}: predicted {text(row['predicted'] / 1e3, 's')}, measured {text(row['measured'] / 1e3, 's')}"
            for row in rows
        )
        + ".",
        chart=chart,
        table=[
            {"step": row["step"], "predicted, ms": row["predicted"], "measured, ms": row["measured"]} for row in rows
        ],
    )
