"""Every kind of entry that the catalog has, and finding an entry whatever its kind."""

from __future__ import annotations

from typing import Any

from aistack.catalog import accelerators, facilities, grids, links, models, nodes, number_formats, prices, records
from aistack.catalog.kinds import Kind
from aistack.catalog.sources import Source, source, sources
from aistack.errors import AmbiguousName, UnknownName

SOURCE: Kind[Source] = Kind(
    "source", "where facts come from", lambda: tuple(sources()), source, schema=Source, home="sources.yaml"
)

KINDS: tuple[Kind[Any], ...] = (
    accelerators.KIND,
    nodes.KIND,
    models.KIND,
    links.KIND,
    number_formats.KIND,
    prices.KIND,
    *records.KINDS,
    facilities.PUE,
    facilities.WUE,
    grids.KIND,
    SOURCE,
)


def kind(name: str) -> Kind[Any]:
    """The kind with this name, singular or plural. Raises `UnknownName`."""
    named = _named(name)
    if named is None:
        raise UnknownName("kind of entry", name, (each.name for each in KINDS))
    return named


def find(name: str) -> tuple[Kind[Any], Any]:
    """The entry that `name` names, with its kind; `kind/name` says which kind is meant.

    An id of any kind wins; otherwise the first kinds in `KINDS` where the name resolves. Raises `AmbiguousName` where
    several kinds have the id or one kind several candidates, and `UnknownName` with the nearest names of all kinds.
    """
    before, slash, after = name.partition("/")
    # a model's Hugging Face id has a slash too, after its owner
    if slash and (named := _named(before)) is not None:
        return named, named.load(after)
    exact = [each for each in KINDS if name in each.names()]
    if len(exact) > 1:
        raise AmbiguousName("entry", name, (f"{each.name}/{name}" for each in exact))
    if exact:
        return exact[0], exact[0].load(name)
    for each in KINDS:
        try:
            return each, each.load(name)
        except AmbiguousName:
            raise
        except UnknownName:
            continue
    known = (key for each in KINDS for key in each.names())
    raise UnknownName("catalog entry", name, known)


def _named(name: str) -> Kind[Any] | None:
    wanted = name.casefold().replace("_", "-").replace(" ", "-")
    return next((each for each in KINDS if wanted in {each.name, plural(each.name)}), None)


def plural(name: str) -> str:
    """The plural of a kind's name."""
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
