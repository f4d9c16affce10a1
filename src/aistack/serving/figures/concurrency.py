"""Waiting and throughput as more clients come at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.units import text

_PANELS = (
    ("throughput", "Throughput, tokens/s", 1.0),
    ("time_per_output_token", "Time per output token, ms", 1e3),
    ("time_to_first_token", "Time to first token, ms", 1e3),
)


def draw(levels: Sequence[Mapping[str, Mapping[str, float]]]) -> Figure:
    """Three panels over the number of clients: rings as predicted, dots as measured.

    `levels` has one row a load, fewest clients first: "predicted" and "measured", each with clients, throughput
    (tokens/s), time_per_output_token and time_to_first_token (s).
    """
    import altair

    counts = [int(level["measured"]["clients"]) for level in levels]
    x = altair.X(
        "clients:O", sort=None, axis=altair.Axis(title="clients at once", labelAngle=0), scale=altair.Scale(padding=0.4)
    )
    panels = []
    for quantity, title, scale in _PANELS:
        rows: list[dict[str, Any]] = [
            {
                "clients": str(count),
                "predicted": level["predicted"][quantity] * scale,
                "measured": level["measured"][quantity] * scale,
            }
            for count, level in zip(counts, levels, strict=True)
        ]
        most = max(max(row["predicted"], row["measured"]) for row in rows)
        scaled = altair.Scale(domain=[0, 1.15 * most], nice=False)
        base = altair.Chart(altair.Data(values=rows)).encode(x=x)

        def y(field: str, scaled: altair.Scale = scaled) -> altair.Y:
            return altair.Y(f"{field}:Q", scale=scaled, axis=altair.Axis(title=None, tickCount=5, format=",~f"))

        layers = [
            base.mark_line(color=MUTED, strokeWidth=1, strokeDash=[3, 3]).encode(y=y("predicted")),
            base.mark_line(color=HUES["serving"]).encode(y=y("measured")),
            base.mark_point(fill=PAPER, stroke=MUTED, strokeWidth=2, size=60).encode(y=y("predicted")),
            base.mark_point(color=HUES["serving"], size=60).encode(y=y("measured")),
        ]
        if quantity == "throughput":
            edge = altair.Chart(altair.Data(values=rows[-1:])).encode(x=x)
            names = [("predicted", INK), ("measured", HUES["serving"])]
            upper, lower = sorted(names, key=lambda name: -rows[-1][name[0]])
            layers += [
                edge.mark_text(align="right", dx=-10, dy=-8, color=upper[1]).encode(
                    y=y(upper[0]), text=altair.value(upper[0])
                ),
                edge.mark_text(dx=8, dy=32, color=lower[1]).encode(y=y(lower[0]), text=altair.value(lower[0])),
            ]
        panels.append(
            altair.layer(*layers).properties(
                width=170, height=190, title=altair.Title(title, anchor="start", fontWeight="normal", fontSize=12)
            )
        )
    first, last = levels[0]["measured"], levels[-1]["measured"]
    gain = last["throughput"] / first["throughput"]
    slower = last["time_per_output_token"] / first["time_per_output_token"]
    return Figure(
        layer="serving",
        title=f"From {counts[0]} to {counts[-1]} clients: {gain:.1f} times the tokens a second, "
        f"each token {slower:.1f} times as long",
        subtitle="Closed loop: every client sends its next request when the last is answered. Rings: predicted before "
        "the clients came; dots: measured",
        source="Predicted: the engine's schedule played through with step times from this machine's rates and the "
        "host's share calibrated on short bursts. Measured by streaming clients over HTTP on this machine.",
        alt="; ".join(
            f"{count} client{'s' if count > 1 else ''}: {text(level['measured']['throughput'], 'token/s')}, "
            f"{text(level['measured']['time_per_output_token'], 's')} a token, "
            f"{text(level['measured']['time_to_first_token'], 's')} to the first"
            for count, level in zip(counts, levels, strict=True)
        )
        + ".",
        chart=altair.hconcat(*panels, spacing=28),
        table=[
            {
                "clients": count,
                "quantity": title,
                "predicted": level["predicted"][quantity] * scale,
                "measured": level["measured"][quantity] * scale,
            }
            for quantity, title, scale in _PANELS
            for count, level in zip(counts, levels, strict=True)
        ],
    )
