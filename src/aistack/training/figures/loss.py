"""The loss as training went on, and the loss that was forecast for its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text


def draw(
    curve: Sequence[Mapping[str, float]], validation: Sequence[Mapping[str, float]], forecast: Mapping[str, float]
) -> Figure:
    """Training loss as a line, validation loss as dots, and at the end the forecast with its interval.

    `curve` and `validation` have rows of tokens and loss (nats a token); `forecast` has loss, low and high.
    """
    import altair

    hue, last = HUES["training"], validation[-1]
    end, measured = last["tokens"], last["loss"]
    losses = [row["loss"] for row in (*curve, *validation)]
    low, high = min(*losses, forecast["low"]), max(*losses, forecast["high"])
    x = altair.X(
        "tokens:Q",
        scale=altair.Scale(domain=[0, end * 1.22], nice=False),
        axis=altair.Axis(title="tokens trained on, millions", labelExpr="format(datum.value / 1e6, '~g')", tickCount=6),
    )
    y = altair.Y(
        "loss:Q",
        scale=altair.Scale(domain=[low - 0.05 * (high - low), high], nice=False, zero=False),
        axis=altair.Axis(title="loss, nats a token", tickCount=6),
    )
    beside = end * 1.05
    expected = [{"tokens": beside, "loss": forecast["loss"], "low": forecast["low"], "high": forecast["high"]}]
    reached = [{"tokens": beside, "loss": measured}]
    # side by side the two numbers would overlap: the greater one is written above its mark, the other below
    apart = 9 if measured < forecast["loss"] else -9
    interval = altair.Chart(altair.Data(values=expected))
    steps = altair.Chart(altair.Data(values=list(curve)))
    dots = altair.Chart(altair.Data(values=list(validation)))
    chart = altair.layer(
        steps.mark_line(color=MUTED, strokeWidth=1.2).encode(x=x, y=y),
        dots.mark_line(color=hue, strokeWidth=1.5).encode(x=x, y=y),
        dots.mark_point(color=hue).encode(x=x, y=y),
        interval.mark_rule(color=INK, strokeWidth=2).encode(x=x, y=altair.Y("low:Q"), y2="high:Q"),
        interval.mark_point(fill=PAPER, stroke=INK, strokeWidth=2, size=60).encode(x=x, y=y),
        interval.mark_text(align="left", dx=9, dy=-apart, color=INK).encode(
            x=x, y=y, text=altair.value(f"forecast {forecast['loss']:.2f}")
        ),
        altair.Chart(altair.Data(values=reached)).mark_point(color=hue, size=60).encode(x=x, y=y),
        altair.Chart(altair.Data(values=reached))
        .mark_text(align="left", dx=9, dy=apart, color=hue)
        .encode(x=x, y=y, text=altair.value(f"measured {measured:.2f}")),
    )
    inside = forecast["low"] <= measured <= forecast["high"]
    return Figure(
        layer="training",
        title=f"After {text(end, 'token')} the model's loss is {measured:.2f}, "
        + ("within" if inside else "outside")
        + f" the forecast of {forecast['low']:.2f} to {forecast['high']:.2f}",
        subtitle="Grey: training loss of each stretch of the run. Dots: loss on held-back text. Ring and bar: the loss "
        "forecast before training, with its 90% interval",
        source="Measured in this run. Forecast: scaling laws of Hoffmann et al. 2022 (arXiv:2203.15556) and Besiroglu "
        "et al. 2024 (arXiv:2404.10102), moved to this text by short runs of smaller models.",
        alt=f"Validation loss falls from {validation[0]['loss']:.2f} after {text(validation[0]['tokens'], 'token')} to "
        f"{measured:.2f} after {text(end, 'token')}. {forecast['loss']:.2f} was forecast, from {forecast['low']:.2f} "
        f"to {forecast['high']:.2f}.",
        chart=chart,
        table=[{"tokens": row["tokens"], "validation loss, nats a token": row["loss"]} for row in validation],
    )
