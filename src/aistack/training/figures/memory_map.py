"""What fills an accelerator's memory, to scale, beside what it has."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure, Layer
from aistack.drawing.labels import spread, width
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text

_TALL, _COLUMN, _LEAD, _LINE = 300, 64, 16, 14
_LEAST = 440
"""Pixels; a single column is not blown up on narrow pages."""
_SHADES = (1.0, 0.5, 0.82, 0.32, 0.66, 0.2)
"""Opacities; neighbours differ clearly in either scheme."""


def draw(
    plans: Mapping[str, Sequence[tuple[str, float]]], capacity: float, subject: str, layer: Layer = "training"
) -> Figure:
    """A column a plan, its parts (name, bytes) stacked and named beside it, and a line at `capacity` bytes.

    `layer` is the one that the plans belong to.
    """
    import altair

    totals = {plan: sum(size for _, size in parts) for plan, parts in plans.items()}
    scale = _TALL / max(capacity, *totals.values())
    names = list(dict.fromkeys(name for parts in plans.values() for name, _ in parts))
    shades = {name: _SHADES[number % len(_SHADES)] for number, name in enumerate(names)}
    labels = {(name, size): f"{name} {text(size, 'B', 2)}" for parts in plans.values() for name, size in parts}
    pitch = _COLUMN + _LEAD + 8 + max(width(words) for words in labels.values()) + 12
    headings = {plan: textwrap.wrap(plan, int((pitch - 12) / width("x"))) for plan in plans}
    top = _LINE * max(len(lines) for lines in headings.values()) + 10
    bottom = top + _TALL
    bars: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    leads: list[dict[str, Any]] = []
    for number, (plan, parts) in enumerate(plans.items()):
        left = number * pitch
        right = left + _COLUMN
        words += [{"x": left, "y": 6 + _LINE * line, "words": each} for line, each in enumerate(headings[plan])]
        spare = capacity - totals[plan]
        state = f"{text(abs(spare), 'B', 2)} {'free' if spare >= 0 else 'too much'}"
        words.append({"x": left, "y": bottom + 14, "words": f"{text(totals[plan], 'B')}, {state}"})
        shown = [part for part in parts if part[1] > 0]
        starts = [0.0, *itertools.accumulate(size for _, size in shown)]
        edges = [bottom - start * scale for start in starts]
        middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
        heights = spread(middles, _LINE, top, bottom)
        for (name, size), (low, high), middle, height in zip(
            shown, itertools.pairwise(edges), middles, heights, strict=True
        ):
            bars.append({"x": left, "x2": right, "y": low, "y2": high, "shade": shades[name]})
            leads.append({"x": right + 2, "x2": right + _LEAD, "y": middle, "y2": height})
            words.append({"x": right + _LEAD + 4, "y": height, "words": labels[name, size]})
    wide = max(_LEAST, pitch * len(plans))
    x = altair.X("x:Q", scale=altair.Scale(domain=[0, wide], nice=False), axis=None)
    y = altair.Y("y:Q", scale=altair.Scale(domain=[bottom + 22, 0], nice=False), axis=None)
    has = bottom - capacity * scale
    room = [
        {"x": number * pitch - 3, "x2": number * pitch + _COLUMN + 3, "y": bottom + 1, "y2": has}
        for number in range(len(plans))
    ]

    def chart(values: list[dict[str, Any]]) -> altair.Chart:
        return altair.Chart(altair.Data(values=values))

    return Figure(
        layer=layer,
        title=_title(plans, totals, capacity),
        subtitle=f"{subject}: bytes of the accelerator that holds most, to scale; the line is what it has, "
        f"{text(capacity, 'B')}",
        source=f"Derived: {_listed(names)} as the plan divides them.",
        alt=" ".join(
            f"{plan}: {text(totals[plan], 'B')} of {text(capacity, 'B')}, "
            + ", ".join(labels[part] for part in parts)
            + "."
            for plan, parts in plans.items()
        ),
        chart=altair.layer(
            chart(bars)
            .mark_rect(color=HUES[layer], stroke=PAPER, strokeWidth=1)
            .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", opacity=altair.Opacity("shade:Q", scale=None)),
            chart(leads).mark_rule(color=MUTED, strokeWidth=0.75).encode(x=x, x2="x2:Q", y=y, y2="y2:Q"),
            chart(words).mark_text(align="left", color=INK).encode(x=x, y=y, text="words:N"),
            chart(room).mark_rect(filled=False, stroke=MUTED, strokeWidth=0.75).encode(x=x, x2="x2:Q", y=y, y2="y2:Q"),
            chart(room).mark_rule(color=INK, strokeWidth=2).encode(x=x, x2="x2:Q", y=altair.Y("y2:Q")),
        ).properties(width=wide, height=bottom + 22),
        table=[
            {"plan": plan, "part": name, "bytes": size, "share of capacity": f"{size / capacity:.1%}"}
            for plan, parts in plans.items()
            for name, size in parts
        ],
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _title(plans: Mapping[str, Sequence[tuple[str, float]]], totals: Mapping[str, float], capacity: float) -> str:
    if len(plans) > 1:
        fit = sum(total <= capacity for total in totals.values())
        least = min(totals, key=lambda plan: totals[plan])
        return f"{fit} of {len(plans)} plans fit; least memory, {text(totals[least], 'B')}, takes {least}"
    ((plan, parts),) = plans.items()
    most, size = max(parts, key=lambda part: part[1])
    if totals[plan] > capacity:
        return f"{text(totals[plan] - capacity, 'B')} too much; most is {most}, {text(size, 'B')}"
    return f"The plan fills {totals[plan] / capacity:.0%} of the memory, most of it with {most}"
