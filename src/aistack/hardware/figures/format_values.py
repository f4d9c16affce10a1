"""The numbers that narrow formats have, on one line."""

from __future__ import annotations

from collections.abc import Sequence

from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Scale, Shape, line, text
from aistack.hardware.number_format import values

_WIDE, _LEFT, _RIGHT, _ROW = 720.0, 112.0, 706.0, 44.0


def draw(names: Sequence[str], most: float = 1.0) -> Figure:
    """A tick a value, one row a format, each scaled so that its largest value lies at `most`; zero and above.

    `names` are formats of at most 8 bits for which `aistack.hardware.number_format.values` knows all values.
    """
    place = Scale(0, most, _LEFT, _RIGHT)
    shapes: list[Shape] = []
    rows = []
    for row, name in enumerate(names):
        own = values(name)
        scaled = own / own[-1] * most
        y = 14 + row * _ROW
        shapes += [
            text(_LEFT - 12, y + 17, _name(name), anchor="end"),
            text(_LEFT - 12, y + 31, f"{len(own)} values", "muted", size=10, anchor="end"),
            line(_LEFT, y + 26, _RIGHT, y + 26, "grid"),
        ]
        # ticks nearer than half a pixel merge into one
        seen = sorted({round(place(float(value)) * 2) / 2 for value in scaled})
        shapes += [line(x, y + 4, x, y + 26, "hardware", thick=0.9) for x in seen]
        rows.append(
            {
                "format": _name(name),
                "values from zero up": len(own),
                "of them below a tenth of the largest": int((scaled < most / 10).sum()),
                "largest": f"{own[-1]:g}",
                "smallest above zero": f"{own[1]:g}",
            }
        )
    bottom = 14 + len(names) * _ROW
    marks = [(share, words) for share, words in ((0, "0"), (0.25, "¼"), (0.5, "½"), (0.75, "¾"), (1, "the largest"))]
    shapes += [
        text(place(share * most), bottom + 4, words, "muted", size=11, anchor="middle" if share < 1 else "end")
        for share, words in marks
    ]
    crowded = max(rows, key=lambda each: float(str(each["of them below a tenth of the largest"])) / _count(each))
    share = float(str(crowded["of them below a tenth of the largest"])) / _count(crowded)
    return Figure(
        layer="hardware",
        title=f"{share:.0%} of {crowded['format']}'s values lie in the lowest tenth of its range; integers lie evenly",
        subtitle="Every value from zero to the largest, all formats scaled to the same largest value; a tick a value",
        source="Derived: aistack.hardware.number_format, from the widths and biases in the catalog; the same values "
        "that PyTorch's own formats hold.",
        alt="Number lines. "
        + " ".join(
            f"{each['format']} has {each['values from zero up']} values, "
            f"{each['of them below a tenth of the largest']} of them in the lowest tenth."
            for each in rows
        ),
        chart=Diagram(_WIDE, bottom + 12, tuple(shapes)),
        table=rows,
    )


def _name(name: str) -> str:
    return name.upper().replace("_", " ")


def _count(row: dict[str, object]) -> float:
    return float(str(row["values from zero up"]))
