"""Checking what somebody wants to add to the catalog: every problem at once, and where a sound entry goes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from aistack.catalog import grids, prices
from aistack.catalog.kinds import Kind
from aistack.catalog.problems import message
from aistack.catalog.reading import DATA, read_contributed_rows, read_contribution, read_yaml
from aistack.catalog.registry import KINDS, kind
from aistack.catalog.sources import sources
from aistack.errors import BadInput, UnknownName
from aistack.files import write_text

_PLACEHOLDERS = {"source": next(iter(sources())), "kind": "vendor", "confidence": "docs", "unit": "1"}


@dataclass(frozen=True)
class Addition:
    """One sound entry, or the sound rows of a table."""

    what: str
    """What it is, in a few words: `accelerator b400`."""
    path: Path
    """The file of the package it belongs in."""
    text: str
    """What is written there."""
    appended: bool
    """Whether the text goes to the end of a file that exists, or is a new file."""

    @property
    def place(self) -> str:
        """The path below the package's folder of data."""
        return f"catalog/data/{self.path.relative_to(DATA)}"


@dataclass(frozen=True)
class Examination:
    """What came out of looking at a contributed file."""

    additions: tuple[Addition, ...]
    problems: tuple[str, ...]


def examine(path: Path) -> Examination:
    """Look at a contributed YAML file (one or several entries) or CSV file (rows of a table).

    All problems of all entries are gathered. Raises `BadInput` where the file cannot be read as plain YAML or CSV.
    """
    if path.suffix.casefold() == ".csv":
        return _examine_rows(path)
    documents = read_contribution(path)
    fresh = frozenset(
        str(each.get("id")) for each in documents if isinstance(each, dict) and each.get("entry") == "source"
    )
    blocks = _blocks(path)
    additions: list[Addition] = []
    problems: list[str] = []
    for number, raw in enumerate(documents, start=1):
        where = f"entry {number}: " if len(documents) > 1 else ""
        found = list(_problems(raw, fresh))
        if isinstance(raw, dict) and not found:
            each = _addition(kind(raw["entry"]), raw, blocks[number - 1])
            if any(other.what == each.what for other in additions):
                found.append(f"{each.what} is there twice")
            additions.append(each)
        problems += [f"{where}{problem}" for problem in found]
    return Examination(tuple(additions), tuple(problems))


def in_source_checkout() -> bool:
    """Whether the package runs from a checkout, where its data may be added to."""
    return DATA.parents[2].name == "src" and (DATA.parents[3] / "pyproject.toml").is_file()


def write(additions: tuple[Addition, ...]) -> None:
    """Put sound entries where they belong, each file whole or not at all."""
    for each in additions:
        before = each.path.read_text(encoding="utf-8") if each.appended else ""
        write_text(each.path, before + each.text)


def _problems(raw: Any, fresh: frozenset[str]) -> Iterator[str]:
    if not isinstance(raw, dict):
        yield f"an entry is a mapping of keys to values, but this is {'a list' if isinstance(raw, list) else repr(raw)}"
        return
    if "entry" not in raw:
        yield f"`entry` is missing: say which kind it is: {', '.join(each.name for each in KINDS if each.schema)}"
        return
    try:
        of = kind(str(raw["entry"]))
    except UnknownName as error:
        yield f"entry: {error}"
        return
    if of.schema is None or of is grids.KIND:
        yield f"entry: entries of the kind {of.name} are not added this way; see docs/catalog.md"
        return
    if raw.get("id") in of.names():
        yield f"id: {of.name} {raw['id']!r} is already there: edit it in catalog/data/{of.home}, or choose another id"
    yield from _misfits(of, {key: value for key, value in raw.items() if key != "entry"}, fresh)


def _misfits(of: Kind[Any], raw: dict[str, Any], fresh: frozenset[str]) -> list[str]:
    """What the schema refuses. A fact that lacks a part is looked at again with the part filled in, so that a missing
    source does not hide a wrong unit."""
    assert of.schema is not None
    found: dict[str, None] = {}
    repaired: set[tuple[tuple[Any, ...], Any]] = set()
    trial = copy.deepcopy(raw)
    for _ in range(3):
        try:
            of.schema.model_validate(trial, context={"sources": fresh})
            break
        except ValidationError as error:
            for each in error.errors():
                location = each["loc"]
                excused = [words for part, words in _BLAME if (location, part) in repaired]
                for line in message(of.schema, each):
                    if not any(words in line for words in excused):
                        found.setdefault(line)
                if _repair(trial, each):
                    repaired.add((location[:-1], location[-1]))
    return list(found)


_BLAME = (("basis", "the basis must say"), ("unit", "but this field is in"), ("unit", "out of the sane range"))
"""What a fact is told only because a part of it was filled in for another look."""


def _repair(trial: dict[str, Any], error: Any) -> bool:
    if not error["loc"]:
        return False
    *above, last = error["loc"]
    place: Any = trial
    for step in above:
        if not isinstance(place, dict) or step not in place:
            return False
        place = place[step]
    if not isinstance(place, dict):
        return False
    if last in _PLACEHOLDERS and "value" in place:
        place[last] = _PLACEHOLDERS[last]
    elif error["type"] == "extra_forbidden" or last in {"basis", "date", "checked"}:
        place.pop(last, None)
    else:
        return False
    return True


def _addition(of: Kind[Any], raw: dict[str, Any], block: str) -> Addition:
    what = f"{of.name} {raw['id']}"
    if not of.home.endswith(".yaml"):
        return Addition(what, DATA / of.home / f"{raw['id']}.yaml", block, appended=False)
    body = {key: value for key, value in raw.items() if key not in {"entry", "id"}}
    lines = [line for line in block.splitlines() if not re.match(r"(entry|id)\s*:", line)]
    text = "".join([f"{raw['id']}:\n", *(f"  {line}\n" if line.strip() else "\n" for line in lines)])
    if not _reads_as(text, {raw["id"]: body}):
        text = yaml.safe_dump({raw["id"]: body}, sort_keys=False, allow_unicode=True, width=116)
    return Addition(what, DATA / of.home, text, appended=True)


def _reads_as(text: str, content: dict[str, Any]) -> bool:
    try:
        return bool(read_yaml(text) == content)
    except (yaml.YAMLError, ValueError):
        return False


def _blocks(path: Path) -> list[str]:
    """The lines of each document of the file, as they were written; `---` at the start of a line ends one."""
    pieces = re.split(r"^---(?=\s|$).*\n?", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [piece.strip("\n") + "\n" for piece in pieces if read_yaml(piece) is not None]


def _examine_rows(path: Path) -> Examination:
    header, rows = read_contributed_rows(path)
    table = next((name for name, columns in _COLUMNS.items() if set(columns) == set(header)), None)
    if table is None:
        known = "; ".join(f"{name}: {', '.join(columns)}" for name, columns in _COLUMNS.items())
        raise BadInput(f"{path} has the columns of no table of the catalog. These are {known}.")
    try:
        _CHECKS[table](path, header, rows)
    except BadInput as error:
        return Examination((), tuple(line.strip() for line in str(error).splitlines()))
    text = "".join(f"{_row([row[column] for column in _COLUMNS[table]])}\n" for row in rows)
    return Examination((Addition(f"{len(rows)} rows of {table}", DATA / table, text, appended=True),), ())


def _check_grids(path: Path, _: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    raw = grids.assemble(rows)
    problems = [f"there is already a grid {key!r}" for key in raw if key in grids.KIND.names()]
    for key, each in raw.items():
        problems += [f"{key}: {problem}" for problem in _misfits(grids.KIND, each, frozenset())]
    if problems:
        raise BadInput("\n".join([f"{path}:", *problems]))


def _check_rentals(path: Path, header: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    prices.read_table(prices.RentalPrice, header, rows, path)


def _check_purchases(path: Path, header: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    prices.read_table(prices.PurchasePrice, header, rows, path)


def _row(cells: list[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' if re.search(r'[",\n]', cell) else cell for cell in cells)


_CHECKS = {
    prices.RENTALS: _check_rentals,
    prices.PURCHASES: _check_purchases,
    grids.KIND.home: _check_grids,
}
_COLUMNS = {table: (DATA / table).read_text(encoding="utf-8").partition("\n")[0].split(",") for table in _CHECKS}
