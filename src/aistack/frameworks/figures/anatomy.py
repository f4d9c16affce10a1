"""A decoder-only model: how a token goes through it, and where its parameters and its work lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, ModelSpec
from aistack.drawing import Figure
from aistack.drawing import diagram as d
from aistack.frameworks.anatomy import Organ
from aistack.units import count, text

_WIDE, _TALL = 700, 380
_TOP, _BOTTOM = 60.0, 350.0
_BARS = (300.0, 570.0)
_BROAD = 44.0
_SHADES = {"token table": 0.12, "mixer projections": 0.75, "mixing": 0.95, "feed-forward": 0.45, "head": 0.22}
_LEAST = 14.0
"""Pixels of a piece that still gets its words."""


def draw(organs: Sequence[Organ], spec: ModelSpec, seq_len: int, name: str = "") -> Figure:
    """A token's way, and beside it two columns to scale: parameters, and FLOP of a token in a forward pass.

    `name` is what people call the model, by default the name of its `spec`.
    """
    parameters = sum(organ.parameters for organ in organs)
    flop = sum(organ.flop for organ in organs)
    heaviest = max(organs, key=lambda organ: organ.parameters)
    held, done = heaviest.parameters / parameters, heaviest.flop / flop
    mixing = sum(organ.flop for organ in organs if organ.name == "mixing") / flop
    return Figure(
        layer="frameworks",
        title=f"The {_noun(heaviest.name, spec)} {_verb(heaviest.name, spec, 'hold')} {held:.0%} of "
        f"{name or spec.name}'s parameters and {_verb(heaviest.name, spec, 'do')} {done:.0%} of its work",
        subtitle=f"One token's way through {spec.layers} layers, and the model's parts to scale, at {seq_len:,} tokens "
        "of context",
        source="Derived: parameters and operations counted by aistack.frameworks from the model's published "
        "configuration; attention is causal.",
        alt=f"A token passes the token table, then {spec.layers} layers in which a mixer and a feed-forward part "
        f"each add to what goes by, then the head. Beside it two columns: of {count(parameters)} parameters the "
        f"{_noun(heaviest.name, spec)} {_verb(heaviest.name, spec, 'hold')} {held:.0%}; of {text(flop, 'FLOP')} "
        f"a token they do {done:.0%}, and mixing between tokens {mixing:.0%} without any parameter.",
        chart=d.Diagram(_WIDE, _TALL, (*_way(spec), *_columns(organs, spec, parameters, flop))),
        table=[
            {
                "part": _noun(organ.name, spec),
                "layers": organ.layers or "",
                "parameters": count(organ.parameters),
                "met by a token": count(organ.active),
                "FLOP a token": text(organ.flop, "FLOP"),
                "of the work": f"{organ.flop / flop:.1%}",
            }
            for organ in organs
        ],
    )


def _noun(name: str, spec: ModelSpec) -> str:
    experts = not all(
        block.feed_forward is None or isinstance(block.feed_forward, FeedForward) for block in spec.blocks
    )
    mixing = all(block.mixer is None or isinstance(block.mixer, GroupedQueryAttention) for block in spec.blocks)
    if name == "feed-forward":
        return "experts" if experts else "feed-forward part"
    if mixing:
        return {"mixer projections": "attention's projections", "mixing": "attention between tokens"}.get(name, name)
    return {"mixing": "mixing between tokens", "mixer projections": "mixers' projections"}.get(name, name)


def _verb(name: str, spec: ModelSpec, verb: str) -> str:
    many = _noun(name, spec).endswith("s")
    return verb if many else {"hold": "holds", "do": "does"}[verb]


def _way(spec: ModelSpec) -> Iterator[d.Shape]:
    """Boxes from the token table at the bottom to the head at the top, layers in a frame."""
    left, broad, middle = 24.0, 140.0, 94.0
    yield d.text(left, 24, "A token's way", bold=True, size=13)
    yield d.rect(left - 14, 108, broad + 58, 190, None, stroke="muted", dash="3 3", round=6)
    yield d.text(left + broad + 38, 288, f"× {spec.layers}", "muted", size=13, anchor="end")
    places = {"head": 56.0, "feed-forward": 144.0, "mixer": 226.0, "token table": 316.0}
    for name, y in places.items():
        yield d.rect(
            left, y, broad, 34, "frameworks", opacity=_SHADES.get(name, 0.75) * 0.6, stroke="frameworks", round=4
        )
        yield d.text(middle, y + 21, name, anchor="middle", size=12)
    for lower, upper in (("token table", "mixer"), ("mixer", "feed-forward"), ("feed-forward", "head")):
        yield d.arrow(middle, places[lower], middle, places[upper] + 36)
    # what goes by a part, and what the part adds to it
    for name in ("mixer", "feed-forward"):
        y, side = places[name], left + broad + 14
        yield d.path([(middle, y + 44), (side, y + 44), (side, y - 12), (middle + 9, y - 12)], "muted")
        yield d.circle(middle, y - 12, 7, "paper", stroke="muted")
        yield d.text(middle, y - 8, "+", "muted", anchor="middle", size=12)
    yield d.text(left, 368, "token in", "muted", size=11)
    yield d.text(left, 46, "scores of the next token", "muted", size=11)


def _columns(organs: Sequence[Organ], spec: ModelSpec, parameters: float, flop: float) -> Iterator[d.Shape]:
    heads = (f"{count(parameters)} parameters", f"{text(flop, 'FLOP')} a token")
    for x, words in zip(_BARS, heads, strict=True):
        yield d.text(x + _BROAD / 2, 24, words, bold=True, size=13, anchor="middle")
        yield d.text(x + _BROAD / 2, 42, "to scale", "muted", size=11, anchor="middle")
    tall = _BOTTOM - _TOP
    ends = [_BOTTOM, _BOTTOM]
    for organ in organs:
        tops = [
            ends[0] - tall * organ.parameters / parameters,
            ends[1] - tall * organ.flop / flop,
        ]
        shade = _SHADES[organ.name]
        ribbon = [
            (_BARS[0] + _BROAD, ends[0]),
            (_BARS[0] + _BROAD, tops[0]),
            (_BARS[1], tops[1]),
            (_BARS[1], ends[1]),
        ]
        yield d.path(ribbon, None, fill="frameworks", opacity=shade * 0.18, closed=True)
        for x, top, end in zip(_BARS, tops, ends, strict=True):
            if end > top:
                yield d.rect(x, top, _BROAD, end - top, "frameworks", opacity=shade, stroke="paper")
        yield from _labels(organ, spec, tops, ends, parameters, flop)
        ends = tops


def _labels(
    organ: Organ, spec: ModelSpec, tops: Sequence[float], ends: Sequence[float], parameters: float, flop: float
) -> Iterator[d.Shape]:
    tall = [end - top for top, end in zip(tops, ends, strict=True)]
    at = [(top + end) / 2 + 4 for top, end in zip(tops, ends, strict=True)]
    if tall[0] >= _LEAST:
        yield d.text(_BARS[0] - 8, at[0], f"{organ.parameters / parameters:.0%}", "muted", size=11, anchor="end")
    if tall[1] >= _LEAST:
        yield d.text(_BARS[1] + _BROAD + 8, at[1], f"{organ.flop / flop:.0%}", "muted", size=11)
    widest = max((0, 1), key=lambda side: tall[side])
    if tall[widest] < _LEAST:
        return
    if widest == 0:
        yield d.text(_BARS[0] + _BROAD + 10, at[0], _noun(organ.name, spec), size=12, halo=True)
    else:
        yield d.text(_BARS[1] - 10, at[1], _noun(organ.name, spec), size=12, anchor="end", halo=True)
