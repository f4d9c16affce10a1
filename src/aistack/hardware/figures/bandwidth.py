"""Streaming bandwidth by working set, with the caches that explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import binary_size, log_axis, size_ticks
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.hardware.machine import Machine
from aistack.hardware.stream import bandwidth
from aistack.units import text

_STEPS = 200


def draw(
    machine: Machine, streams: Sequence[Mapping[str, Any]], sizes: Mapping[str, float], remark: str = ""
) -> Figure:
    """Measured points over the fitted line; `streams` has rows of working_set (B), best, median (B/s) and fitted.

    `sizes` are the caches as the machine states them, in bytes.
    """
    import altair

    low, high = (pick(row["working_set"] for row in streams) for pick in (min, max))
    top = 1.25 * max(max(row["best"] for row in streams), bandwidth(machine.caches, machine.memory_bandwidth, low))
    x_scale = altair.Scale(type="log", base=2, domain=[low / 1.3, high * 1.3], nice=False)
    x = altair.X("working_set:Q", scale=x_scale, axis=log_axis("working set", size_ticks(low, high)))
    y = altair.Y(
        "rate:Q",
        scale=altair.Scale(domain=[0, top], nice=False),
        axis=altair.Axis(title="read and written, GB/s", labelExpr="format(datum.value / 1e9, ',~g')", tickCount=5),
    )

    grid = [low * (high / low) ** (step / _STEPS) for step in range(_STEPS + 1)]
    line = [{"working_set": w, "rate": bandwidth(machine.caches, machine.memory_bandwidth, w)} for w in grid]
    points = [
        {
            "working_set": row["working_set"],
            "rate": row["best"],
            "median": row["median"],
            "kind": "fitted" if row["fitted"] else "held back",
        }
        for row in sorted(streams, key=lambda row: float(row["working_set"]))
    ]
    walls = [
        {"working_set": size, "label": f"{name}  {binary_size(size)}", "rate": top}
        for name, size in sizes.items()
        if low < size < high
    ]

    wall = altair.Chart(altair.Data(values=walls))
    model = altair.Chart(altair.Data(values=line)).mark_line(color=MUTED, strokeWidth=1.5).encode(x=x, y=y)
    measured = altair.Chart(altair.Data(values=points))
    held_back = [point for point in points if point["kind"] == "held back"]
    layers = [
        wall.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x=x),
        wall.mark_text(color=MUTED, align="left", dx=5, baseline="top").encode(x=x, y=y, text="label:N"),
        model,
        measured.transform_filter("datum.kind == 'fitted'").mark_point(color=HUES["hardware"]).encode(x=x, y=y),
        measured.transform_filter("datum.kind == 'held back'")
        .mark_point(stroke=HUES["hardware"], fill=PAPER, strokeWidth=2, size=60)
        .encode(x=x, y=y),
        altair.Chart(altair.Data(values=held_back))
        .mark_text(color=INK, dy=-14)
        .encode(x=x, y=y, text=altair.value("held back")),
    ]
    fastest = machine.caches[0].bandwidth if machine.caches else machine.memory_bandwidth
    ratio = fastest / machine.memory_bandwidth
    nearest = machine.caches[0].name if machine.caches else "memory"
    return Figure(
        layer="hardware",
        title=f"Data that fits the {nearest} cache moves {ratio:.2g} times as fast as data in memory"
        if machine.caches
        else f"Memory moves {text(machine.memory_bandwidth, 'B/s')}",
        subtitle="Bandwidth of reading one half of a working set and writing the other, again and again. Dots: best of "
        "the repeats; rings: sizes that the fit did not see; line: each cache's share at its fitted bandwidth",
        source=f"Measured on this machine ({machine.name}) in this run; cache sizes as the system states them"
        f"{remark and f'; {remark}'}.",
        alt=f"Bandwidth against working set from {binary_size(low)} to {binary_size(high)}. It falls in steps at the "
        f"cache sizes, from {text(fastest, 'B/s')} to {text(machine.memory_bandwidth, 'B/s')} from memory.",
        chart=altair.layer(*layers).properties(width=560, height=260),
        table=[
            {
                "working set": binary_size(point["working_set"]),
                "best, GB/s": point["rate"] / 1e9,
                "median, GB/s": point["median"] / 1e9,
                "model, GB/s": bandwidth(machine.caches, machine.memory_bandwidth, point["working_set"]) / 1e9,
                "use": point["kind"],
            }
            for point in points
        ],
    )
