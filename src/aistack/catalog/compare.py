"""Putting entries side by side: values are compared only where unit and basis agree; what is refused says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aistack.catalog.facts import Fact
from aistack.catalog.kinds import Kind
from aistack.catalog.registry import find
from aistack.errors import BadInput, UnknownName


@dataclass(frozen=True)
class Row:
    """One field of all compared entries; None where an entry does not have it."""

    field: str
    facts: tuple[Fact | None, ...]
    refusal: str = ""
    """Why the values may not be set against one another; empty where they may."""

    @property
    def ratios(self) -> tuple[float | None, ...]:
        """Each value over the first one that is there and not zero; None where there is no quantity to divide."""
        quantities = [fact.si if fact is not None and fact.is_number else None for fact in self.facts]
        base = next((each for each in quantities if each), None)
        if self.refusal or base is None:
            return (None,) * len(self.facts)
        return tuple(None if each is None else each / base for each in quantities)


@dataclass(frozen=True)
class Comparison:
    """Entries of one kind side by side."""

    kind: Kind[Any]
    ids: tuple[str, ...]
    rows: tuple[Row, ...]


def compare(names: tuple[str, ...], fields: tuple[str, ...] = ()) -> Comparison:
    """Compare the entries with these names in `fields` (a path, or the beginning of several; all where empty).

    A row whose values differ in unit or basis carries the refusal instead of ratios. Raises `BadInput` where the
    entries are of different kinds or the same one twice, and `UnknownName` for a field that none of them has.
    """
    if len(names) < 2:
        raise BadInput("A comparison needs at least two names.")
    first, *_ = found = [find(name) for name in names]
    kind = first[0]
    if other := next((each for each, _ in found if each is not kind), None):
        raise BadInput(
            f"A comparison is of one kind: {names[0]!r} is of the kind {kind.name}, but another is {other.name}."
        )
    ids = tuple(entry.id for _, entry in found)
    if len(set(ids)) < len(ids):
        raise BadInput(f"The same entry is named twice: {', '.join(ids)}.")
    tables = [dict(kind.facts(entry)) for _, entry in found]
    known = list(dict.fromkeys(path for table in tables for path in table))
    order = {path: place for place, path in enumerate(known)}
    wanted = known if not fields else [path for field in fields for path in _matching(field, known)]
    rows = (
        _row(path, tuple(table.get(path) for table in tables), ids) for path in sorted(wanted, key=order.__getitem__)
    )
    return Comparison(kind, ids, tuple(rows))


def _matching(field: str, known: list[str]) -> list[str]:
    found = [path for path in known if path == field or path.startswith(f"{field}.")]
    if not found:
        raise UnknownName("field of these entries", field, known)
    return found


def _row(path: str, facts: tuple[Fact | None, ...], ids: tuple[str, ...]) -> Row:
    there = [(name, fact) for name, fact in zip(ids, facts, strict=True) if fact is not None and fact.is_number]
    units = {fact.si_unit for _, fact in there}
    if len(units) > 1:
        return Row(path, facts, "units differ: " + ", ".join(f"{name} in {fact.unit}" for name, fact in there))
    if len({fact.bases for _, fact in there}) > 1:
        stated = ", ".join(f"{name} {fact.basis or '(not stated)'}" for name, fact in there)
        return Row(path, facts, f"bases differ: {stated}")
    return Row(path, facts)
