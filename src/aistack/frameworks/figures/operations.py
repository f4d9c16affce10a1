"""Where a training step's arithmetic and its memory traffic go, by kind of operation."""

from __future__ import annotations

from collections.abc import Sequence

from aistack import units
from aistack.drawing import HUES, Figure
from aistack.drawing.theme import MUTED
from aistack.frameworks.operators import Operator, counted_flop

_KINDS = {
    "matmul": "matrix multiplication",
    "attention": "attention",
    "elementwise": "elementwise",
    "lookup": "embedding lookup",
    "optimizer": "optimizer",
}
_MEASURES = ("arithmetic", "memory traffic")


def draw(step: Sequence[Operator], counted: float, model: str) -> Figure:
    """Two bars a kind of operation, its share of the step's FLOP and of its bytes.

    `counted` is the FLOP that PyTorch's own counter finds in the multiplications and attention of the same step.
    """
    import altair

    flop = {kind: sum(each.total_flop for each in step if each.kind == kind) for kind in _KINDS}
    moved = {kind: sum(each.total_bytes for each in step if each.kind == kind) for kind in _KINDS}
    all_flop, all_moved = sum(flop.values()), sum(moved.values())
    rows = []
    for kind, name in _KINDS.items():
        for measure, part, whole, unit in (
            (_MEASURES[0], flop[kind], all_flop, "FLOP"),
            (_MEASURES[1], moved[kind], all_moved, "B"),
        ):
            words = f"{part / whole:.1%}, {units.text(part, unit)}"
            rows.append({"kind": name, "measure": measure, "share": part / whole, "words": words})
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y("kind:N", sort=None, axis=altair.Axis(title=None, ticks=False, domain=False, labelPadding=8)),
        x=altair.X(
            "share:Q",
            scale=altair.Scale(domain=[0, 1.42], nice=False),
            axis=altair.Axis(title="share of the step", format=".0%", values=[0, 0.25, 0.5, 0.75, 1]),
        ),
    )
    chart = (
        altair.layer(
            base.mark_bar(color=HUES["frameworks"], height=12),
            base.mark_text(align="left", dx=5, color=MUTED).encode(text="words:N"),
        )
        .properties(width=270, height=altair.Step(24))
        .facet(column=altair.Column("measure:N", sort=list(_MEASURES), header=altair.Header(title=None)))
    )
    ours = counted_flop(tuple(step))
    arithmetic = (flop["matmul"] + flop["attention"]) / all_flop
    other = 1 - (moved["matmul"] + moved["attention"]) / all_moved
    return Figure(
        layer="frameworks",
        title=f"Multiplications do {arithmetic:.0%} of the arithmetic; the rest moves {other:.0%} of the bytes",
        subtitle=f"One training step, {model}. In multiplications and attention the graph counts "
        f"{units.text(ours, 'FLOP', 4)}, PyTorch's own counter {units.text(counted, 'FLOP', 4)}",
        source="aistack.frameworks.operators; torch.utils.flop_counter on the same model. Every kernel by itself.",
        alt="Bars of the shares of arithmetic and of memory traffic by kind of operation: "
        + "; ".join(f"{row['kind']}, {row['measure']}: {row['words']}" for row in rows)
        + ".",
        chart=chart,
        table=[
            {"kind": name, "FLOP": flop[kind], "bytes": moved[kind], "executions": _executions(step, kind)}
            for kind, name in _KINDS.items()
        ],
    )


def _executions(step: Sequence[Operator], kind: str) -> int:
    return sum(each.count for each in step if each.kind == kind)
