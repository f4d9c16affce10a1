"""The catalog's pages: kinds, sortable tables, entries side by side, and each entry with where its values come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.catalog.compare import compare
from aistack.catalog.facts import Fact
from aistack.catalog.kinds import Kind
from aistack.catalog.registry import KINDS, kind
from aistack.catalog.sources import Source, source
from aistack.errors import AistackError, BadInput, UnknownName
from aistack.web.asked import read
from aistack.web.desk import Desk
from aistack.web.sheet import sheet

COLUMNS = 6
"""Facts that a table shows; an entry's page has all."""
LABELS = 2
"""Words beside them that say what an entry is: a vendor, a year."""
SIDE_BY_SIDE = 6
"""Entries that are compared at once."""
_LEFT_OUT = frozenset({"id", "name", "notes", "missing", "aliases", "about"})


@dataclass(frozen=True)
class Line:
    """An entry in its kind's table."""

    id: str
    name: str
    labels: Mapping[str, str]
    facts: Mapping[str, Fact]

    def sorting(self, column: str) -> tuple[bool, float, str]:
        """Where it stands in the order of a column; what does not say comes last."""
        if column in self.labels or column == "name":
            word = self.labels.get(column, self.name)
            return False, float(word) if word.isdigit() else 0.0, word.casefold()
        found = self.facts.get(column)
        if found is None:
            return True, 0.0, ""
        return False, found.si if found.is_number else 0.0, found.text.casefold()


def routes(desk: Desk) -> list[Route]:
    """`/catalog`, `/catalog/KIND`, `/catalog/KIND/compare` and `/catalog/KIND/ENTRY`."""

    async def all_kinds(request: Request) -> Response:
        """`GET /catalog`: the kinds of entries."""
        return HTMLResponse(await desk.do(kinds_page, read(request).setting))

    async def one_kind(request: Request) -> Response:
        """`GET /catalog/KIND`: its entries, filtered by `find`, in the order of `by`, `down` for the largest first."""
        asked = read(request, ("find", "by", "down"))
        return HTMLResponse(await desk.do(table_page, kind(request.path_params["kind"]), asked.own, asked.setting))

    async def side_by_side(request: Request) -> Response:
        """`GET /catalog/KIND/compare`: the entries named by `with`."""
        asked = read(request, (), ("with",))
        names = asked.many.get("with", ())
        return HTMLResponse(await desk.do(comparison_page, kind(request.path_params["kind"]), names, asked.setting))

    async def one_entry(request: Request) -> Response:
        """`GET /catalog/KIND/ENTRY`: every value with its source."""
        asked, of = read(request), kind(request.path_params["kind"])
        entry = of.load(request.path_params["entry"])
        if entry.id != request.path_params["entry"]:
            return RedirectResponse(f"/catalog/{of.name}/{entry.id}?{asked.setting.query()}".rstrip("?"), 303)
        return HTMLResponse(await desk.do(entry_page, of, entry, asked.setting))

    return [
        Route("/catalog", all_kinds),
        Route("/catalog/{kind}", one_kind),
        Route("/catalog/{kind}/compare", side_by_side),
        Route("/catalog/{kind}/{entry}", one_entry),
    ]


def kinds_page(setting: Setting) -> str:
    """The kinds."""
    listed = [(each.name, each.about, len(each.names())) for each in KINDS]
    return sheet(
        "catalog.html.jinja", "catalog", "The catalog", setting, kinds=listed,
        about="Accelerators, systems, models, prices and more, each value with its source.",
    )  # fmt: skip


def table_page(of: Kind[Any], own: Mapping[str, str], setting: Setting) -> str:
    """A kind's entries. Raises `BadInput` for a column that is not there."""
    lines = [_line(of, name) for name in of.names()]
    columns, labels = _columns(of, lines), _label_columns(lines)
    by, down, find = own.get("by", ""), own.get("down") == "1", own.get("find", "")
    if by not in ("", "name", *columns, *labels):
        raise UnknownName("column", by, ("name", *columns, *labels))
    words = find.casefold().split()
    shown = [line for line in lines if all(word in _words(line) for word in words)]
    if by:
        there = [line for line in shown if not line.sorting(by)[0]]
        there.sort(key=lambda line: line.sorting(by), reverse=down)
        shown = there + [line for line in shown if line.sorting(by)[0]]
    return sheet(
        "catalog_table.html.jinja", f"catalog/{of.name}", of.about[0].upper() + of.about[1:], setting, kind=of.name,
        lines=[(line, [cell(of, line, column) for column in columns]) for line in shown],
        total=len(lines), columns=columns, labels=labels, by=by, down=down, find=find, most=SIDE_BY_SIDE,
    )  # fmt: skip


def comparison_page(of: Kind[Any], names: tuple[str, ...], setting: Setting) -> str:
    """Entries side by side. Raises `BadInput` for too few or too many, and `UnknownName`."""
    if not 2 <= len(names) <= SIDE_BY_SIDE:
        raise BadInput(f"Choose two to {SIDE_BY_SIDE} entries to compare, not {len(names)}.")
    found = compare(tuple(f"{of.name}/{name}" for name in names))
    lines = [_line(of, name) for name in found.ids]
    rows = []
    for row in found.rows:
        ratios = [None if each is None else f"{each:.3g}×" for each in row.ratios]
        cells = [cell(of, line, row.field) for line in lines]
        rows.append({"field": row.field, "cells": list(zip(cells, ratios, strict=True)), "refusal": row.refusal})
    title = " beside ".join(line.name for line in lines)
    return sheet(
        "catalog_comparison.html.jinja", f"catalog/{of.name}/compare", title, setting,
        kind=of.name, lines=lines, rows=rows,
    )  # fmt: skip


def entry_page(of: Kind[Any], entry: Any, setting: Setting) -> str:
    """An entry with every value."""
    line = _line(of, entry.id)
    used = {key: source(key) for key in dict.fromkeys(each.source for each in line.facts.values())}
    if isinstance(entry, Source):
        used = {entry.id: entry}
    return sheet(
        "catalog_entry.html.jinja", f"catalog/{of.name}/{entry.id}", entry.name, setting, kind=of.name, line=line,
        notes=getattr(entry, "notes", ""), sources=used,
        facts=[(path, cell(of, line, path), each, each.dated) for path, each in line.facts.items()],
        usable=of.name if of.name in ("accelerator", "model") else "",
    )  # fmt: skip


def cell(of: Kind[Any], line: Line, column: str) -> Number | str | None:
    """A value as tables show it: a number that tells about itself, or a word."""
    found = line.facts.get(column)
    if found is None:
        return None
    try:
        return fact(f"{of.name}/{line.id}", column) if found.is_number else found.text
    except AistackError:
        return found.text


def _line(of: Kind[Any], name: str) -> Line:
    entry = of.load(name)
    fields = getattr(type(entry), "model_fields", {})
    values = {key: getattr(entry, key) for key in fields if key not in _LEFT_OUT}
    labels = {key: str(value) for key, value in values.items() if isinstance(value, str | int | float) and value != ""}
    return Line(entry.id, entry.name, labels, dict(of.facts(entry)))


def _columns(of: Kind[Any], lines: list[Line]) -> list[str]:
    """The facts that a table shows: the kind's headline, then those that most entries have."""
    paths = Counter(path for line in lines for path in line.facts)
    first = [
        path
        for head in of.headline
        for path in sorted(paths, key=lambda path: -paths[path])
        if path == head or path.startswith(f"{head}.")
    ]
    rest = [path for path, count in paths.most_common() if count > len(lines) / 2]
    return list(dict.fromkeys([*first, *rest]))[:COLUMNS]


def _label_columns(lines: list[Line]) -> list[str]:
    """Words that differ among the entries and are short."""
    names = dict.fromkeys(name for line in lines for name in line.labels)
    fit = [
        name
        for name in names
        if len({line.labels.get(name) for line in lines}) > 1
        and max(len(line.labels.get(name, "")) for line in lines) <= 40
    ]
    return fit[:LABELS]


def _words(line: Line) -> str:
    words = (each.text for each in line.facts.values() if not each.is_number)
    return " ".join([line.id, line.name, *line.labels.values(), *words]).casefold()
