"""Figures and tables of the page's module."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from aistack.book.directives.block import Block, directive
from aistack.book.draft import Draft
from aistack.book.number import Number
from aistack.book.table import Cell
from aistack.errors import UnknownName


@directive("figure", argument=True)
def figure(draft: Draft, block: Block) -> str:
    """```{figure} NAME```: what `figures(setting)` of the page's module draws by this name; its label is fig-NAME."""
    if block.argument not in draft.drawing:
        raise UnknownName("figure in the page's module", block.argument, draft.drawing)
    label = draft.label(f"fig-{block.argument}")
    drawn = draft.figures[label.id] = draft.drawing[block.argument]()
    return drawn.html(label.number, label.id) + "\n"


@directive("table", argument=True)
def table(draft: Draft, block: Block) -> str:
    """```{table} NAME```: what `tables(setting)` of the page's module makes by this name; its label is tab-NAME."""
    if block.argument not in draft.tabulating:
        raise UnknownName("table in the page's module", block.argument, draft.tabulating)
    label = draft.label(f"tab-{block.argument}")
    made = draft.tabulating[block.argument]()
    return (
        f'<figure id="{label.id}" class="tabular"><figcaption><span class="number">{label}</span> '
        f"<strong>{html.escape(made.title)}</strong></figcaption>"
        f'<div class="table" tabindex="0" role="group" aria-label="{label}, scrollable">{rows(made.rows)}</div>'
        f'<p class="source">{html.escape(made.source)}</p></figure>\n'
    )


def rows(given: Sequence[Mapping[str, Cell]]) -> str:
    """A table element; the first column names its row."""
    first, *others = given[0]
    heads = [f'<th scope="col">{html.escape(first)}</th>']
    heads += [f'<th scope="col"{_class([row[key] for row in given])}>{html.escape(key)}</th>' for key in others]
    body = "".join(
        f'<tr><th scope="row">{_cell(row[first])}</th>'
        + "".join(f"<td{_class([row[key]])}>{_cell(row[key])}</td>" for key in others)
        + "</tr>"
        for row in given
    )
    return f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"


def _class(cells: Sequence[Cell]) -> str:
    numeric = all(isinstance(cell, Number | int | float | None) for cell in cells) and any(c is not None for c in cells)
    return ' class="num"' if numeric else ""


def _cell(cell: Cell) -> str:
    if cell is None:
        return '<span class="none">not known</span>'
    if isinstance(cell, Number):
        return cell.html()
    return html.escape(f"{cell:.3g}" if isinstance(cell, float) else str(cell))
