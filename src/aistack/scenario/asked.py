"""What every question put to the stack shares: its model and system, its strictness, and how it is read."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from aistack import catalog, units
from aistack.catalog import problems
from aistack.catalog.architecture import ModelSpec
from aistack.catalog.reading import read_contribution
from aistack.errors import BadInput

Count = Annotated[int, Field(ge=1, le=10**9)]


class Asked(BaseModel):
    """A question about a model on a system. Fields that have a short name (`tp`) go by it or in full."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, validate_default=True, allow_inf_nan=False
    )

    model: Annotated[str, Field(min_length=1, description="a name from the catalog, or the path of a config.json")]
    on: Annotated[str, Field(min_length=1, description="how many of which accelerator: 16384xh100-sxm5")]

    @functools.cached_property
    def spec(self) -> ModelSpec:
        """The model. A value that is the path of a file or folder is read as a `config.json`."""
        home = str(Path(self.model).expanduser()) if self.model.startswith("~/") else self.model
        return catalog.model(home).spec

    @classmethod
    def names(cls, field: str) -> tuple[str, ...]:
        """What a field may be called: its short name first, where it has one."""
        return names_of(cls, field)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "The scenario") -> Self:
        """A scenario from plain values, as YAML, JSON or a query give them. Raises `BadInput` naming every problem."""
        twice = [
            f"{' and '.join(both)} are two names of one thing; give one of them"
            for field in cls.model_fields
            if len(both := [name for name in cls.names(field) if name in values]) > 1
        ]
        if twice:
            raise BadInput("\n".join([f"{where} cannot be used:", *(f"  {line}" for line in twice)]))
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            lines = [line for each in error.errors() for line in problems.message(cls, each)]
            raise BadInput("\n".join([f"{where} cannot be used:", *(f"  {line}" for line in lines)])) from None

    @classmethod
    def read(cls, path: Path, instead: Mapping[str, Any] | None = None) -> Self:
        """The scenario in a YAML file; values of `instead`, by fields' full names, take the place of the file's.

        Raises `BadInput`.
        """
        values, *more = read_contribution(path)
        if more or not isinstance(values, Mapping):
            raise BadInput(f"{path} must be one mapping of keys to values, such as `model: llama-3.1-8b`.")
        given = instead or {}
        replaced = {name for field in given for name in cls.names(field)}
        kept = {key: value for key, value in values.items() if key not in replaced}
        return cls.from_mapping({**kept, **given}, str(path))


def names_of(kind: type[BaseModel], field: str) -> tuple[str, ...]:
    """What a field of `kind` may be called: its short name first, where it has one."""
    alias = kind.model_fields[field].validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (field,)


def rate_or_name(text: str | None) -> float | str | None:
    """B/s where `text` is a rate such as "400 Gbit/s"; otherwise it is the name of a link."""
    if text is None:
        return None
    try:
        return units.parse(text, "B/s")
    except BadInput:
        return text


def system(text: str) -> tuple[int, str]:
    """How many of what: "8xh100-sxm5" or "8 x H100 SXM". Raises `BadInput`."""
    found = re.fullmatch(r"\s*(\d[\d,_]*)\s*[xX×*]\s*(\S.*?)\s*", text)
    if not found:
        raise BadInput(f"{text!r} does not say how many of which accelerator; write it like 8xh100-sxm5.")
    chips = int(re.sub("[,_]", "", found[1]))
    if not 1 <= chips <= 10**7:
        raise BadInput(f"{chips:,} accelerators are not between one and ten million.")
    return chips, catalog.accelerator(found[2]).id
