"""What each accelerator bets on: five quantities side by side, as shares of the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from aistack.drawing import Figure
from aistack.drawing.axes import binary_size
from aistack.drawing.diagram import Diagram, Shape, line, rect, text
from aistack.hardware.atlas import Place
from aistack.units import text as quantity

_LEFT, _COLUMN, _BAR, _ROW, _TOP = 122.0, 110.0, 98.0, 36.0, 30.0

_BETS: Mapping[str, tuple[Callable[[Place], float | None], Callable[[float], str]]] = {
    "arithmetic": (lambda place: place.peak, lambda value: quantity(value, "FLOP/s")),
    "memory bandwidth": (lambda place: place.bandwidth, lambda value: quantity(value, "B/s")),
    "memory": (lambda place: place.memory, lambda value: quantity(value, "B")),
    "memory on the die": (lambda place: place.on_chip, binary_size),
    "FLOP a joule": (lambda place: place.efficiency, lambda value: f"{value / 1e12:.2g} TFLOP/J"),
}


def draw(places: Sequence[Place], highlight: str = "") -> Figure:
    """One row an accelerator, one column a quantity, bars on logarithmic scales of three decades up to the best.

    `places` are of `aistack.hardware.atlas.estimate`; what the catalog does not know is left blank.
    """
    shapes: list[Shape] = []
    best = {words: max(value for place in places if (value := pick(place))) for words, (pick, _) in _BETS.items()}
    for number, words in enumerate(_BETS):
        shapes.append(text(_LEFT + number * _COLUMN, 16, words, "muted", size=11))
    for row, place in enumerate(places):
        y = _TOP + row * _ROW
        marked = place.id == highlight
        shapes += [
            line(0, y - 4, _LEFT + len(_BETS) * _COLUMN, y - 4, "grid"),
            text(4, y + 13, place.name, "hardware" if marked else "ink", bold=True),
            text(4, y + 26, f"{place.vendor}, {place.year}", "muted", size=11),
        ]
        for number, (words, (pick, show)) in enumerate(_BETS.items()):
            value = pick(place)
            x = _LEFT + number * _COLUMN
            if value is None:
                without = "none" if place.die_alone and "memory" in words else "not stated"
                shapes.append(text(x, y + 24, without, "muted", size=11))
                continue
            share = max(0.02, 1 + math.log10(value / best[words]) / 3)
            top = value == best[words]
            shapes += [
                rect(x, y + 1, share * _BAR, 9, "hardware", opacity=0.9 if top or marked else 0.45),
                text(x, y + 24, show(value), size=11, bold=top),
            ]
    firsts = {
        words: next(place.name for place in places if pick(place) == best[words]) for words, (pick, _) in _BETS.items()
    }
    winners = sum(any(pick(place) == best[words] for words, (pick, _) in _BETS.items()) for place in places)
    return Figure(
        layer="hardware",
        title=f"Nobody leads in everything: {winners} of {len(places)} accelerators share five first places",
        subtitle="Bars are logarithmic, three decades up to the best of the column, which is bold; dense 16-bit peaks, "
        "one package each",
        source="Catalog, where every value has its source.",
        alt="; ".join(f"most {words}: {name}" for words, name in firsts.items()) + ".",
        chart=Diagram(_LEFT + len(_BETS) * _COLUMN, _TOP + len(places) * _ROW, tuple(shapes)),
        table=[
            {"accelerator": place.name, "maker": place.vendor, "year": place.year}
            | {
                words: show(value) if (value := pick(place)) is not None else "not stated"
                for words, (pick, show) in _BETS.items()
            }
            for place in places
        ],
    )
