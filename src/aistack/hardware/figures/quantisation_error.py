"""What number formats make of a real model's weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from aistack.catalog.records import Record
from aistack.drawing import HUES, Figure, labels
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED

_WIDE, _TALL = 540, 380
_PARTS = {"embeddings": "embeddings", "attention": "attention", "feed_forward": "feed-forward", "all": "all matrices"}


def draw(errors: Sequence[Record], part: str = "all") -> Figure:
    """Signal over noise in decibels by bits a weight, a dot a format; `part` is one of the records' values.

    `errors` are the catalog's records of the table `quantisation-error`.
    """
    import altair

    largest = next((each.values[part].si for each in errors if each.group == "largest"), None)
    errors = [each for each in errors if "bits" in each.values]
    rows: list[dict[str, Any]] = [
        {"format": each.name, "bits": each.values["bits"].si * 8, "decibels": _decibels(each, part)}
        for each in sorted(errors, key=lambda each: -each.values[part].si)
    ]
    low, high = 3.5, 22.0
    top = 10 * math.ceil(max(row["decibels"] for row in rows) / 10 + 0.4)
    points = [
        (
            math.log(row["bits"] / low) / math.log(high / low) * _WIDE,
            _TALL - row["decibels"] / top * _TALL,
        )
        for row in rows
    ]
    places = labels.place(points, [row["format"] for row in rows], (_WIDE, _TALL), radius=5)
    x = altair.X(
        "bits:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis("bits a weight, scales included", [(each, f"{each}") for each in (4, 6, 8, 16)]),
    )
    y = altair.Y(
        "decibels:Q",
        scale=altair.Scale(domain=[0, top], nice=False),
        axis=altair.Axis(title="signal over noise, dB", tickCount=6),
    )
    layers = [
        altair.Chart(altair.Data(values=rows)).mark_point(color=HUES["hardware"], size=50).encode(x=x, y=y),
        *labels.layers(points, [row["format"] for row in rows], places, [INK] * len(rows)),
        # each bit of mantissa halves the noise's amplitude
        altair.Chart(altair.Data(values=[{"bits": 11.0, "decibels": top * 0.06, "words": "6 dB: half the error"}]))
        .mark_text(color=MUTED, align="left")
        .encode(x=x, y=y, text="words:N"),
    ]
    by_name = {each.group + f":{each.values['block'].si:.0f}": each for each in errors}
    plain, fine = by_name.get("int8:0"), by_name.get("int8:384")
    title = (
        f"Eight-bit integers keep {_decibels(fine, part):.0f} dB with a scale a row and "
        f"{_decibels(plain, part):.0f} dB with one a matrix: outliers decide"
        if plain and fine
        else f"From {rows[-1]['decibels']:.0f} to {rows[0]['decibels']:.0f} dB of signal over noise"
    )
    return Figure(
        layer="hardware",
        title=title,
        subtitle=f"Weights of all-MiniLM-L6-v2 ({_PARTS.get(part, part)}) rounded to each format: power of the weights "
        "over power of the errors. A number after a slash: neighbours that share a scale; else one scale a matrix"
        + (f". The largest weight lies {largest:.0f} standard deviations out" if largest else ""),
        source="Measured here on the model's own weights (22 million); a test repeats it. Model: Apache-2.0.",
        alt="Signal over noise by format: "
        + ", ".join(f"{row['format']} {row['decibels']:.0f} dB at {row['bits']:.3g} bits" for row in rows)
        + ".",
        chart=altair.layer(*layers).properties(width=_WIDE, height=_TALL),
        table=[
            {"format": each.name, "bits a weight": f"{each.values['bits'].si * 8:.4g}"}
            | {words: f"{_decibels(each, key):.1f} dB" for key, words in _PARTS.items()}
            for each in sorted(errors, key=lambda each: -each.values[part].si)
        ],
    )


def _decibels(record: Record, part: str) -> float:
    return 10 * math.log10(record.values[part].si)
