"""Colours and type, one hand for the book, the app, the report and the terminal.

Six hues of equal lightness (OKLCH: L 0.52 on paper, 0.76 on ink), one a layer and used for nothing else. Charts are
drawn in the light colours; where a page embeds one, each colour becomes the CSS variable of its role, so that it
follows the page's scheme.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

Layer = Literal["hardware", "infrastructure", "frameworks", "training", "serving", "applications"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

HUES: dict[Layer, str] = {
    "hardware": "#ae4024",
    "infrastructure": "#896105",
    "frameworks": "#1b7e2a",
    "training": "#097689",
    "serving": "#4860be",
    "applications": "#9e3f84",
}
"""A layer's colour on paper."""

HUES_ON_INK: dict[Layer, str] = {
    "hardware": "#f89177",
    "infrastructure": "#dca744",
    "frameworks": "#79c77c",
    "training": "#1ec5e4",
    "serving": "#93adff",
    "applications": "#e88fcb",
}
"""A layer's colour in the dark scheme."""

HUES_TERMINAL: dict[Layer, str] = {
    "hardware": "red",
    "infrastructure": "yellow",
    "frameworks": "green",
    "training": "cyan",
    "serving": "blue",
    "applications": "magenta",
}
"""A layer's colour among the sixteen that every terminal has and its user has chosen to be readable."""

INK, MUTED, GRID, PAPER = "#1c1d20", "#54565c", "#dedbd3", "#fdfcf9"

ROLES: dict[str, tuple[str, str]] = {
    "ink": (INK, "#e8e6e1"),
    "muted": (MUTED, "#a9abb2"),
    "grid": (GRID, "#34363c"),
    "paper": (PAPER, "#16171a"),
    "accent": ("#1a4fd6", "#9cb8ff"),
    **{f"layer-{layer}": (HUES[layer], HUES_ON_INK[layer]) for layer in LAYERS},
}
"""CSS variable -> its colour on paper and on ink."""

# not system-ui, which is DejaVu Sans, far wider, on a Linux that has nothing else set up
SANS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
SERIF = "Charter, 'Bitstream Charter', 'Sitka Text', Cambria, 'Noto Serif', 'DejaVu Serif', Georgia, serif"


def stylesheet() -> str:
    """The CSS variables of both schemes; a page may force one with `data-scheme` on its root element.

    On paper all is light.
    """
    light = "".join(f"--{role}:{on_paper};" for role, (on_paper, _) in ROLES.items())
    dark = "".join(f"--{role}:{on_ink};" for role, (_, on_ink) in ROLES.items())
    return (
        f":root{{color-scheme:light dark;{light}--sans:{SANS};--serif:{SERIF}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-scheme=light]){{{dark}}}}}"
        f"@media screen{{:root[data-scheme=dark]{{color-scheme:dark;{dark}}}}}"
        ":root[data-scheme=light]{color-scheme:light}"
    )


def follow_scheme(svg: str) -> str:
    """Turn each of the theme's colours in an SVG into the CSS variable of its role."""
    for role, (on_paper, _) in ROLES.items():
        svg = svg.replace(f'"{on_paper}"', f'"var(--{role})"')
    return svg


def vega_config() -> dict[str, Any]:
    """The look of every chart: few grid lines, quiet axes, direct labels in the text's own colour."""
    axis = {
        "labelColor": MUTED,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "domainColor": MUTED,
        "tickColor": MUTED,
        "gridColor": GRID,
        "gridOpacity": 1,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titlePadding": 8,
    }
    return {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": "transparent", "continuousWidth": 560, "continuousHeight": 260},
        "axis": axis,
        "axisX": {"grid": False},
        "legend": {"labelColor": MUTED, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11},
        "title": {"color": INK, "subtitleColor": MUTED, "fontSize": 12, "fontWeight": "normal", "anchor": "start"},
        "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12},
        "text": {"color": INK, "fontSize": 11},
        "rule": {"color": MUTED},
        "point": {"filled": True, "size": 45, "opacity": 1},
        "line": {"strokeWidth": 2},
    }
