"""Fitted constants: physical quantities with a name that measurements settled, with what they were fitted on.

A file `data/fitted/<name>.yaml` says `about`, `fitted_on` (which measurements, how many rows, from how many sources),
`date`, and `constants`: each with a `meaning`, a `unit` ("1" for a fraction) and `values`, a mapping of what the
constant belongs to ("hopper", "hopper/bf16", "all") to a number.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aistack.catalog.kinds import validated
from aistack.catalog.reading import DATA, read_yaml
from aistack.errors import UnknownName


class Constant(BaseModel):
    """One named constant and its values by what it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meaning: Annotated[str, Field(min_length=10)]
    unit: Annotated[str, Field(min_length=1)]
    values: Annotated[dict[str, float], Field(min_length=1)]

    def __getitem__(self, key: str) -> float:
        return self.values[key]

    def nearest(self, *keys: str) -> tuple[str, float]:
        """The first of `keys` that has a value, with it; `UnknownName` where none has."""
        for key in keys:
            if key in self.values:
                return key, self.values[key]
        raise UnknownName("fitted constant", keys[0], self.values)


class Fitted(BaseModel):
    """The constants of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: Annotated[str, Field(min_length=10)]
    fitted_on: Annotated[str, Field(min_length=10)]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    constants: Annotated[dict[str, Constant], Field(min_length=1)]


@functools.cache
def fitted(name: str) -> Fitted:
    """Everything that the file `name` says. Raises `UnknownName` and `BadInput`."""
    path = DATA / "fitted" / f"{name}.yaml"
    if not path.is_file():
        raise UnknownName("file of fitted constants", name, [known.stem for known in path.parent.glob("*.yaml")])
    return validated(Fitted, read_yaml(path), path)


def constants(name: str) -> Mapping[str, Constant]:
    """The constants of the file `name`, by their names."""
    return MappingProxyType(fitted(name).constants)


def replaced(known: Mapping[str, Constant], values: Mapping[tuple[str, str], float]) -> Mapping[str, Constant]:
    """`known` with other `values`, each by the constant's name and the key of what it belongs to."""
    changed = dict(known)
    for (name, key), value in values.items():
        old = changed[name]
        changed[name] = old.model_copy(update={"values": {**old.values, key: float(value)}})
    return MappingProxyType(changed)
