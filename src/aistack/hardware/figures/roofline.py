"""Matrix products under the roof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.axes import decade_ticks, log_axis
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.hardware.machine import Machine
from aistack.hardware.matmul import Product
from aistack.hardware.operation import estimate_matmul
from aistack.hardware.roofline import attainable, ridge
from aistack.units import text


def draw(machine: Machine, products: Sequence[Mapping[str, Any]], remark: str = "") -> Figure:
    """One panel a number format: measured rate by arithmetic intensity, under the roofs of memory and arithmetic.

    `products` has rows of m, n, k, dtype, best, median (s) and fitted.
    """
    import altair

    rows = [_row(machine, each) for each in products]
    dtypes = list(dict.fromkeys(row["dtype"] for row in rows))
    low, high = 0.7 * min(row["intensity"] for row in rows), 1.4 * max(row["intensity"] for row in rows)
    least = 0.5 * min(min(row["rate"], row["model"]) for row in rows)
    most = 2.5 * max(machine.rate(dtype).peak for dtype in dtypes)
    x = altair.X(
        "intensity:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis("FLOP a byte", [(v, f"{v:g}") for v in (0.1, 1, 10, 100, 1000) if low <= v <= high]),
    )

    def y(field: str, first: bool) -> Any:
        return altair.Y(
            f"{field}:Q",
            scale=altair.Scale(type="log", domain=[least, most], nice=False),
            axis=log_axis("rate" if first else "", decade_ticks(least, most, "FLOP/s"), grid=True),
        )

    panels = []
    for dtype in dtypes:
        first = dtype == dtypes[0]
        peak = machine.rate(dtype).peak
        own = [row for row in rows if row["dtype"] == dtype]
        corner = ridge(peak, machine.memory_bandwidth)
        roof = [
            {"intensity": i, "roof": attainable(i, peak, machine.memory_bandwidth)}
            for i in sorted({low, min(max(corner, low), high), high})
        ]
        notes = [{"intensity": high, "roof": peak, "note": f"{text(peak, 'FLOP/s', 2)} sustained"}]
        middle = (low * min(max(corner, low), high)) ** 0.5
        slope = [
            {
                "intensity": middle,
                "roof": attainable(middle, peak, machine.memory_bandwidth),
                "note": ["memory", text(machine.memory_bandwidth, "B/s", 2)],
            }
        ]
        measured = altair.Chart(altair.Data(values=own))
        groups = altair.Chart(altair.Data(values=_groups(own)))
        panels.append(
            altair.layer(
                altair.Chart(altair.Data(values=roof))
                .mark_line(color=MUTED, strokeWidth=1.5)
                .encode(x=x, y=y("roof", first)),
                altair.Chart(altair.Data(values=notes))
                .mark_text(color=MUTED, align="right", dy=-8)
                .encode(x=x, y=y("roof", first), text="note:N"),
                altair.Chart(altair.Data(values=slope))
                .mark_text(color=MUTED, align="right", baseline="bottom", dx=-6, dy=-8)
                .encode(x=x, y=y("roof", first), text="note:N"),
                measured.mark_rule(color=HUES["hardware"], strokeWidth=1).encode(x=x, y=y("rate", first), y2="model:Q"),
                measured.mark_tick(
                    color=HUES["hardware"], thickness=1.5, width=9, orient="horizontal", opacity=1
                ).encode(x=x, y=y("model", first)),
                measured.transform_filter("datum.fitted")
                .mark_point(color=HUES["hardware"])
                .encode(x=x, y=y("rate", first)),
                measured.transform_filter("!datum.fitted")
                .mark_point(stroke=HUES["hardware"], fill=PAPER, strokeWidth=2, size=60)
                .encode(x=x, y=y("rate", first)),
                groups.mark_text(color=INK, align="left", dx=9, dy=11).encode(x=x, y=y("rate", first), text="name:N"),
            ).properties(width=270, height=260, title=altair.Title(dtype, anchor="start", fontWeight="normal"))
        )
    slow, fast = (pick(rows, key=lambda row: row["rate"] / machine.rate(row["dtype"]).peak) for pick in (min, max))
    by_vector = [row["rate"] / machine.rate(row["dtype"]).peak for row in rows if row["m"] == 1]
    title = (
        f"A product of one row gets at most {max(by_vector):.0%} of the arithmetic that large products sustain"
        if by_vector
        else f"Large products sustain {text(fast['rate'], 'FLOP/s', 2)}"
    )
    return Figure(
        layer="hardware",
        title=title,
        subtitle="Matrix products by how often they use each byte. Dots: best of the repeats; rings: shapes that the "
        "fit did not see; ticks: the fitted model; line: the roofline of main memory and arithmetic. Dots above the "
        "line found their operands in a cache",
        source=f"Measured on this machine ({machine.name}) in this run{remark and f'; {remark}'}.",
        alt=f"Rates of {len(rows)} matrix products in {' and '.join(dtypes)} against operations a byte, on logarithmic "
        f"axes. They rise from {text(slow['rate'], 'FLOP/s')} ({slow['name']}) to {text(fast['rate'], 'FLOP/s')} "
        f"({fast['name']}) and level off at the sustained peak.",
        chart=altair.hconcat(*panels),
        table=[
            {
                "product": row["name"],
                "format": row["dtype"],
                "FLOP/B": row["intensity"],
                "measured, GFLOP/s": row["rate"] / 1e9,
                "model, GFLOP/s": row["model"] / 1e9,
                "use": "fitted" if row["fitted"] else "held back",
            }
            for row in rows
        ],
    )


def _row(machine: Machine, each: Mapping[str, Any]) -> dict[str, Any]:
    product = Product(each["m"], each["n"], each["k"], each["dtype"])
    modelled = estimate_matmul(machine, product.m, product.n, product.k, product.dtype)
    return {
        "m": product.m,
        "dtype": product.dtype,
        "intensity": product.intensity,
        "flop": product.flop,
        "rate": product.flop / each["best"],
        "model": product.flop / modelled,
        "fitted": each["fitted"],
        "name": f"{product.m} × {product.k} × {product.n}",
    }


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Names for the kinds of products, each at the lowest of its kind."""
    kinds = {"one row": [row for row in rows if row["m"] == 1], "few rows": [row for row in rows if 1 < row["m"] < 64]}
    return [
        {**min(members, key=lambda row: float(row["rate"])), "name": name} for name, members in kinds.items() if members
    ]
