"""The learning rates that were tried, and how far each came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text


def draw(trials: Sequence[Mapping[str, Any]], rule: float) -> Figure:
    """A column a trial, its readings from top to bottom; `rule` is the rate that the published rule gives.

    Trials have rate, readings (pairs of tokens and nats a token) and pruned; those that diverged at once have none.
    """
    import altair

    read = [trial for trial in trials if trial["readings"]]
    complete = [trial for trial in read if not trial["pruned"]]
    best = min(complete, key=lambda trial: float(trial["readings"][-1][1]))
    dots = [
        {
            "rate": trial["rate"],
            "loss": loss,
            "tokens": tokens,
            "role": "reading"
            if place < len(trial["readings"]) - 1
            else "stopped"
            if trial["pruned"]
            else "best"
            if trial is best
            else "end",
        }
        for trial in read
        for place, (tokens, loss) in enumerate(trial["readings"])
    ]
    columns = [
        {
            "rate": trial["rate"],
            "first": trial["readings"][0][1],
            "last": trial["readings"][-1][1],
            "label": f"{trial['readings'][-1][1]:.2f}" if trial is best else "",
        }
        for trial in read
    ]
    rates = [trial["rate"] for trial in read] + [rule]
    losses = [dot["loss"] for dot in dots]
    bottom, top = min(losses), max(losses)
    room = 0.12 * (top - bottom)
    x = altair.X(
        "rate:Q",
        scale=altair.Scale(type="log", domain=[min(rates) / 1.4, max(rates) * 1.4], nice=False),
        axis=log_axis("peak learning rate", _ticks(min(rates) / 1.4, max(rates) * 1.4)),
    )
    y = altair.Y(
        "loss:Q",
        scale=altair.Scale(domain=[bottom - 1.5 * room, top + 1.5 * room], nice=False, zero=False),
        axis=altair.Axis(title="validation loss, nats a token", tickCount=6),
    )
    hue = HUES["training"]
    marks = altair.Chart(altair.Data(values=dots))
    trail = altair.Chart(altair.Data(values=columns))
    ruled = altair.Chart(altair.Data(values=[{"rate": rule, "loss": top + room, "label": "DeepSeek's rule"}]))

    def of(role: str) -> altair.Chart:
        return marks.transform_filter(f"datum.role == '{role}'")

    chart = altair.layer(
        ruled.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x=x),
        ruled.mark_text(color=MUTED, align="left", dx=5).encode(x=x, y=y, text="label:N"),
        trail.mark_rule(color=MUTED, opacity=0.5).encode(x=x, y=altair.Y("first:Q"), y2="last:Q"),
        of("reading").mark_point(color=MUTED, size=14).encode(x=x, y=y),
        of("stopped").mark_point(stroke=MUTED, fill=PAPER, strokeWidth=1.5).encode(x=x, y=y),
        of("end").mark_point(color=MUTED).encode(x=x, y=y),
        of("best").mark_point(color=hue, size=80).encode(x=x, y=y),
        trail.mark_text(dy=14, color=INK).encode(x=x, y=altair.Y("last:Q"), text="label:N"),
    )
    tokens = complete[0]["readings"][-1][0]
    stopped = len(trials) - len(complete)
    return Figure(
        layer="training",
        title=f"Of {len(trials)} learning rates {best['rate']:.2g} does best, {best['rate'] / rule:.2g} times what the "
        "published rule gives",
        subtitle=f"Short complete runs of a small model ({text(tokens, 'token')} each), a column a run: its loss at a "
        "quarter, a half, three quarters and the end; rings: stopped early as hopeless",
        source="Measured in this run. Rule: DeepSeek LLM, arXiv:2401.02954, equation 1, for this batch; the best rate "
        "goes to the trained model by the square root of its batch (arXiv:2205.10287).",
        alt=f"{len(trials)} learning rates, {stopped} stopped early. The best, {best['rate']:.2g}, ends at a loss of "
        f"{best['readings'][-1][1]:.2f}; the published rule gives {rule:.2g}.",
        chart=chart,
        table=[
            {
                "learning rate": trial["rate"],
                "tokens": trial["readings"][-1][0],
                "loss": trial["readings"][-1][1],
                "stopped early": "yes" if trial["pruned"] else "no",
            }
            for trial in sorted(read, key=lambda trial: float(trial["rate"]))
        ],
    )


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    values = [digit * 10.0**power for power in range(-7, 2) for digit in (1, 2, 5)]
    return [(value, f"{value:g}") for value in values if low <= value <= high]
