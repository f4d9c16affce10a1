"""Direct labels for points: each stands where it covers neither a point nor another label, or it is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import altair

_WIDE = 0.54
"""Mean width of a character in units of its size, in the widest of the usual sans-serif fonts (DejaVu, Verdana)."""

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Label:
    """Where a label stands beside its point, in pixels as Vega's `dx`, `dy` (down) and `align`, middle baseline."""

    dx: float
    dy: float
    align: Align


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def covers(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def width(words: str, size: float = 11) -> float:
    """About how wide `words` will be drawn at a font size, both in pixels."""
    return len(words) * size * _WIDE


def place(
    points: Sequence[tuple[float, float]],
    words: Sequence[str],
    area: tuple[float, float],
    *,
    radius: float = 5,
    size: float = 11,
    taken: Sequence[tuple[float, float]] = (),
) -> list[Label | None]:
    """A place for each label, earlier ones first; None where there is none inside `area` (width, height).

    `points` and `taken` (points without a label) are pixels from the top left. An empty label stays without a place.
    """
    dots = [_Box(x - radius, y - radius, x + radius, y + radius) for x, y in (*points, *taken)]
    boxes: list[_Box] = []
    found: list[Label | None] = []
    for (x, y), text in zip(points, words, strict=True):
        label = None
        for candidate in _candidates(radius, size) if text else ():
            box = _box(x, y, candidate, width(text, size), size)
            inside = box.left >= 0 and box.top >= 0 and box.right <= area[0] and box.bottom <= area[1]
            if inside and not any(box.covers(other) for other in (*boxes, *dots)):
                label = candidate
                boxes.append(box)
                break
        found.append(label)
    return found


def layers(
    points: Sequence[tuple[float, float]],
    words: Sequence[str],
    placed: Sequence[Label | None],
    colours: Sequence[str],
    size: float = 11,
) -> list[altair.Chart]:
    """The labels that `place` found room for as layers of an altair chart, in pixels whatever the chart's scales."""
    import altair

    rows = [
        {"px": x + label.dx, "py": y + label.dy, "words": text, "colour": colour, "align": label.align}
        for (x, y), text, label, colour in zip(points, words, placed, colours, strict=True)
        if label is not None
    ]
    # a layer an alignment, since a mark has one: a layer a label takes seconds to draw
    aligned: dict[Align, list[dict[str, Any]]] = {
        align: [row for row in rows if row["align"] == align] for align in get_args(Align)
    }
    return [
        altair.Chart(altair.Data(values=own))
        .mark_text(align=align, fontSize=size)
        .encode(
            x=altair.X("px:Q", scale=None, axis=None),
            y=altair.Y("py:Q", scale=None, axis=None),
            text="words:N",
            color=altair.Color("colour:N", scale=None),
        )
        for align, own in aligned.items()
        if own
    ]


def _candidates(radius: float, size: float) -> list[Label]:
    beside, above = radius + 3, radius + size * 0.75
    corner = radius * 0.7 + 2
    near: list[Label] = [Label(beside, 0, "left"), Label(-beside, 0, "right")]
    near += [Label(0, -above, "center"), Label(0, above, "center")]
    for far in (1.0, 2.0):
        near += [
            Label(side * corner, up * (corner + size * far / 2), "left" if side > 0 else "right")
            for up in (-1, 1)
            for side in (1, -1)
        ]
    return near


def _box(x: float, y: float, label: Label, wide: float, size: float) -> _Box:
    start = x + label.dx - {"left": 0.0, "center": wide / 2, "right": wide}[label.align]
    middle = y + label.dy
    return _Box(start, middle - size * 0.55, start + wide, middle + size * 0.55)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places between `low` and `high` that lie at least `gap` apart, near the `wanted` ones and in their order.

    Where there are too many for that, they lie evenly from `low` to `high`.
    """
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    if not order:
        return []
    gap = min(gap, (high - low) / max(1, len(order) - 1))
    # neighbours that are too close become a block around their mean, as in isotonic regression
    blocks: list[tuple[float, int]] = []
    for rank, number in enumerate(order):
        blocks.append((min(max(wanted[number], low), high) - rank * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (first, few), (second, more) = blocks[-2:]
            blocks[-2:] = [((first * few + second * more) / (few + more), few + more)]
    top = high - gap * (len(order) - 1)
    flat = [min(max(value, low), top) for value, count in blocks for _ in range(count)]
    found = [0.0] * len(order)
    for rank, number in enumerate(order):
        found[number] = flat[rank] + rank * gap
    return found
