"""A model's configuration, as Hugging Face's `config.json` states it, read into a `ModelSpec`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aistack.catalog.architecture import ModelSpec
from aistack.catalog.families import FAMILIES, Fields
from aistack.catalog.families.building import Family
from aistack.errors import BadInput, nearest

_LARGEST = 4 * 1024 * 1024


def read_config(path: Path) -> ModelSpec:
    """The spec that a local `config.json` describes; a folder stands for the one in it. Raises as `read_values`."""
    path = _file(path)
    return spec_of(read_values(path), str(path), name_of(path))


def read_values(path: Path) -> dict[str, Any]:
    """The configuration in a local `config.json`; of a model with several parts, its language model's (`text_config`).

    Raises `BadInput` naming the file, the field and what would be right: for a file that is missing, unreadable, not
    JSON or not an object. Reading a spec from the values also raises it for an unknown `model_type`, and for fields
    that are missing, of a wrong type or absurd.
    """
    path = _file(path)
    return dict(_language_model(_read(path), str(path)))


def name_of(path: Path) -> str:
    """What the model in a `config.json` is called: its folder's name."""
    return _file(path).resolve().parent.name or "model"


def spec_of(values: Mapping[str, Any], where: str, name: str) -> ModelSpec:
    """The spec that a configuration describes; `where` says for messages where it stands. Raises `BadInput`."""
    return spec_and_unread(values, where, name)[0]


def spec_and_unread(values: Mapping[str, Any], where: str, name: str) -> tuple[ModelSpec, set[str]]:
    """The spec, and the keys that it does not depend on."""
    fields = Fields(_language_model(values, where), where, name)
    return _family(fields)(fields), fields.unread


def _language_model(values: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if values.get("text_config") is None:
        return values
    inner = values["text_config"]
    if not isinstance(inner, Mapping):
        raise BadInput(f"{where}: text_config must be a mapping.")
    above = {key: values[key] for key in ("model_type", "tie_word_embeddings") if key in values}
    return {**above, **inner}


def _file(path: Path) -> Path:
    return path / "config.json" if path.is_dir() else path


def _family(fields: Fields) -> Family:
    model_type = fields.word("model_type", "")
    if not model_type:
        raise fields.missing("model_type")
    if model_type not in FAMILIES:
        near = nearest(model_type, FAMILIES) or tuple(sorted(FAMILIES))
        raise BadInput(
            f"{fields.where}: model_type {model_type!r} is not supported. Nearest: {', '.join(near)}. "
            "If the model is built like one of these, set model_type to it in a copy of the file."
        )
    return FAMILIES[model_type]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as handle:
            data = handle.read(_LARGEST + 1)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist. Give the path of a model's config.json or of its folder.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST:
        raise BadInput(f"{path} is larger than {_LARGEST >> 20} MiB, so it is no config.json.")
    try:
        values = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not valid JSON: {error}. Download it again.") from None
    if not isinstance(values, dict):
        raise BadInput(f"{path} holds a {type(values).__name__}, but a config.json is one object {{...}}.")
    return values
