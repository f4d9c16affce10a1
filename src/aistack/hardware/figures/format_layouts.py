"""Number formats as rows of bits, to scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aistack.catalog import Fact, NumberFormat
from aistack.drawing import Figure
from aistack.drawing.diagram import Colour, Diagram, Shape, rect, text

_BIT, _ROW, _LEFT = 13.0, 26.0, 118.0
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def draw(formats: Sequence[NumberFormat]) -> Figure:
    """One row a format: sign, exponent and mantissa bits, and what a block's scale adds to each element.

    A bit is equally wide everywhere; formats without a mantissa width (posits, tables) are left out.
    """
    shown = [each for each in formats if each.mantissa_bits is not None and each.sign_bits is not None]
    widest = max(_bits(each) for each in shown)
    shapes: list[Shape] = [
        text(_LEFT, 13, "sign", "muted", size=11),
        text(_LEFT + 40, 13, "exponent: range", "hardware", size=11),
        text(_LEFT + 150, 13, "mantissa: precision", "ink", size=11),
        text(_LEFT + 290, 13, "dashed: share of the scale", "muted", size=11),
        text(_LEFT + widest * _BIT + 100, 13, "largest", "muted", size=11, anchor="end"),
        text(_LEFT + widest * _BIT + 172, 13, "gap after 1", "muted", size=11, anchor="end"),
    ]
    for row, each in enumerate(shown):
        y = 22 + row * _ROW
        shapes.append(text(_LEFT - 10, y + 14, _name(each), anchor="end", size=12))
        x = _LEFT
        fields: tuple[tuple[Fact | None, Colour, float], ...] = (
            (each.sign_bits, "muted", 0.8),
            (each.exponent_bits, "hardware", 0.85),
            (each.mantissa_bits, "ink", 0.35),
        )
        for width, colour, opacity in fields:
            for _ in range(round(_width(width))):
                shapes.append(rect(x, y, _BIT - 1.5, 18, colour, opacity=opacity))
                x += _BIT
        unused = 8 * each.storage_bits.si - (x - _LEFT) / _BIT
        if unused:
            shapes.append(rect(x, y, unused * _BIT - 1.5, 18, None, stroke="grid"))
            shapes.append(text(x + 6, y + 13, "not used", "muted", size=10))
        scale = _scale(each)
        if scale:
            shapes.append(rect(x, y, scale * _BIT, 18, None, stroke="muted", dash="2 2"))
            x += scale * _BIT
        shapes += [
            text(_LEFT + widest * _BIT + 100, y + 13, _size(each.max_finite.si), size=11, anchor="end"),
            text(_LEFT + widest * _BIT + 172, y + 13, _gap(each), size=11, anchor="end"),
        ]
    wide = _LEFT + widest * _BIT + 176
    narrow, broad = min(shown, key=_bits), max(shown, key=_bits)
    return Figure(
        layer="hardware",
        title=f"{_name(broad)} spends {_bits(broad):.3g} bits on a number, {_name(narrow)} "
        f"{_bits(narrow):.3g}; what is given up is precision first, then range",
        subtitle="Bits of one element in memory, to scale: sign, exponent and mantissa; dashed: its share of the scale "
        "that a block has in common. Right: largest value and the gap after 1",
        source="Catalog: number formats, after IEEE 754, the OCP specifications for 8-bit floating point and "
        "microscaling, and the makers' documents.",
        alt="; ".join(
            f"{_name(each)}: {_width(each.exponent_bits):.0f} exponent, {_width(each.mantissa_bits):.0f} mantissa bits"
            + (f", {_scale(each):.2g} bits of scale" if _scale(each) else "")
            for each in shown
        )
        + ".",
        chart=Diagram(wide, 28 + len(shown) * _ROW, tuple(shapes)),
        table=[
            {
                "format": _name(each),
                "bits an element": f"{_bits(each):.4g}",
                "exponent": round(_width(each.exponent_bits)),
                "mantissa": round(_width(each.mantissa_bits)),
                "largest": f"{each.max_finite.si:.4g}",
                "gap after 1": f"{each.epsilon.si:.3g}" if each.epsilon else "one step",
                "block": f"{each.block_size.si:.0f}, {each.block_scale.value}"
                if each.block_size and each.block_scale
                else "none",
            }
            for each in shown
        ],
    )


def _width(fact: Fact | None) -> float:
    return 8 * fact.si if fact is not None else 0.0


def _bits(each: NumberFormat) -> float:
    return 8 * each.bytes_per_element


def _scale(each: NumberFormat) -> float:
    return 8 * (each.effective_bits.si - each.storage_bits.si) if each.effective_bits else 0.0


def _name(each: NumberFormat) -> str:
    return each.name.upper().replace("_", " ")


def _size(value: float) -> str:
    if value < 1e6:
        return f"{value:,.6g}"
    digits, power = f"{value:.1e}".split("e+")
    return f"{digits} × 10{power.translate(_RAISED)}"


def _gap(each: NumberFormat) -> str:
    gap = each.epsilon.si if each.epsilon else 1.0
    return f"2{str(round(math.log2(gap))).translate(_RAISED)}" if gap < 1 else f"{gap:g}"
