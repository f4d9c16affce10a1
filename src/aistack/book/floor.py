"""A part's architecture view: its layer as one floor of the stack, what it takes from below and what it gives above."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aistack.book.number import Number
from aistack.drawing import Figure, Layer
from aistack.drawing import diagram as d

_WIDE = 720.0
_GAP = 22.0
_TOP, _TALL = 64.0, 148.0


@dataclass(frozen=True)
class Room:
    """One concern of the layer."""

    name: str
    about: str
    """A few words; a line break starts a new line, and three lines have room."""
    number: Number | None = None
    """What it comes to under the reader's scenario."""
    means: str = ""
    """What the number is of, in two or three words."""


def draw(
    layer: Layer, title: str, rooms: Sequence[Room], *, below: Sequence[str], above: Sequence[str], subject: str
) -> Figure:
    """The rooms from left to right, each handing on to the next; `below` and `above` are what crosses the floors."""
    told = "; ".join(
        f"{room.name}: {' '.join(room.about.split())}"
        + (f", {room.number.plain} {room.means}".rstrip() if room.number else "")
        for room in rooms
    )
    return Figure(
        layer=layer,
        title=title,
        subtitle=f"The floor of {layer} in the stack, with its numbers for {subject}",
        source="Derived: " + "; ".join(dict.fromkeys(room.number.source for room in rooms if room.number)),
        alt=f"A floor with {len(rooms)} rooms from left to right. {told}. From below come {', '.join(below)}; "
        f"it gives {', '.join(above)}.",
        chart=d.Diagram(_WIDE, _TOP + _TALL + 64, tuple(_shapes(layer, rooms, below, above))),
        table=[
            {
                "room": room.name,
                "what": " ".join(room.about.split()),
                "comes to": f"{room.number.plain} {room.means}".rstrip() if room.number else "",
            }
            for room in rooms
        ],
    )


def _shapes(layer: Layer, rooms: Sequence[Room], below: Sequence[str], above: Sequence[str]) -> Iterator[d.Shape]:
    floor = _TOP + _TALL
    yield d.line(0, _TOP - 14, _WIDE, _TOP - 14, layer, thick=2)
    yield d.line(0, floor + 14, _WIDE, floor + 14, layer, thick=2)
    wide = (_WIDE - _GAP * (len(rooms) + 1)) / len(rooms)
    for place, room in enumerate(rooms):
        x = _GAP + place * (wide + _GAP)
        yield d.rect(x, _TOP, wide, _TALL, layer, opacity=0.1, stroke=layer, round=4)
        yield d.text(x + 10, _TOP + 24, room.name, bold=True, size=13)
        yield d.text(x + 10, _TOP + 46, room.about, "muted", size=11)
        if room.number:
            yield d.text(x + 10, floor - 30, room.number.plain, layer, size=15, bold=True)
            yield d.text(x + 10, floor - 13, room.means, "muted", size=11)
        if place:
            yield d.arrow(x - _GAP + 3, _TOP + _TALL / 2, x - 3, _TOP + _TALL / 2, layer)
    yield from _crossing(above, _TOP - 18, _TOP - 38, 14)
    yield from _crossing(below, floor + 40, floor + 18, floor + 56)


def _crossing(words: Sequence[str], start: float, end: float, line: float) -> Iterator[d.Shape]:
    """Arrows upwards, evenly placed, each with its words."""
    for place, said in enumerate(words):
        x = _WIDE * (place + 0.5) / len(words)
        yield d.arrow(x, start, x, end, "muted")
        yield d.text(x, line, said, "muted", size=11, anchor="middle")
