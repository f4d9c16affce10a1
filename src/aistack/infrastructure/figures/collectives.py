"""Messages between processes: time by size, against latency and bandwidth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import Figure
from aistack.drawing.axes import binary_size, decade_ticks, log_axis, size_ticks
from aistack.drawing.theme import INK, MUTED
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.collective import Operation, bus_bandwidth, estimate, work
from aistack.infrastructure.figures._panel import panel
from aistack.units import text

_STEPS = 60


def draw(
    links: Mapping[Operation, Channel],
    ranks: int,
    backend: str,
    messages: Sequence[Mapping[str, Any]],
    remark: str = "",
) -> Figure:
    """One panel an operation: measured points over the fitted line, and the size whose latency and bytes cost the same.

    `messages` has rows of operation, size (B), best, median (s) and fitted.
    """
    import altair

    low, high = (pick(float(row["size"]) for row in messages) for pick in (min, max))
    lines = {
        operation: [
            {"size": size, "seconds": estimate(operation, size, ranks, link)}
            for size in (low * (high / low) ** (step / _STEPS) for step in range(_STEPS + 1))
        ]
        for operation, link in links.items()
    }
    seconds = [row["best"] for row in messages] + [point["seconds"] for line in lines.values() for point in line]
    least, most = 0.7 * min(seconds), 1.5 * max(seconds)
    x = altair.X(
        "size:Q",
        scale=altair.Scale(type="log", base=2, domain=[low / 2, high * 2], nice=False),
        axis=log_axis("message", size_ticks(low / 2, high * 2, step=5)),
    )
    panels = []
    for number, (operation, link) in enumerate(links.items()):
        y = altair.Y(
            "seconds:Q",
            scale=altair.Scale(type="log", domain=[least, most], nice=False),
            axis=log_axis("" if number else "time", decade_ticks(least, most, "s"), grid=True),
        )
        own = [
            {"size": row["size"], "seconds": row["best"], "fitted": row["fitted"]}
            for row in messages
            if row["operation"] == operation
        ]
        half = _half_size(operation, link, ranks)
        knee = [{"size": half, "seconds": estimate(operation, half, ranks, link), "note": binary_size(half)}]
        shown = altair.Chart(altair.Data(values=knee if low < half < high else []))
        panels.append(
            panel(
                lines[operation],
                (
                    shown.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x=x, y=y, y2=altair.datum(least)),
                    shown.mark_text(color=INK, align="left", dx=5, dy=16).encode(x=x, y=y, text="note:N"),
                ),
                own,
                x,
                y,
                height=220,
                title=operation.capitalize(),
                subtitle=f"{text(link.latency, 's', 2)} a step, {text(link.bandwidth, 'B/s', 2)}",
            )
        )
    reduce = "all-reduce" if "all-reduce" in links else next(iter(links))
    knee_size = binary_size(_half_size(reduce, links[reduce], ranks))
    return Figure(
        layer="infrastructure",
        title=f"Below {knee_size}, {_article(reduce)} {reduce} costs its latency more than its bytes",
        subtitle=f"Time by message size among {ranks} processes ({backend}). Dots: best of the repeats; rings: sizes "
        "that the fit did not see; line: latency and bandwidth as fitted; dashed: where the two cost the same",
        source="Measured on this machine in this run; steps and volumes of the ring algorithms (Thakur et al., 2005)"
        f"{remark and f'; {remark}'}.",
        alt=f"{len(links)} panels of time against message size from {binary_size(low)} to {binary_size(high)}, both "
        "logarithmic. Each is flat at its latency first and then rises in proportion to the bytes: "
        + "; ".join(
            f"{operation} {text(link.latency, 's', 2)} a step and {text(link.bandwidth, 'B/s', 2)}"
            for operation, link in links.items()
        )
        + ".",
        chart=altair.hconcat(*panels, spacing=18),
        table=[
            {
                "operation": row["operation"],
                "message": binary_size(row["size"]),
                "best, µs": row["best"] * 1e6,
                "median, µs": row["median"] * 1e6,
                "model, µs": 1e6 * estimate(row["operation"], row["size"], ranks, links[row["operation"]]),
                "bus, GB/s": bus_bandwidth(row["operation"], row["size"], ranks, row["best"]) / 1e9,
                "use": "fitted" if row["fitted"] else "held back",
            }
            for row in messages
        ],
    )


def _half_size(operation: Operation, link: Channel, ranks: int) -> float:
    """Bytes of a message whose latency and transfer take equally long."""
    asked = work(operation, ranks)
    return link.half_size * asked.steps / asked.volume


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
