"""A kind of entry (accelerator, link, model ...): how its entries are named, loaded, and walked for facts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from aistack.catalog.entry import Entry, facts_within
from aistack.catalog.facts import Fact
from aistack.catalog.naming import resolve
from aistack.catalog.reading import DATA, read_yaml
from aistack.errors import BadInput

E = TypeVar("E", bound=BaseModel)


@dataclass(frozen=True)
class Kind(Generic[E]):
    """What `list`, `show`, `compare` and `add` need to know of one kind of entry."""

    name: str
    """In the singular, as people say it: `accelerator`."""
    about: str
    """One line: what the entries are."""
    names: Callable[[], tuple[str, ...]]
    """The ids of all entries, in the order of the files."""
    load: Callable[[str], E]
    """The entry with this id; it has a `name`. Raises `UnknownName`."""
    facts: Callable[[E], Iterable[tuple[str, Fact]]] = facts_within
    """Every fact of an entry, with the path of its field."""
    headline: tuple[str, ...] = ()
    """What a list shows: paths of facts, or the beginning of several, or `name`."""
    schema: type[E] | None = None
    """What a new entry has to fit; None where entries are not added one by one."""
    home: str = ""
    """Where entries live below `data/`: a folder of files, or one file."""


def in_folder(schema: type[E], *, name: str, about: str, home: str, headline: tuple[str, ...] = ()) -> Kind[E]:
    """A kind whose entries are files of their own, `home/<id>.yaml`; reading one does not read the others."""
    folder = DATA / home

    @functools.cache
    def names() -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in folder.glob("*.yaml")))

    @functools.cache
    def read(key: str) -> E:
        path = folder / f"{key}.yaml"
        raw = read_yaml(path)
        if raw.pop("entry", None) != name or raw.get("id") != key:
            raise BadInput(f"{path} must begin with `entry: {name}` and `id: {key}`.")
        return validated(schema, raw, path)

    def load(wanted: str) -> E:
        return read(resolve(name, wanted, names(), _labels(names, read)))

    return Kind(name, about, names, load, headline=headline, schema=schema, home=home)


def in_file(schema: type[E], *, name: str, about: str, home: str, headline: tuple[str, ...] = ()) -> Kind[E]:
    """A kind whose entries are the keys of one file."""
    path = DATA / home

    @functools.cache
    def raw() -> dict[str, Any]:
        content: dict[str, Any] = read_yaml(path)
        return content

    @functools.cache
    def names() -> tuple[str, ...]:
        return tuple(raw())

    @functools.cache
    def read(key: str) -> E:
        return validated(schema, {"id": key, **raw()[key]}, path)

    def load(wanted: str) -> E:
        return read(resolve(name, wanted, names(), _labels(names, read)))

    return Kind(name, about, names, load, headline=headline, schema=schema, home=home)


def validated(schema: type[E], raw: Mapping[str, Any], path: Path) -> E:
    """`raw` as an entry; what does not fit is a `BadInput` that names the file and every problem."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        lines = (f"  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise BadInput("\n".join([f"{path}, entry {raw.get('id')!r}:", *lines])) from None


def _labels(
    names: Callable[[], tuple[str, ...]], read: Callable[[str], Any]
) -> Callable[[], dict[str, tuple[str, ...]]]:
    """What else each entry is called; reads every entry, so it is asked for only where an id did not settle it."""

    def labels() -> dict[str, tuple[str, ...]]:
        entries = {key: read(key) for key in names()}
        return {key: entry.labels if isinstance(entry, Entry) else () for key, entry in entries.items()}

    return labels
