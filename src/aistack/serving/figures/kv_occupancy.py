"""How full an engine's cache and batch were while requests passed through it."""

from __future__ import annotations

from typing import Any

import numpy as np

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, MUTED
from aistack.serving.occupancy import Occupancy
from aistack.serving.requests import Floats
from aistack.serving.simulation import Simulated
from aistack.units import text

_WIDE, _TALL = 560, 130
_POINTS = 400
_ROWS = 12
_SCALES = ((3 * 3600.0, "hours", 3600.0), (300.0, "minutes", 60.0), (0.0, "seconds", 1.0))


def draw(simulated: Simulated, subject: str, engine: int = 0) -> Figure:
    """The cache's share in use and the sequences that decode, over time, of one of the engines.

    `subject` says what was simulated: a model on accelerators, under a load.
    """
    import altair

    seen = simulated.occupancy[engine]
    rows = _rows(seen, _POINTS)
    span = float(seen.end[-1])
    unit, scale = next((unit, scale) for most, unit, scale in _SCALES if span >= most)
    for row in rows:
        row["at"] = row["seconds"] / scale

    def x(title: str) -> altair.X:
        scaled = altair.Scale(domain=[0, span / scale], nice=False)
        return altair.X("at:Q", scale=scaled, axis=altair.Axis(title=title or None, format="~g", labelFlush=False))

    def titled(words: str) -> altair.Title:
        return altair.Title(words, anchor="start", frame="group", fontSize=12)

    values = altair.Chart(altair.Data(values=rows))
    preempted = int(simulated.preemptions.sum())
    full = seen.most_kv
    share = altair.Y(
        "kv:Q",
        scale=altair.Scale(domain=[0, max(1.0, full) if full > 0.5 else 1.2 * full], nice=False),
        axis=altair.Axis(title=None, format=".0%" if full > 0.05 else ".1%", tickCount=4),
    )
    batch = altair.Y(
        "batch:Q",
        scale=altair.Scale(domain=[0, 1.1 * max(1, int(seen.batch.max()))], nice=False),
        axis=altair.Axis(title=None, tickCount=4),
    )
    cache = altair.layer(
        values.mark_area(color=HUES["serving"], opacity=0.18).encode(x=x(""), y=share),
        values.mark_line(color=HUES["serving"], strokeWidth=1.2).encode(x=x(""), y=share),
    ).properties(width=_WIDE, height=_TALL, title=titled("Keys and values, share of the cache"))
    decoding = [values.mark_line(color=HUES["serving"], strokeWidth=1.2).encode(x=x(unit), y=batch)]
    if seen.batch.max() >= seen.max_batch:
        limit = altair.Chart(altair.Data(values=[{"at": 0.0, "batch": seen.max_batch, "words": "limit"}]))
        decoding.append(limit.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(y=batch))
        decoding.append(
            limit.mark_text(color=INK, align="left", dx=4, dy=-7).encode(x=x(unit), y=batch, text="words:N")
        )
    sequences = altair.layer(*decoding).properties(width=_WIDE, height=_TALL, title=titled("Sequences that decode"))
    of = "" if len(simulated.occupancy) == 1 else f", engine {engine + 1} of {len(simulated.occupancy)}"
    gone = f"; {preempted:,} preemptions" if preempted else ""
    return Figure(
        layer="serving",
        title=f"The cache is {seen.mean_kv:.0%} full on average, {full:.0%} at most{gone}",
        subtitle=f"{subject}{of}: what running requests hold of the cache, and how many decode at once",
        source="Derived: every request played through the engine's schedule with predicted step times.",
        alt=f"Over {text(span, 's', 2)} the cache's share in use averages {seen.mean_kv:.1%} and reaches {full:.1%}; "
        f"{seen.mean_batch:.1f} sequences decode on average, {int(seen.batch.max())} at most of {seen.max_batch}; "
        f"the engine works {seen.utilisation:.0%} of the time; {preempted:,} preemptions.",
        chart=altair.vconcat(cache, sequences, spacing=14),
        table=[
            {
                "from, s": row["seconds"],
                "share of the cache": f"{row['kv']:.1%}",
                "sequences that decode": round(row["batch"], 1),
            }
            for row in _rows(seen, _ROWS)
        ],
    )


def _rows(seen: Occupancy, points: int) -> list[dict[str, Any]]:
    """Averages over equal parts of the time."""
    fine = 8 * points
    times: Floats = (np.arange(fine, dtype=np.float64) + 0.5) * (float(seen.end[-1]) / fine)
    kv = seen.kv_at(times).reshape(points, -1).mean(axis=1) / seen.kv_capacity
    batch = seen.batch_at(times).reshape(points, -1).mean(axis=1)
    begins = times.reshape(points, -1)[:, 0] - times[0]
    return [
        {"seconds": float(at), "kv": float(share), "batch": float(many)}
        for at, share, many in zip(begins, kv, batch, strict=True)
    ]
