"""What is being done, how far it is and how long it will still take; plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from aistack.drawing.theme import HUES_TERMINAL, Layer

ABOUT: dict[Layer, str] = {
    "hardware": "measuring this machine",
    "infrastructure": "moving bytes between processes and to disk",
    "frameworks": "turning text into training shards",
    "training": "training a language model on them",
    "serving": "quantising and serving it",
    "applications": "putting it to use",
}
"""What each stage does, in a few words."""


class Task(Protocol):
    """A piece of work under way."""

    def advance(self, amount: float = 1) -> None:
        """Say that `amount` more of it is done."""

    def note(self, text: str) -> None:
        """Show a few words beside the bar, such as the current loss."""


class Progress:
    """Shows work under way on `console`; in a pipe each task is one line when it starts and one when it ends."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Print one line of plain text."""
        self.console.print(text, markup=False, highlight=False)

    def stage(self, number: int, layer: Layer) -> None:
        """Print the heading of a stage, in its layer's colour."""
        self.console.print(f"\n[bold {HUES_TERMINAL[layer]}]{number} {layer}[/] {ABOUT[layer]}", highlight=False)

    @contextmanager
    def task(self, what: str, total: float | None = None) -> Iterator[Task]:
        """Show `what` while the block runs; `total` is the amount of `advance` that will finish it."""
        if not self.console.is_terminal:
            started = time.perf_counter()
            quiet = _Quiet()
            yield quiet
            took = time.perf_counter() - started
            words = f" ({quiet.words})" if quiet.words else ""
            self.say(f"  {what}: {took:.1f} s{words}")
            return
        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            *(() if total is None else (MofNCompleteColumn(),)),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[words]}", style="dim"),
            console=self.console,
            transient=True,
        )
        with bars:
            yield _Bar(bars, what, total)


class _Quiet:
    def __init__(self) -> None:
        self.words = ""

    def advance(self, amount: float = 1) -> None:
        """Nothing to draw in a pipe."""

    def note(self, text: str) -> None:
        self.words = text


class _Bar:
    def __init__(self, bars: Bars, what: str, total: float | None) -> None:
        self._bars = bars
        self._id = bars.add_task(f"  {what}", total=total, words="")

    def advance(self, amount: float = 1) -> None:
        self._bars.advance(self._id, amount)

    def note(self, text: str) -> None:
        self._bars.update(self._id, words=text)
