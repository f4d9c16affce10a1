"""The trade between what an accelerator gives all users together and what each user sees."""

from __future__ import annotations

import itertools
import math
import string
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.labels import place
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text

_WIDE, _TALL, _LINE = 440, 260, 16
_NAMED, _BETWEEN = 5, 8
_STYLES = ((HUES["serving"], [1, 0]), (INK, [1, 0]), (MUTED, [1, 0]), (HUES["serving"], [4, 3]), (INK, [4, 3]))
"""Colour and dashes of each kind of accelerator."""

Point = tuple[float, float, str]
"""Tokens a second of one user, tokens a second of an accelerator (or tokens a dollar), the deployment in words."""


def draw(
    frontiers: Mapping[str, Sequence[Point]], subject: str, goal: float | None = None, per: str = "accelerator"
) -> Figure:
    """A line a kind of accelerator through the deployments that none of its others beats in both.

    `goal` is the least that a user must see, tokens a second, drawn as a line. `per` is "accelerator", or "dollar"
    where throughput is tokens for a dollar. Both axes are logarithmic. The overall best are named, a few of them.
    """
    import altair

    every = sorted((point for points in frontiers.values() for point in points), key=lambda each: -each[0])
    best: list[Point] = []
    for point in every:
        if not best or point[1] > best[-1][1]:
            best.append(point)
    unit = "token/s" if per == "accelerator" else "token"
    ranges = [_range([user for user, _, _ in every]), _range([value for _, value, _ in every])]
    x = altair.X(
        "user:Q",
        scale=altair.Scale(type="log", domain=ranges[0], nice=False),
        axis=log_axis("tokens a second that one user sees", [(v, f"{v:g}") for v in _ticks(*ranges[0])]),
    )
    y = altair.Y(
        "value:Q",
        scale=altair.Scale(type="log", domain=ranges[1], nice=False),
        axis=log_axis(f"output {'tokens a second' if per == 'accelerator' else 'tokens'} per {per}",
                      [(v, _short(v)) for v in _ticks(*ranges[1])], grid=True),
    )  # fmt: skip

    def chart(values: Sequence[dict[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=list(values)))

    styles = {kind: _STYLES[number % len(_STYLES)] for number, kind in enumerate(frontiers)}
    legend = altair.Legend(title=None, orient="top", symbolType="stroke") if len(styles) > 1 else None
    rows = [
        {"user": user, "value": value, "kind": kind}
        for kind, points in frontiers.items()
        for user, value, _ in sorted(points)
    ]
    colour = altair.Color(
        "kind:N",
        scale=altair.Scale(domain=list(styles), range=[shade for shade, _ in styles.values()]),
        legend=legend,
    )
    dashes = altair.StrokeDash(
        "kind:N", scale=altair.Scale(domain=list(styles), range=[dash for _, dash in styles.values()]), legend=legend
    )
    named = _spread(best)
    letters: list[dict[str, Any]] = [
        {"user": user, "value": value, "letter": letter, "words": words}
        for letter, (user, value, words) in zip(string.ascii_uppercase, named, strict=False)
    ]
    labels = place(
        [_pixels(user, value, ranges) for user, value, _ in named],
        [row["letter"] for row in letters],
        (_WIDE, _TALL),
        taken=[_pixels(*at, ranges) for points in frontiers.values() for at in _along(sorted(points))],
    )
    layers = [
        chart(rows).mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour, strokeDash=dashes),
        chart(rows).mark_point(stroke=PAPER, strokeWidth=1, size=40, filled=True, opacity=1).encode(
            x=x, y=y, color=colour
        ),
        *(
            chart([row])
            .mark_text(color=INK, fontWeight="bold", align=label.align, dx=label.dx, dy=label.dy)
            .encode(x=x, y=y, text="letter:N")
            for row, label in zip(letters, labels, strict=True)
            if label
        ),
    ]  # fmt: skip
    if goal is not None and ranges[0][0] < goal < ranges[0][1]:
        line = {"user": goal, "value": ranges[1][1], "words": f"goal: {text(goal, 'token/s')}"}
        layers.append(chart([line]).mark_rule(color=INK, strokeWidth=1.5, strokeDash=[4, 3]).encode(x=x))
        layers.append(chart([line]).mark_text(color=MUTED, align="left", dx=6, dy=8).encode(x=x, y=y, text="words:N"))
    drawing = altair.layer(*layers).properties(width=_WIDE, height=_TALL)
    return Figure(
        layer="serving",
        title=_title(best, goal, per),
        subtitle=f"{subject}: each dot is a deployment under a load; lines join those that no other beats in both",
        source="Derived: each deployment's steady state as aistack predicts it.",
        alt=f"Frontier of tokens per {per} against tokens a second of one user: "
        + "; ".join(f"{words}: {text(user, 'token/s')} a user, {text(value, unit)}" for user, value, words in named)
        + ".",
        chart=altair.vconcat(drawing, _legend(letters, unit, per), spacing=12).resolve_scale(
            x="independent", y="independent", color="independent", strokeDash="independent"
        ),
        table=[
            {"accelerator": kind, "deployment": words, "tokens/s of a user": user, f"tokens per {per}": value}
            for kind, points in frontiers.items()
            for user, value, words in points
        ],
    )


def _legend(letters: Sequence[Mapping[str, Any]], unit: str, per: str) -> Any:
    """What the letters stand for, below the drawing."""
    import altair

    key: list[dict[str, Any]] = []
    for row in letters:
        heading = f"{text(row['user'], 'token/s')} a user, {text(row['value'], unit)} per {per}"
        for number, words in enumerate([heading, *textwrap.wrap(row["words"], 90)]):
            key.append({"line": len(key) * _LINE, "letter": "" if number else row["letter"], "words": words})
    down = altair.Y("line:Q", scale=altair.Scale(domain=[len(key) * _LINE, -_LINE / 2], nice=False), axis=None)
    columns: tuple[tuple[str, int, Literal["bold", "normal"]], ...] = (
        ("letter", -48, "bold"),
        ("words", -32, "normal"),
    )
    return altair.layer(
        *(
            altair.Chart(altair.Data(values=key))
            .mark_text(align="left", fontWeight=weight, color=INK)
            .encode(x=altair.value(left), y=down, text=f"{field}:N")
            for field, left, weight in columns
        )
    ).properties(width=_WIDE, height=len(key) * _LINE)


def _title(best: Sequence[Point], goal: float | None, per: str) -> str:
    if goal is not None:
        quick = [point for point in best if point[0] >= goal]
        if not quick:
            return (
                f"No deployment gives a user {text(goal, 'token/s')}; the fastest gives {text(best[0][0], 'token/s')}"
            )
        chosen = quick[-1]
        return f"At {text(goal, 'token/s')} a user, {text(chosen[1], 'token')} {_each(per)} are the most"
    fast, full = best[0], best[-1]
    if fast is full:
        return f"One deployment is the best for users and for the {per} alike"
    return f"A user {fast[0] / full[0]:.0f} times as fast costs {full[1] / fast[1]:.0f} times as much of each {per}"


def _each(per: str) -> str:
    return "a second of each accelerator" if per == "accelerator" else "for a dollar"


def _range(values: Sequence[float]) -> list[float]:
    return [min(values) / 1.25, max(values) * 1.25]


def _ticks(low: float, high: float) -> list[float]:
    steps = (1, 2, 5) if high / low < 500 else (1,)
    return [step * 10.0**power for power in range(-3, 12) for step in steps if low <= step * 10.0**power <= high]


def _short(value: float) -> str:
    scale, letter = next((pair for pair in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= pair[0]), (1.0, ""))
    return f"{value / scale:g}{letter}"


def _pixels(user: float, value: float, ranges: Sequence[Sequence[float]]) -> tuple[float, float]:
    def share(at: float, ends: Sequence[float]) -> float:
        return math.log(at / ends[0]) / math.log(ends[1] / ends[0])

    return share(user, ranges[0]) * _WIDE, (1 - share(value, ranges[1])) * _TALL


def _along(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Places on the line through points, close enough that no label fits between."""
    found = [(user, value) for user, value, _ in points]
    for (user, value), (next_user, next_value) in itertools.pairwise(found[:]):
        shares = [step / _BETWEEN for step in range(1, _BETWEEN)]
        found += [(user * (next_user / user) ** at, value * (next_value / value) ** at) for at in shares]
    return found


def _spread(best: Sequence[Point]) -> list[Point]:
    """The first, the last and those evenly between, a few."""
    count = min(_NAMED, len(best))
    return [best[round(number * (len(best) - 1) / max(1, count - 1))] for number in range(count)]
