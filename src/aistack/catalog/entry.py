"""An entry of the catalog: an id, a name, and facts in typed fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aistack.catalog.facts import Fact

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$")]
Name = Annotated[str, Field(min_length=1)]

_CITED = ("source", "kind", "confidence", "quote", "date")


class Part(BaseModel):
    """A group of fields inside an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


class Entry(Part):
    """One thing the catalog knows. Labels (id, name, what else says which thing it is) identify; facts carry sources.

    In a file, `cite` states once what facts that name no source of their own have in common.
    """

    id: Id
    name: Name
    aliases: Annotated[tuple[str, ...], Field(strict=False)] = ()
    notes: str = ""

    @model_validator(mode="before")
    @classmethod
    def _cite(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "cite" not in raw:
            return raw
        cite = raw["cite"]
        if not isinstance(cite, dict) or not set(cite) <= set(_CITED):
            raise ValueError(f"`cite` takes only {', '.join(_CITED)}")
        return {key: _cited(value, cite) for key, value in raw.items() if key != "cite"}

    @property
    def labels(self) -> tuple[str, ...]:
        """Everything beside its id that people may call it by."""
        return (self.name, *self.aliases)

    def facts(self) -> Iterator[tuple[str, Fact]]:
        """Every fact with its path: `("peaks.bf16", Fact(...))`."""
        return facts_within(self)


def facts_within(value: object, path: str = "") -> Iterator[tuple[str, Fact]]:
    """Every fact in a part, a mapping or an entry, with its dotted path."""
    if isinstance(value, Fact):
        yield path, value
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from facts_within(getattr(value, field), f"{path}.{field}" if path else field)
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from facts_within(below, f"{path}.{key}" if path else str(key))


def _cited(raw: Any, cite: dict[str, Any]) -> Any:
    if not isinstance(raw, dict):
        return raw
    if not isinstance(raw.get("value", raw), dict):
        return raw if "source" in raw else {**cite, **raw}
    return {key: _cited(value, cite) for key, value in raw.items()}
