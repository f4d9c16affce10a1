"""How long simulated requests waited: not their mean alone, but what each share of them saw."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.labels import width
from aistack.drawing.theme import INK
from aistack.serving.capacity import Goals
from aistack.serving.simulation import Simulated, distribution
from aistack.units import text

_WIDE, _TALL = 170, 190
_POINTS = 160
_PANELS = (("ttft", "Time to first token"), ("tpot", "Time per output token"), ("latency", "Whole answer"))
_SHARES = (0.5, 0.95, 0.99)


def draw(simulated: Simulated, subject: str, goals: Goals | None = None) -> Figure:
    """The share of requests that waited no longer than a time, with the median and the tail marked, and `goals`.

    `subject` says what was simulated: a model on accelerators, under a load.
    """
    import altair

    panels, table = list[Any](), list[dict[str, Any]]()
    for quantity, title in _PANELS:
        values = np.sort(getattr(simulated, quantity))
        values = np.maximum(values[~np.isnan(values)], 1e-9)
        if not len(values):
            continue
        goal = math.inf if goals is None else getattr(goals, quantity)
        marks = [_mark(values, share) for share in _SHARES]
        table.append(_row(title, values, goal))
        ends = [values[0], values[-1]] + ([goal] if math.isfinite(goal) else [])
        low, high = min(ends) / 1.15, max(ends) * 1.15
        scale = altair.Scale(type="log", domain=[low, high], nice=False)
        x = altair.X("seconds:Q", scale=scale, axis=log_axis("", _ticks(low, high)))
        y = altair.Y(
            "share:Q",
            scale=altair.Scale(domain=[0, 1]),
            axis=altair.Axis(
                title=None if panels else "share of requests", format=".0%", values=[0, 0.25, 0.5, 0.75, 1]
            ),
        )
        layers = [altair.Chart(altair.Data(values=_curve(values))).mark_line(color=HUES["serving"]).encode(x=x, y=y)]
        if math.isfinite(goal):
            rule = altair.Chart(altair.Data(values=[{"seconds": goal, "share": 0.03, "words": "goal"}]))
            layers.append(rule.mark_rule(color=INK, strokeDash=[4, 3]).encode(x=x))
            right = math.log(goal / low) < 0.7 * math.log(high / low)
            layers.append(
                rule.mark_text(align="left" if right else "right", dx=4 if right else -4, color=INK).encode(
                    x=x, y=y, text="words:N"
                )
            )
        for mark, down in zip(marks, (0, 9, -8), strict=True):
            dot = altair.Chart(altair.Data(values=[mark]))
            # right of the curve where the panel has room and no goal stands, the tail's above it
            at = _WIDE * math.log(mark["seconds"] / low) / math.log(high / low)
            ends_at = at + 10 + width(mark["words"])
            line = _WIDE * math.log(goal / low) / math.log(high / low) if math.isfinite(goal) else math.inf
            left = down < 0 or ends_at > _WIDE or at < line < ends_at
            layers.append(dot.mark_point(color=HUES["serving"]).encode(x=x, y=y))
            layers.append(
                dot.mark_text(color=INK, align="right" if left else "left", dx=-7 if left else 7, dy=down).encode(
                    x=x, y=y, text="words:N"
                )
            )
        panels.append(altair.layer(*layers).properties(width=_WIDE, height=_TALL, title=title))
    first = distribution(simulated.ttft)
    return Figure(
        layer="serving",
        title=_title(simulated, first.p50, first.p99, goals),
        subtitle=f"{subject}: share of {len(simulated):,} requests that waited no longer than a time; dots at 50%, 95% "
        "and 99%" + ("" if goals is None else "; dashed: the goal"),
        source="Derived: every request played through the engine's schedule with predicted step times.",
        alt="; ".join(
            f"{row['quantity']}: half within {text(row['50%, s'], 's', 2)}, 95% within {text(row['95%, s'], 's', 2)}, "
            f"99% within {text(row['99%, s'], 's', 2)}"
            for row in table
        )
        + ".",
        chart=altair.hconcat(*panels, spacing=28),
        table=table,
    )


def _title(simulated: Simulated, usual: float, late: float, goals: Goals | None) -> str:
    if goals is not None:
        met = float(np.mean(simulated.meets(goals)))
        return f"{_percent(met)} of requests meet their goals; one in a hundred waits {text(late, 's', 2)} to start"
    return f"Half of the requests start within {text(usual, 's', 2)}, one in a hundred waits {text(late, 's', 2)}"


def _percent(share: float) -> str:
    return "All" if share == 1 else "None" if share == 0 else f"{share:.1%}"


def _mark(values: Any, share: float) -> dict[str, Any]:
    seconds = float(np.percentile(values, 100 * share))
    return {"seconds": seconds, "share": share, "words": text(seconds, "s", 2)}


def _row(title: str, values: Any, goal: float) -> dict[str, Any]:
    found = distribution(values)
    met = f"{np.mean(values <= goal):.1%}" if math.isfinite(goal) else ""
    return {
        "quantity": title,
        "mean, s": found.mean,
        "50%, s": found.p50,
        "95%, s": found.p95,
        "99%, s": found.p99,
        "most, s": found.most,
        "goal, s": goal if math.isfinite(goal) else "",
        "within the goal": met,
    }


def _curve(values: Any) -> list[dict[str, float]]:
    """Points of the cumulative share, denser in the tail."""
    tail = np.geomspace(1, 1e-3, _POINTS // 2)
    shares = np.unique(np.concatenate((np.linspace(0, 1, _POINTS), 1 - tail)))
    return [
        {"seconds": float(at), "share": float(share)}
        for at, share in zip(np.quantile(values, shares), shares, strict=True)
    ]


_CLOCK = (
    *(step * 10.0**power for power in range(-9, 1) for step in (1, 2, 5)),
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 18000.0, 36000.0, 86400.0,
)  # fmt: skip
"""Times that people read: in powers of ten below a minute, in minutes and hours above."""


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """As many as have room beside one another for their labels, evenly."""
    ticks = [(tick, text(tick, "s", 2)) for tick in _CLOCK if low <= tick <= high]

    def apart(chosen: Sequence[tuple[float, str]]) -> bool:
        places = [math.log(tick / low) / math.log(high / low) * _WIDE for tick, _ in chosen]
        wide = [width(words) for _, words in chosen]
        return all(
            after - before > (one + two) / 2 + 8
            for (before, after), (one, two) in zip(itertools.pairwise(places), itertools.pairwise(wide), strict=True)
        )

    return next((ticks[::step] for step in range(1, len(ticks) + 1) if apart(ticks[::step])), ticks[:1])
