"""Reading the book's YAML files: a mapping of keys to entries of one kind, each key once, every problem named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from aistack.catalog import problems
from aistack.catalog.reading import read_yaml
from aistack.errors import BadInput

Entry = TypeVar("Entry", bound=BaseModel)


def read(path: Path, kind: type[Entry]) -> Mapping[str, Entry]:
    """The entries of a file by their keys. Raises `BadInput`."""
    try:
        entries = read_yaml(path) or {}
    except yaml.YAMLError as error:
        raise BadInput(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    found: dict[str, Entry] = {}
    lines = []
    for key, values in entries.items():
        try:
            found[str(key)] = kind.model_validate(values)
        except ValidationError as error:
            lines += [f"  {key}: {line}" for each in error.errors() for line in problems.message(kind, each)]
    if lines:
        raise BadInput("\n".join([f"{path} cannot be used:", *lines]))
    return MappingProxyType(found)
