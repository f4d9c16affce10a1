"""How long single requests took, not only their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import INK, MUTED
from aistack.serving.latency import percentile
from aistack.units import text

_PANELS = (
    ("time_to_first_token", "Time to first token, ms"),
    ("time_per_output_token", "Time per output token, ms"),
)


def draw(requests: Sequence[Mapping[str, Any]], clients: int) -> Figure:
    """The share of requests that took no longer than a time, under the load of `clients`.

    `requests` has one row a request: kind ("predicted" or "measured"), clients, time_to_first_token and
    time_per_output_token in seconds.
    """
    import altair

    own = [request for request in requests if request["clients"] == clients]
    panels, table = list[Any](), list[dict[str, Any]]()
    for quantity, title in _PANELS:
        layers = list[Any]()
        for kind, colour, dash in (("predicted", MUTED, [4, 3]), ("measured", HUES["serving"], [1, 0])):
            values = sorted(request[quantity] * 1e3 for request in own if request["kind"] == kind)
            rows = [{"ms": 0.0, "share": 0.0}] + [
                {"ms": value, "share": (index + 1) / len(values)} for index, value in enumerate(values)
            ]
            table += [
                {"quantity": title, "kind": kind, "half": percentile(values, 0.5), "95%": percentile(values, 0.95)}
            ]
            line = altair.Chart(altair.Data(values=rows)).encode(
                x=altair.X("ms:Q", scale=altair.Scale(nice=False), axis=altair.Axis(title=title, tickCount=5)),
                y=altair.Y(
                    "share:Q",
                    scale=altair.Scale(domain=[0, 1]),
                    axis=altair.Axis(
                        title="share of requests" if not panels else None, format=".0%", values=[0, 0.25, 0.5, 0.75, 1]
                    ),
                ),
            )
            layers.append(line.mark_line(interpolate="step-after", color=colour, strokeDash=dash))
        if not panels:
            # both curves have ended left of here
            edge = 1.06 * max(request[quantity] * 1e3 for request in own)
            for share, words, colour in ((0.6, "predicted (dashed)", INK), (0.5, "measured", HUES["serving"])):
                place = altair.Chart(altair.Data(values=[{"ms": edge, "share": share}]))
                layers.append(
                    place.mark_text(align="left", color=colour).encode(x="ms:Q", y="share:Q", text=altair.value(words))
                )
        panels.append(altair.layer(*layers).properties(width=210, height=200))
    first = [request["time_to_first_token"] for request in own if request["kind"] == "measured"]
    tail = percentile(first, 0.95) / percentile(first, 0.5)
    return Figure(
        layer="serving",
        title=f"With {clients} clients, one request in twenty waits {tail:.1f} times as long as usual to start",
        subtitle="Share of requests that took no longer than a time; a steep line is a steady service",
        source="Every request of the load, as its client saw it on this machine; predicted ones from the schedule "
        "played through before.",
        alt="; ".join(
            f"{row['quantity'].partition(',')[0]}, {row['kind']}: half within {text(row['half'] / 1e3, 's')}, "
            f"95% within {text(row['95%'] / 1e3, 's')}"
            for row in table
        )
        + ".",
        chart=altair.hconcat(*panels, spacing=100),
        table=table,
    )
