"""What grew and what did not: arithmetic, memory bandwidth, and the density of memory on the die."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aistack.catalog.records import Technology
from aistack.drawing import HUES, Figure
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK
from aistack.hardware.atlas import Place

_WIDE, _TALL = 142, 230


def draw(places: Sequence[Place], technologies: Sequence[Technology]) -> Figure:
    """Records so far, each as a multiple of its first, by year on a logarithmic axis.

    `places` are of `aistack.hardware.atlas.estimate`, `technologies` the catalog's records of the groups `hbm` and
    `sram-cell`. Announced accelerators and wafers are left out.
    """
    import altair

    real = [place for place in places if not place.announced and place.peak < 7e15]
    series = {
        "peak of an accelerator": _records((place.year, place.peak) for place in real),
        "bandwidth of an accelerator": _records((place.year, place.bandwidth) for place in real if place.bandwidth),
        "bandwidth of an HBM stack": _records(
            (each.year, each.values["bandwidth"].si) for each in technologies if each.group == "hbm"
        ),
        "bits an area of SRAM": _records(
            (each.year, 1 / each.values["area"].si) for each in technologies if each.group == "sram-cell"
        ),
    }
    rows: list[dict[str, Any]] = [
        {"name": name, "year": year, "times": value / points[0][1]}
        for name, points in series.items()
        for year, value in points
    ]
    high = 1.3 * max(row["times"] for row in rows)
    first, last = min(row["year"] for row in rows), max(row["year"] for row in rows)
    panels: list[Any] = []
    for name, points in series.items():
        own = [row for row in rows if row["name"] == name]
        end = own[-1]
        x = altair.X(
            "year:Q",
            scale=altair.Scale(domain=[first - 0.5, last + 0.5], nice=False),
            axis=altair.Axis(title=None, format="d", values=[first + 1, last - 1]),
        )
        y = altair.Y(
            "times:Q",
            scale=altair.Scale(type="log", domain=[0.9, high], nice=False),
            axis=log_axis(
                "" if panels else "times the first", [(v, f"{v}") for v in (1, 2, 5, 10, 20, 50) if v < high], grid=True
            ),
        )
        chart = altair.Chart(altair.Data(values=own))
        layers = [
            chart.mark_line(color=HUES["hardware"]).encode(x=x, y=y),
            chart.mark_point(color=HUES["hardware"], size=28).encode(x=x, y=y),
            altair.Chart(altair.Data(values=[{**end, "words": f"{end['times']:.2g} times"}]))
            .mark_text(color=INK, dy=-12, align="right", dx=8)
            .encode(x=x, y=y, text="words:N"),
        ]
        span = f"{points[0][0]} to {points[-1][0]}"
        title = altair.Title(name, subtitle=span, anchor="start")
        panels.append(altair.layer(*layers).properties(width=_WIDE, height=_TALL, title=title))
    peak = series["peak of an accelerator"]
    start = peak[0][0]
    before = [each for each in technologies if each.group == "sram-cell" and each.year <= start]
    cells = [each.values["area"].si * 1e12 for each in technologies if each.group == "sram-cell"]
    denser = min(each.values["area"].si * 1e12 for each in before) / min(cells)
    return Figure(
        layer="hardware",
        title=f"Since {start} arithmetic grew {peak[-1][1] / peak[0][1]:.0f} times, memory on the die became "
        f"{denser:.1f} times as dense",
        subtitle="Best so far, each as a multiple of its first: dense 16-bit peak and memory bandwidth of shipping "
        "accelerators, bandwidth of one HBM stack, bits an area of the densest memory cells of one foundry",
        source=f"Catalog: accelerators, generations of HBM, SRAM cells ({max(cells):.2g} to {min(cells):.3g} µm²), "
        "each with its source.",
        alt="; ".join(
            f"{name} grew {points[-1][1] / points[0][1]:.3g} times from {points[0][0]} to {points[-1][0]}"
            for name, points in series.items()
        )
        + ".",
        chart=altair.hconcat(*panels, spacing=12),
        table=[{"what": row["name"], "year": row["year"], "times the first": f"{row['times']:.3g}"} for row in rows],
    )


def _records(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """The points at which a series was higher than ever before, in order of years."""
    best: list[tuple[int, float]] = []
    for year, value in sorted(points):
        if not best or value > best[-1][1]:
            if best and best[-1][0] == year:
                best.pop()
            best.append((year, value))
    return best
