"""Where a decode step's time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import HUES, Figure
from aistack.drawing.theme import GRID, INK, MUTED
from aistack.units import text

_PARTS = (
    ("matmul", "products with the weights", HUES["serving"]),
    ("attention", "attention over the cache", INK),
    ("other", "norms, rotations, activations", MUTED),
    ("host", "host: Python, scheduling, HTTP", GRID),
)


def draw(steps: Sequence[Mapping[str, float]]) -> Figure:
    """A bar for each batch, cut by what the time goes to.

    `steps` has rows of batch and of matmul, attention, other and host in seconds, smallest batch first.
    """
    import altair

    rows, labels = list[dict[str, Any]](), list[dict[str, Any]]()
    for step in steps:
        total, end = sum(step[part] for part, _, _ in _PARTS), 0.0
        for part, name, _ in _PARTS:
            rows.append({"batch": _batch(step), "part": name, "from": end * 1e3, "to": (end + step[part]) * 1e3})
            end += step[part]
        labels.append(
            {"batch": _batch(step), "to": total * 1e3, "words": f"{text(total / step['batch'], 's')} a token"}
        )
    most = max(label["to"] for label in labels)
    scale = altair.Scale(domain=[0, 1.28 * most], nice=False)
    y = altair.Y("batch:N", sort=None, axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8))
    x = altair.X("from:Q", scale=scale, axis=altair.Axis(title="time of one decode step, ms", tickCount=6))
    chart = altair.layer(
        altair.Chart(altair.Data(values=rows))
        .mark_bar(height=20)
        .encode(
            x=x,
            x2="to:Q",
            y=y,
            color=altair.Color(
                "part:N",
                sort=None,
                scale=altair.Scale(domain=[name for _, name, _ in _PARTS], range=[colour for _, _, colour in _PARTS]),
                legend=altair.Legend(title=None, orient="top", columns=2, labelLimit=260, symbolType="square"),
            ),
        ),
        altair.Chart(altair.Data(values=labels))
        .mark_text(align="left", dx=6, color=INK)
        .encode(x=altair.X("to:Q", scale=scale), y=y, text="words:N"),
    ).properties(height=altair.Step(34))
    first, last = steps[0], steps[-1]
    share = first["host"] / sum(first[part] for part, _, _ in _PARTS)
    each = [sum(step[part] for part, _, _ in _PARTS) / step["batch"] for step in (first, last)]
    return Figure(
        layer="serving",
        title=f"With one sequence, {share:.0%} of a decode step is the host's; {last['batch']:.0f} together make a "
        f"token {each[0] / each[1]:.1f} times cheaper",
        subtitle="Predicted time of one decode step by what it goes to, for sequences that fill half of the context",
        source="Operations at this machine's measured rates; the host's share from short bursts to the server.",
        alt="; ".join(
            f"{_batch(step)}: " + ", ".join(f"{name} {text(step[part], 's')}" for part, name, _ in _PARTS)
            for step in steps
        )
        + ".",
        chart=chart,
        table=[
            {"batch": int(step["batch"]), **{f"{name}, ms": step[part] * 1e3 for part, name, _ in _PARTS}}
            for step in steps
        ],
    )


def _batch(step: Mapping[str, float]) -> str:
    return "1 sequence" if step["batch"] == 1 else f"{step['batch']:.0f} sequences"
