"""The sizes that were considered, with the loss that each should reach in the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED
from aistack.units import text


def draw(sizes: Sequence[Mapping[str, Any]], chosen: int) -> Figure:
    """A dot a size with its interval, the chosen one in colour; `chosen` is its number of parameters.

    Rows have parameters, tokens, tokens_per_second, loss, low and high (nats a token).
    """
    import altair

    rows = [{**row, "label": text(row["tokens"], "token").replace(" tokens", "")} for row in sizes]
    best = next(row for row in rows if row["parameters"] == chosen)
    _leave_room(rows, chosen)
    # the far ends are so bad that they would flatten the part where the choice is made
    near = [row for row in rows if row["loss"] < 1.25 * best["loss"]]
    smallest, largest = near[0], near[-1]
    x = altair.X(
        "parameters:Q",
        scale=altair.Scale(type="log", domain=[smallest["parameters"] / 1.3, largest["parameters"] * 1.3], nice=False),
        axis=log_axis("parameters", [(v, _count(v)) for v in _ticks(smallest["parameters"], largest["parameters"])]),
    )
    low, high = min(row["low"] for row in near), max(row["loss"] for row in near) * 1.08
    y = altair.Y(
        "loss:Q",
        scale=altair.Scale(domain=[low * 0.95, high], nice=False, zero=False, clamp=True),
        axis=altair.Axis(title="loss that should be reached, nats a token", tickCount=6),
    )
    shown = altair.Chart(altair.Data(values=[{**row, "high": min(row["high"], high)} for row in near]))
    is_best = f"datum.parameters == {chosen}"
    colour = altair.condition(is_best, altair.value(HUES["training"]), altair.value(MUTED))
    chart = altair.layer(
        shown.mark_rule(strokeWidth=1.5, opacity=0.6).encode(x=x, y=altair.Y("low:Q"), y2="high:Q", color=colour),
        shown.mark_point(size=55).encode(x=x, y=y, color=colour),
        shown.mark_text(align="left", dx=6, dy=-8, color=INK, fontSize=10).encode(x=x, y=y, text="label:N"),
    )
    return Figure(
        layer="training",
        title=f"In this time {_count(chosen)} parameters should learn most: {_trade(rows, best)}",
        subtitle="Loss that each size should reach with the tokens it sees in the time (written above the dot), with "
        "the 90% interval; in colour the size that was trained",
        source="Derived: speed from this machine's measured rates, loss from the scaling laws moved to this text. The "
        "intervals of neighbours go up and down together.",
        alt=f"Of {len(rows)} sizes from {_count(rows[0]['parameters'])} to {_count(rows[-1]['parameters'])} parameters "
        f"{_count(chosen)} has the least forecast loss, {best['loss']:.2f} nats a token after "
        f"{text(best['tokens'], 'token')}.",
        chart=chart,
        table=[
            {
                "parameters": row["parameters"],
                "tokens in the time": row["tokens"],
                "tokens a second": row["tokens_per_second"],
                "forecast loss": row["loss"],
                "from": row["low"],
                "to": row["high"],
            }
            for row in rows
        ],
    )


def _leave_room(rows: list[dict[str, Any]], chosen: int) -> None:
    """Take the labels off dots that lie too close to one that is labelled, the chosen one first of all."""
    labelled = [float(chosen)]
    for row in rows:
        size = row["parameters"]
        if size != chosen and any(other / 1.6 < size < other * 1.6 for other in labelled):
            row["label"] = ""
        else:
            labelled.append(size)


def _trade(rows: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> str:
    if len(rows) == 1:
        return "there is time for no other"
    if best is rows[0]:
        return "larger ones would see too few tokens"
    if best is rows[-1]:
        return "there is time for the largest"
    return "smaller ones hold less, larger ones would see too few tokens"


def _count(parameters: float) -> str:
    return f"{parameters / 1e6:.3g} M"


def _ticks(low: float, high: float) -> list[float]:
    return [v * 10.0**power for power in range(4, 12) for v in (1, 2, 5) if low <= v * 10.0**power <= high]
