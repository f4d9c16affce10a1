"""A paged cache in motion: requests take blocks as they grow and give them back as they end."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.drawing import Figure
from aistack.drawing import diagram as d
from aistack.serving.paging import Moment, estimate

_CELL, _GAP, _ROW = 62.0, 8.0, 8
_LEFT, _TOP = 14.0, 34.0


def draw(lengths: Sequence[tuple[int, int]], blocks: int, block: int) -> Figure:
    """A frame a step, for requests of (prompt, answer) tokens and `blocks` blocks of `block` tokens."""
    moments = estimate(lengths, blocks, block)
    most = max(range(len(moments)), key=lambda step: _running(moments[step]))
    whole = max(prompt + output for prompt, output in lengths)
    at_once = (blocks * block) // whole
    lost = sum(moment.gave_way is not None for moment in moments)
    rows = -(-blocks // _ROW)
    return Figure(
        layer="serving",
        title=f"Blocks let {_running(moments[most])} requests run where reserved room would hold {at_once}",
        subtitle=f"{blocks} blocks of {block} tokens; {len(lengths)} requests of different lengths; a frame is a step",
        source="Derived: aistack.serving.paging, which follows vLLM's block manager (Kwon et al. 2023); small numbers "
        "so that all can be seen.",
        alt=f"A grid of {blocks} blocks. In {len(moments) - 1} steps {len(lengths)} requests fill blocks, one token "
        f"each a step, and free them as they end. Up to {_running(moments[most])} run at once; reserving the longest "
        f"request's room for each would allow {at_once}. {lost} times a request gives way.",
        chart=d.Diagram(
            2 * _LEFT + _ROW * (_CELL + _GAP) - _GAP,
            _TOP + rows * (_CELL * 0.62 + _GAP) + 26,
            (d.text(_LEFT, 20, "the cache, block by block", "muted", size=12),),
            tuple(d.Frame(_caption(step, moment), _shapes(moment, block, rows)) for step, moment in enumerate(moments)),
            still=most,
        ),
        table=[
            {
                "step": step,
                "running": _running(moment),
                "waiting": len(moment.waiting),
                "done": len(moment.done),
                "blocks in use": sum(each is not None for each in moment.blocks),
                "tokens held": sum(each[1] for each in moment.blocks if each),
            }
            for step, moment in enumerate(moments)
        ],
    )


def _running(moment: Moment) -> int:
    return len({each[0] for each in moment.blocks if each})


def _name(number: int) -> str:
    return chr(ord("A") + number)


def _caption(step: int, moment: Moment) -> str:
    used = sum(each is not None for each in moment.blocks)
    said = f"Step {step}: {_running(moment)} requests run, {used} of {len(moment.blocks)} blocks are taken"
    if moment.gave_way is not None:
        said += f"; no block is free, so {_name(moment.gave_way)} gives way and will start again"
    return f"{said}; {len(moment.waiting)} wait." if moment.waiting else f"{said}."


def _shapes(moment: Moment, block: int, rows: int) -> tuple[d.Shape, ...]:
    shapes: list[d.Shape] = []
    tall = _CELL * 0.62
    for place, each in enumerate(moment.blocks):
        x = _LEFT + place % _ROW * (_CELL + _GAP)
        y = _TOP + place // _ROW * (tall + _GAP)
        shapes.append(d.rect(x, y, _CELL, tall, None, stroke="muted", dash="" if each else "3 3", round=3))
        if each:
            number, tokens = each
            shapes.append(
                d.rect(x, y, _CELL * tokens / block, tall, "serving", opacity=0.2 + 0.13 * (number % 5), round=3)
            )
            shapes.append(d.text(x + 7, y + tall / 2 + 5, f"{_name(number)} {tokens}", size=13, halo=True))
    waiting = " ".join(map(_name, moment.waiting)) or "nobody"
    done = " ".join(map(_name, moment.done)) or "nobody"
    below = _TOP + rows * (tall + _GAP) + 16
    shapes.append(d.text(_LEFT, below, f"waiting: {waiting}", "muted", size=12))
    shapes.append(d.text(_LEFT + 2 * (_CELL + _GAP), below, f"done: {done}", "muted", size=12))
    return tuple(shapes)
