"""A run's ledger in the terminal: prediction beside measurement, 80 columns wide, plain when piped."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from aistack import units
from aistack.dive.ledger import Entry, ratio_text
from aistack.dive.run import Result, Run
from aistack.drawing import LAYERS
from aistack.drawing.theme import HUES_TERMINAL

_HALF = 4
"""Cells of the ratio's bar on each side of 1; each is half an octave."""


def console() -> Console:
    """A console as wide as the terminal, but never narrower than what the tables need."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=80, no_color=True)


def ledger_table(results: Iterable[Result]) -> RenderableType:
    """The ledger of each finished stage, one table a layer with columns in line."""
    blocks: list[RenderableType] = []
    for result in results:
        table = _table(result, ("predicted", "measured"), "ratio")
        for entry in result.entries:
            table.add_row(*ledger_row(entry))
        blocks += [table, ""]
    return Group(*blocks)


def _table(result: Result, quantities: tuple[str, str], ratio: str) -> Table:
    """An empty table headed by the layer; every layer's has the same columns, so that they stand in line."""
    heading = Text(f"{LAYERS.index(result.layer) + 1} {result.layer}", style=f"bold {HUES_TERMINAL[result.layer]}")
    took = Text(f"  {units.text(result.seconds, 's')}", style="dim")
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column(Text.assemble(heading, took), width=30, overflow="fold")
    for name in quantities:
        table.add_column(name, justify="right", width=15, header_style="dim", no_wrap=True)
    table.add_column(ratio, justify="right", width=5, header_style="dim", no_wrap=True)
    table.add_column("", width=2 * _HALF + 1, no_wrap=True)
    return table


def ledger_row(entry: Entry) -> tuple[str, str, str, str, str]:
    """One quantity as cells: name, predicted, measured, ratio, bar."""
    measured = "" if entry.measured is None else units.text(entry.measured, entry.unit)
    ratio = entry.ratio
    return (
        entry.quantity,
        units.text(entry.predicted, entry.unit),
        measured,
        ratio_text(ratio),
        "" if ratio is None else ratio_bar(ratio),
    )


def ratio_bar(ratio: float) -> str:
    """A bar leftwards for less than predicted, rightwards for more; half an octave a cell, a tip where it goes on."""
    cells = round(2 * math.log2(ratio)) if ratio > 0 else -_HALF - 1
    left, right = min(max(-cells, 0), _HALF), min(max(cells, 0), _HALF)
    low = ("◂" if -cells > _HALF else "━") + "━" * (left - 1) if left else ""
    high = "━" * (right - 1) + ("▸" if cells > _HALF else "━") if right else ""
    return f"{low:>{_HALF}}┼{high:<{_HALF}}"


def show(run: Run, out: Console) -> None:
    """Print a run: what it was, its ledger, and what to do next."""
    results = run.results()
    options = run.options
    text = ", ".join(str(path) for path in options.text) or "the documentation of the installed packages"
    out.print(f"Run [bold]{run.name}[/], {run.device}, {options.minutes:g} minutes, text: {text}", highlight=False)
    out.print()
    out.print(ledger_table(results))
    out.print("ratio = measured / predicted; each ━ is a factor of 1.4", style="dim", highlight=False)
    if run.finished:
        out.print(f"Report: {run.root / 'report.html'}", highlight=False, soft_wrap=True)
    else:
        done = len(results)
        out.print(f"{done} of {len(LAYERS)} stages are finished. Continue with: aistack dive --resume --run {run.name}")


def compare(first: Run, second: Run, out: Console) -> None:
    """Print what two runs measured of the same quantities, and how much the second has of the first's."""
    out.print(f"A [bold]{first.name}[/] and B [bold]{second.name}[/]; bars show B / A", highlight=False)
    out.print()
    shared = 0
    others = {result.layer: result for result in second.results()}
    for result in first.results():
        if result.layer not in others:
            continue
        theirs = {entry.quantity: entry for entry in others[result.layer].entries}
        table = _table(result, ("A measured", "B measured"), "B / A")
        for entry in result.entries:
            other = theirs.get(entry.quantity)
            if other is None or other.unit != entry.unit or entry.measured is None or other.measured is None:
                continue
            shared += 1
            ratio = other.measured / entry.measured if entry.measured else None
            table.add_row(
                entry.quantity,
                units.text(entry.measured, entry.unit),
                units.text(other.measured, other.unit),
                ratio_text(ratio),
                "" if ratio is None else ratio_bar(ratio),
            )
        out.print(table)
        out.print()
    if not shared:
        out.print("The two runs have no measured quantity in common.")
