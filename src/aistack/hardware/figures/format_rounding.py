"""One number in several formats: the bits that are stored, and how far they are from it."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.drawing import Figure
from aistack.drawing.diagram import Colour, Diagram, Shape, line, rect, text
from aistack.hardware.number_format import encoded, rounded

_LEFT, _BIT, _ROW, _TOP = 112.0, 13.0, 28.0, 26.0


def draw(number: float, names: Sequence[str]) -> Figure:
    """A row a format: the bits of `number` in it, the value that they stand for, and the error in percent of it.

    `names` are formats that `aistack.hardware.number_format.rounded` knows, scales left out. Raises what that raises,
    and `ValueError` for zero, which every format holds exactly.
    """
    if number == 0:
        raise ValueError("Every format holds zero exactly. Draw another number.")
    rows = [(name, encoded(name, number), float(rounded(name, number))) for name in names]
    widest = max(len("".join(bits)) for _, bits, _ in rows)
    right = _LEFT + widest * _BIT
    shapes: list[Shape] = [
        text(right + 110, 14, "value", "muted", size=11, anchor="end"),
        text(right + 182, 14, "error", "muted", size=11, anchor="end"),
    ]
    for row, (name, bits, value) in enumerate(rows):
        y = _TOP + row * _ROW
        shapes.append(text(_LEFT - 10, y + 14, _name(name), anchor="end"))
        x = _LEFT
        fields: tuple[tuple[str, Colour, float], ...] = tuple(
            zip(bits, ("muted", "hardware", "ink"), (0.25, 0.3, 0.1), strict=True)
        )
        for digits, colour, opacity in fields:
            for digit in digits:
                shapes.append(rect(x, y, _BIT - 1.5, 20, colour, opacity=opacity))
                shapes.append(text(x + (_BIT - 1.5) / 2, y + 14, digit, size=11, anchor="middle"))
                x += _BIT
        shapes += [
            text(right + 110, y + 14, f"{value:.7g}", anchor="end"),
            text(right + 182, y + 14, _error(value, number), anchor="end", bold=True),
            line(_LEFT, y + 24, right + 182, y + 24, "grid"),
        ]
    best, worst = (pick(rows, key=lambda each: abs(each[2] - number)) for pick in (min, max))
    return Figure(
        layer="hardware",
        title=f"{number:g} becomes {worst[2]:g} in {_name(worst[0])}, {_error(worst[2], number)} off"
        if worst[2] != number
        else f"All these formats hold {number:g} exactly",
        subtitle="The bits that are stored: sign, exponent (in the layer's hue), mantissa; the value they stand for, "
        "and its distance from the number. No scales",
        source="Derived: aistack.hardware.number_format, bit by bit what PyTorch's formats hold.",
        alt=f"{number:g} in {len(rows)} formats: "
        + "; ".join(f"{_name(name)} {' '.join(filter(None, bits))}, which is {value:.7g}" for name, bits, value in rows)
        + f". Nearest is {_name(best[0])}.",
        chart=Diagram(right + 186, _TOP + len(rows) * _ROW, tuple(shapes)),
        table=[
            {
                "format": _name(name),
                "bits": " ".join(filter(None, bits)),
                "value": f"{value:.9g}",
                "error": _error(value, number),
            }
            for name, bits, value in rows
        ],
    )


def _name(name: str) -> str:
    return name.upper().replace("_", " ")


def _error(value: float, number: float) -> str:
    share = abs(value - number) / abs(number)
    if share == 0:
        return "exact"
    return "< 0.01%" if share < 1e-4 else f"{share:.2%}" if share < 0.1 else f"{share:.0%}"
