"""The stack as one cross-section: six floors, the ground floor at the bottom, each with a line or two of text."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from aistack.drawing.theme import HUES, HUES_ON_INK, LAYERS, ROLES, SANS, Layer

_FLOOR, _GAP, _WIDTH, _LEFT = 58, 4, 760, 10


def section(floors: Mapping[Layer, Sequence[str]], alt: str) -> str:
    """An SVG that follows the reader's colour scheme by itself; `floors` gives each layer its one or two lines."""
    if not alt.strip():
        raise ValueError("A picture needs its alt text.")
    height = len(LAYERS) * (_FLOOR + _GAP) + 8
    parts = []
    for number, layer in enumerate(LAYERS, start=1):
        top = height - number * (_FLOOR + _GAP)
        first, *rest = floors[layer]
        parts.append(
            f'<g><rect class="floor" x="{_LEFT}" y="{top}" width="{_WIDTH - 2 * _LEFT}" height="{_FLOOR}"/>'
            f'<rect class="{layer}" x="{_LEFT}" y="{top}" width="8" height="{_FLOOR}"/>'
            f'<text class="number" x="{_LEFT + 26}" y="{top + 36}">{number}</text>'
            f'<text class="name {layer}" x="{_LEFT + 54}" y="{top + 36}">{layer}</text>'
            f'<text class="line" x="{_LEFT + 226}" y="{top + (25 if rest else 35)}">{html.escape(first)}</text>'
            + "".join(
                f'<text class="more" x="{_LEFT + 226}" y="{top + 44}">{html.escape(line)}</text>' for line in rest
            )
            + "</g>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" '
        f'aria-label="{html.escape(alt, quote=True)}"><title>{html.escape(alt)}</title>'
        f"<style>{_colours(0)}@media (prefers-color-scheme:dark){{{_colours(1)}}}</style>{''.join(parts)}</svg>\n"
    )


def _colours(scheme: int) -> str:
    ink, muted, grid, paper = (ROLES[role][scheme] for role in ("ink", "muted", "grid", "paper"))
    hues = (HUES, HUES_ON_INK)[scheme]
    layers = "".join(f".{layer}{{fill:{hues[layer]}}}" for layer in LAYERS)
    return (
        f"text{{font-family:{SANS};fill:{ink}}}.floor{{fill:{paper};stroke:{grid}}}"
        f".number{{font-size:20px;fill:{muted}}}.name{{font-size:18px;font-weight:600}}"
        f".line{{font-size:14px}}.more{{font-size:13px;fill:{muted}}}{layers}"
    )
