"""A figure: a chart or diagram with its finding, its source, its words for those who cannot see it, and its table."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aistack.drawing.diagram import Diagram
from aistack.drawing.theme import Layer, follow_scheme, vega_config
from aistack.errors import BadInput

if TYPE_CHECKING:
    import altair

    Chart = (
        altair.Chart
        | altair.LayerChart
        | altair.FacetChart
        | altair.ConcatChart
        | altair.HConcatChart
        | altair.VConcatChart
    )

_COLUMN = 640
"""Pixels that a page's column holds; what is wider may use the margin."""
_TAG = re.compile(r"<[a-z][^>]*>")
_SPOKEN = re.compile(r' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"')
_DECIMALS = re.compile(r"-?\d+\.\d{3,}(?![\d.]*e)")


@dataclass(frozen=True)
class Figure:
    """A chart or diagram that says what it shows. Every field is required, `alt` above all."""

    layer: Layer
    title: str
    """The finding, as a claim."""
    subtitle: str
    """What is drawn."""
    source: str
    """Where the numbers come from."""
    alt: str
    """What a reader who cannot see the chart should know."""
    chart: Chart | Diagram
    table: Sequence[Mapping[str, Any]]
    """The numbers behind the chart, one mapping a row, the same keys in each."""

    def __post_init__(self) -> None:
        for name in ("title", "subtitle", "source", "alt"):
            if not getattr(self, name).strip():
                raise ValueError(f"A figure needs its {name}.")

    @cached_property
    def svg(self) -> str:
        """The chart as a static SVG in the light colours, drawn without a browser."""
        if isinstance(self.chart, Diagram):
            return self.chart.svg
        import vl_convert

        svg: str = vl_convert.vegalite_to_svg(self._spec(self.chart))
        return svg

    @property
    def spec(self) -> dict[str, Any] | None:
        """The chart as Vega-Lite in the light colours, for a page that draws it itself; None for a diagram."""
        return None if isinstance(self.chart, Diagram) else self._spec(self.chart)

    def html(self, number: int | str = "", label: str = "") -> str:
        """The figure as an HTML element that follows the page's colour scheme, its table folded away below it.

        `label` is the element's id; without one it is made of the number, which a figure within a demo has not.
        """
        label, named = label or f"figure-{number}", f"Figure {number}".rstrip()
        drawing = follow_scheme(self.svg if isinstance(self.chart, Diagram) else _slim(self.svg)).replace(
            "<svg ", f'<svg role="img" aria-label="{html.escape(self.alt, quote=True)}" ', 1
        )
        width = re.search(r'<svg [^>]*?\bwidth="([\d.]+)', drawing)
        wide = " wide" if width and float(width[1]) > _COLUMN else ""
        return (
            f'<figure id="{label}" class="layer-{self.layer}{wide}">'
            f'<figcaption><span class="number">{named}</span> <strong>{html.escape(self.title)}</strong>'
            f'<span class="subtitle">{html.escape(self.subtitle)}</span></figcaption>'
            f'<div class="drawing" tabindex="0" role="group" aria-label="{named}, scrollable">{drawing}</div>'
            f"{self.chart.controls if isinstance(self.chart, Diagram) else ''}"
            f'<p class="source">{html.escape(self.source)}</p>'
            f"<details><summary>The numbers</summary>{self._table()}</details></figure>"
        )

    def save(self, path: Path) -> None:
        """Write it to `path` as .svg, .png or, a chart, .json (Vega-Lite); another suffix is a `BadInput`."""
        import json

        import vl_convert

        if path.suffix == ".svg":
            path.write_text(self.svg, encoding="utf-8")
        elif path.suffix == ".png":
            path.write_bytes(vl_convert.svg_to_png(self.svg, scale=2))
        elif path.suffix == ".json" and not isinstance(self.chart, Diagram):
            path.write_text(json.dumps(self._spec(self.chart)), encoding="utf-8")
        else:
            kinds = ".svg or .png" if isinstance(self.chart, Diagram) else ".svg, .png or .json"
            raise BadInput(f"This figure can be saved as {kinds}, not as {path.suffix or path.name!r}.")

    def _spec(self, chart: Chart) -> dict[str, Any]:
        spec: dict[str, Any] = chart.to_dict()
        spec["config"] = vega_config()
        # labels are measured in one font and shown in the reader's: leave room for a wider one
        spec["padding"] = {"left": 32, "right": 28, "top": 5, "bottom": 5}
        return spec

    def _table(self) -> str:
        if not self.table:
            return "<p>No rows.</p>"
        columns = list(self.table[0])
        head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(row[column]))}</td>" for column in columns) + "</tr>"
            for row in self.table
        )
        return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _slim(svg: str) -> str:
    """An SVG without what its words for those who cannot see it make needless: roles and labels of each mark, and
    decimals finer than any screen. About half of the bytes."""
    return _TAG.sub(lambda tag: _DECIMALS.sub(_shorter, _SPOKEN.sub("", tag[0])), svg)


def _shorter(number: re.Match[str]) -> str:
    short = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
