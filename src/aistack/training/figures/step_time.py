"""What a training step's time goes to, predicted and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text

_NAMES = {
    "matmul": "matrix products",
    "attention": "attention",
    "elementwise": "elementwise operations",
    "lookup": "token table",
    "optimizer": "optimizer",
}


def draw(predicted: Mapping[str, float], measured: Mapping[str, float]) -> Figure:
    """A row for each kind of operation: a ring at the predicted seconds, a dot at the measured ones."""
    import altair

    kinds = sorted(_NAMES, key=lambda kind: -measured.get(kind, 0.0))
    rows: list[dict[str, Any]] = [
        {"kind": _NAMES[kind], "predicted": predicted.get(kind, 0.0), "measured": measured.get(kind, 0.0)}
        for kind in kinds
    ]
    total, expected = sum(measured.values()), sum(predicted.values())
    most = max(*predicted.values(), *measured.values())
    unit, scale = ("ms", 1e3) if most < 1 else ("s", 1.0)
    axis = altair.Axis(title=f"time in one step, {unit}", labelExpr=f"format(datum.value * {scale}, '~g')", tickCount=6)
    domain = altair.Scale(domain=[0, most * 1.15], nice=False)
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y(
            "kind:N", sort=None, axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8, labelLimit=200)
        )
    )
    at_measured = altair.X("measured:Q", scale=domain, axis=axis)
    at_predicted = altair.X("predicted:Q", scale=domain, axis=axis)
    first = altair.Chart(altair.Data(values=rows[:1])).encode(y=altair.Y("kind:N", sort=None))
    chart = altair.layer(
        base.mark_rule(color=MUTED, opacity=0.5).encode(x=at_predicted, x2="measured:Q"),
        base.mark_point(fill=PAPER, stroke=MUTED, strokeWidth=2, size=70).encode(x=at_predicted),
        base.mark_point(color=HUES["training"], size=70).encode(x=at_measured),
        first.mark_text(dy=-13, color=HUES["training"]).encode(x=at_measured, text=altair.value("measured")),
        first.mark_text(dy=15, color=INK).encode(x=at_predicted, text=altair.value("predicted")),
    ).properties(height=altair.Step(38))
    largest = kinds[0]
    return Figure(
        layer="training",
        title=f"Of a step's {text(total, 's')}, {_NAMES[largest]} take {measured[largest] / total:.0%}",
        subtitle="Time of one training step by kind of operation: rings as predicted before training, dots as the "
        "profiler saw it after",
        source="Predicted: each operation priced at this machine's measured rates, times its kind's factor from a "
        "smaller model. Measured: PyTorch's profiler, scaled to the median step.",
        alt=f"Predicted {text(expected, 's')} a step, measured {text(total, 's')}. "
        + ", ".join(f"{row['kind']} {text(row['measured'], 's')}" for row in rows)
        + ".",
        chart=chart,
        table=[
            {"operations": row["kind"], "predicted, s": row["predicted"], "measured, s": row["measured"]}
            for row in rows
        ],
    )
