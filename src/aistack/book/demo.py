"""A demo: a few controls with finite choices, and what is shown for each of their combinations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aistack.book.number import Number
from aistack.book.table import Cell
from aistack.drawing import Figure
from aistack.errors import BadInput

Value = str | int | float


@dataclass(frozen=True)
class Control:
    """One thing that the reader can change."""

    name: str
    """The keyword that `Demo.run` takes it by."""
    label: str
    values: tuple[Value, ...]
    start: Value

    def __post_init__(self) -> None:
        if self.start not in self.values or len(set(map(str, self.values))) < len(self.values):
            raise ValueError(f"The control {self.name!r} must start at one of its values, which must differ.")


@dataclass(frozen=True)
class Shown:
    """What a demo shows for one choice."""

    numbers: Mapping[str, Number]
    """By what they are called."""
    figure: Figure | None = None
    rows: Sequence[Mapping[str, Cell]] = field(default=())


@dataclass(frozen=True)
class Demo:
    """Controls and the function that answers them; it must be quick, pure, and defined for every combination."""

    title: str
    controls: tuple[Control, ...]
    run: Callable[..., Shown]

    def grid(self) -> Iterator[dict[str, Value]]:
        """Every combination of the controls' values, the starting one first."""
        names = [control.name for control in self.controls]
        start = self.start
        yield start
        for values in itertools.product(*(control.values for control in self.controls)):
            if (choice := dict(zip(names, values, strict=True))) != start:
                yield choice

    @property
    def start(self) -> dict[str, Value]:
        """The choice that a page shows at first."""
        return {control.name: control.start for control in self.controls}

    @staticmethod
    def key(choice: Mapping[str, Value]) -> str:
        """A choice as one word, the key of a precomputed grid: values in the controls' order, "|" between them."""
        return "|".join(map(str, choice.values()))

    def choice(self, given: Mapping[str, str]) -> dict[str, Value]:
        """The choice that text (a query) names; what is not named starts where it starts. Raises `BadInput`."""
        if unknown := given.keys() - {control.name for control in self.controls}:
            raise BadInput(f"The demo {self.title!r} has no control named {sorted(unknown)[0]!r}.")
        chosen = self.start
        for control in self.controls:
            if control.name in given:
                by_text = {str(value): value for value in control.values}
                if given[control.name] not in by_text:
                    raise BadInput(f"{control.label} is {given[control.name]!r}; choose one of {', '.join(by_text)}.")
                chosen[control.name] = by_text[given[control.name]]
        return chosen
