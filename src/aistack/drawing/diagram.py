"""A diagram: shapes at places, in the theme's colours, with frames where time is the subject. It becomes one SVG.

Lengths are pixels from the top left. Colours are roles of the theme, so that a page's scheme decides what they look
like. All words are found by `Diagram.words` and replaced by `Diagram.with_words`, so that a diagram can be translated.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aistack.drawing.theme import LAYERS, ROLES

Colour = Literal[
    "ink", "muted", "grid", "paper", "hardware", "infrastructure", "frameworks", "training", "serving", "applications"
]
"""What a colour is for; a layer's name is the layer's own hue."""

Anchor = Literal["start", "middle", "end"]

_MARGIN = 2
"""Pixels around the canvas, so that lines on its edge are not cut."""

_LINE = 1.25
"""Distance of two lines of text, in sizes of the font."""


@dataclass(frozen=True)
class Shape:
    """One SVG element. Make it with the functions of this module."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    words: str = ""
    children: tuple[Shape, ...] = ()

    @property
    def svg(self) -> str:
        """The element and those in it."""
        attributes = "".join(f' {name}="{value}"' for name, value in self.attributes)
        inside = self._lines() + "".join(child.svg for child in self.children)
        return f"<{self.tag}{attributes}>{inside}</{self.tag}>" if inside else f"<{self.tag}{attributes}/>"

    def _lines(self) -> str:
        first, *rest = (html.escape(line) for line in self.words.split("\n"))
        left = dict(self.attributes).get("x", "0")
        return first + "".join(f'<tspan x="{left}" dy="{_LINE}em">{line}</tspan>' for line in rest)


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    fill: Colour | None = "grid",
    *,
    opacity: float = 1,
    stroke: Colour | None = None,
    thick: float = 1,
    dash: str = "",
    round: float = 0,
) -> Shape:
    """A rectangle; `opacity` is its filling's, `round` the radius of its corners."""
    own = {"x": x, "y": y, "width": max(width, 0), "height": max(height, 0)}
    return _shape("rect", own | ({"rx": round} if round else {}), _fill(fill, opacity), _stroke(stroke, thick, dash))


def circle(
    x: float,
    y: float,
    radius: float,
    fill: Colour | None = "grid",
    *,
    opacity: float = 1,
    stroke: Colour | None = None,
    thick: float = 1,
) -> Shape:
    """A circle around (x, y)."""
    return _shape("circle", {"cx": x, "cy": y, "r": radius}, _fill(fill, opacity), _stroke(stroke, thick, ""))


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: Colour = "muted", *, thick: float = 1, dash: str = ""
) -> Shape:
    """A straight line."""
    return _shape("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2}, _stroke(stroke, thick, dash))


def path(
    points: Iterable[tuple[float, float]],
    stroke: Colour | None = "muted",
    *,
    fill: Colour | None = None,
    opacity: float = 1,
    thick: float = 1,
    dash: str = "",
    closed: bool = False,
) -> Shape:
    """Straight lines from point to point; `closed` leads back to the first."""
    way = "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points) + ("Z" if closed else "")
    return _shape("path", {"d": way}, _fill(fill, opacity), _stroke(stroke, thick, dash))


def arrow(
    x1: float, y1: float, x2: float, y2: float, stroke: Colour = "muted", *, thick: float = 1.2, head: float = 6
) -> Shape:
    """A line from (x1, y1) with a head at (x2, y2)."""
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    along, across = ((x2 - x1) / length, (y2 - y1) / length), (-(y2 - y1) / length, (x2 - x1) / length)
    neck = (x2 - along[0] * head, y2 - along[1] * head)
    sides = [(neck[0] + side * across[0] * head / 2.2, neck[1] + side * across[1] * head / 2.2) for side in (1, -1)]
    (ax, ay), (bx, by) = sides
    way = (
        f"M{_number(x1)} {_number(y1)}L{_number(neck[0])} {_number(neck[1])}"
        f"M{_number(x2)} {_number(y2)}L{_number(ax)} {_number(ay)}L{_number(bx)} {_number(by)}Z"
    )
    return _shape("path", {"d": way}, _fill(stroke, 1), _stroke(stroke, thick, ""))


def text(
    x: float,
    y: float,
    words: str,
    fill: Colour = "ink",
    *,
    size: float = 12,
    anchor: Anchor = "start",
    bold: bool = False,
    turn: float = 0,
    halo: bool = False,
) -> Shape:
    """Words with their baseline at `y`; a line break starts a new line below.

    `turn` is degrees clockwise about (x, y); `halo` keeps them readable over lines.
    """
    style = {"font-size": _number(size)}
    style |= {"text-anchor": anchor} if anchor != "start" else {}
    style |= {"font-weight": "600"} if bold else {}
    style |= {"transform": f"rotate({_number(turn)} {_number(x)} {_number(y)})"} if turn else {}
    style |= {"paint-order": "stroke", "stroke-linejoin": "round"} | _stroke("paper", 3, "") if halo else {}
    return replace(_shape("text", {"x": x, "y": y}, _fill(fill, 1), style), words=words)


def group(*shapes: Shape, move: tuple[float, float] = (0, 0)) -> Shape:
    """Shapes as one, `move`d right and down."""
    x, y = move
    place = {"transform": f"translate({_number(x)} {_number(y)})"} if (x, y) != (0, 0) else {}
    return replace(_shape("g", {}, place), children=shapes)


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` as pixels from `start` to `end`, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where `value` lies."""
        place: Callable[[float], float] = math.log if self.log else float
        share = (place(value) - place(self.low)) / (place(self.high) - place(self.low))
        return self.start + share * (self.end - self.start)

    def length(self, value: float) -> float:
        """How long `value` is drawn on a linear scale."""
        if self.log:
            raise ValueError("A logarithmic scale has places and no lengths.")
        return value / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True)
class Frame:
    """One moment: what is drawn then, over what is always drawn, and what happens."""

    caption: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Diagram:
    """Shapes on a canvas; with `frames`, something that moves."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    """What is always drawn, the first undermost."""
    frames: tuple[Frame, ...] = ()
    still: int = -1
    """The frame that stands for all where nothing moves: in print, and until the reader starts it."""
    seconds: float = 0.8
    """How long a frame is shown."""

    def __post_init__(self) -> None:
        if self.frames and not -len(self.frames) <= self.still < len(self.frames):
            raise ValueError(f"Frame {self.still} cannot stand for {len(self.frames)} frames.")

    @property
    def svg(self) -> str:
        """One SVG in the light colours; all frames are in it, and only the still one is displayed."""
        shown = self.still % len(self.frames) if self.frames else 0
        frames = "".join(
            f'<g class="frame" data-caption="{html.escape(frame.caption, quote=True)}"'
            + ("" if number == shown else ' display="none"')
            + f">{''.join(shape.svg for shape in frame.shapes)}</g>"
            for number, frame in enumerate(self.frames)
        )
        wide, tall = _number(self.width + 2 * _MARGIN), _number(self.height + 2 * _MARGIN)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_MARGIN} {-_MARGIN} {wide} {tall}" '
            f'width="{wide}" height="{tall}" '
            f'font-family="system-ui, sans-serif">{"".join(shape.svg for shape in self.shapes)}{frames}</svg>'
        )

    @property
    def controls(self) -> str:
        """HTML that belongs below a diagram that moves, hidden until a script can drive it; else empty."""
        if not self.frames:
            return ""
        shown = self.still % len(self.frames)
        return (
            f'<div class="player" data-seconds="{_number(self.seconds)}" data-frame="{shown}">'
            f'<p class="caption" aria-live="polite">{html.escape(self.frames[shown].caption)}</p>'
            '<div class="controls" hidden><button type="button" data-step="-1">Back</button>'
            '<button type="button" data-play aria-pressed="false">Play</button>'
            '<button type="button" data-step="1">Step</button>'
            f'<label>Frame <input type="range" min="1" max="{len(self.frames)}" value="{shown + 1}"></label>'
            f"<output>{shown + 1} of {len(self.frames)}</output></div></div>"
        )

    @property
    def words(self) -> tuple[str, ...]:
        """All that is written in the diagram, captions included, each once."""
        drawn = [*self.shapes, *(shape for frame in self.frames for shape in frame.shapes)]
        said = [*_words(drawn), *(frame.caption for frame in self.frames)]
        return tuple(dict.fromkeys(said))

    def with_words(self, others: Mapping[str, str]) -> Diagram:
        """The same with `others` in place of the words that are its keys."""
        return replace(
            self,
            shapes=_said(self.shapes, others),
            frames=tuple(
                Frame(others.get(frame.caption, frame.caption), _said(frame.shapes, others)) for frame in self.frames
            ),
        )


def _words(shapes: Iterable[Shape]) -> list[str]:
    return [words for shape in shapes for words in ([shape.words] if shape.words else []) + _words(shape.children)]


def _said(shapes: Sequence[Shape], others: Mapping[str, str]) -> tuple[Shape, ...]:
    return tuple(
        replace(shape, words=others.get(shape.words, shape.words), children=_said(shape.children, others))
        for shape in shapes
    )


def _shape(tag: str, geometry: Mapping[str, str | float], *styles: Mapping[str, str]) -> Shape:
    places = {name: value if isinstance(value, str) else _number(value) for name, value in geometry.items()}
    return Shape(tag, tuple({**places, **{name: value for style in styles for name, value in style.items()}}.items()))


def _fill(colour: Colour | None, opacity: float) -> dict[str, str]:
    return {"fill": _hex(colour)} | ({"fill-opacity": _number(opacity)} if colour and opacity < 1 else {})


def _stroke(colour: Colour | None, thick: float, dash: str) -> dict[str, str]:
    if colour is None:
        return {}
    return (
        {"stroke": _hex(colour)}
        | ({"stroke-width": _number(thick)} if thick != 1 else {})
        | ({"stroke-dasharray": dash} if dash else {})
    )


def _hex(colour: Colour | None) -> str:
    return "none" if colour is None else ROLES[f"layer-{colour}" if colour in LAYERS else colour][0]


def _number(value: float) -> str:
    # a hundredth of a pixel is finer than any screen
    number = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if number == "-0" else number
