"""Typed access to a model's configuration in Hugging Face's vocabulary; each wrong value is one clear message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aistack.errors import BadInput

_MOST = 10**9
_MOST_LAYERS = 10_000

# what older families call the usual fields (the attribute maps of transformers' configuration classes)
_ALIASES = {
    "hidden_size": ("n_embd", "d_model"),
    "num_hidden_layers": ("n_layer", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "max_position_embeddings": ("n_positions", "max_seq_len", "seq_length"),
}


class Fields:
    """The values of one configuration, and which of them were asked for."""

    def __init__(self, values: Mapping[str, Any], where: str, name: str) -> None:
        """`where` is the file or entry, for messages; `name` becomes the spec's."""
        self._values, self.where, self.name = values, where, name
        self._used: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._used.add(key)
        return self._values.get(key) is not None

    @property
    def unread(self) -> set[str]:
        """The keys that nothing asked for."""
        return set(self._values) - self._used

    def count(self, *keys: str, default: int | None = None, least: int = 1, most: int = _MOST) -> int:
        """The whole number under the first of `keys` that is there. Raises `BadInput` where it is no such number."""
        for key in _with_aliases(keys):
            if key not in self:
                continue
            value = self._values[key]
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise BadInput(
                    f"{self.where}: {key} is {_shown(value)}, but must be a whole number in {least}..{most:,}."
                )
            return value
        if default is None:
            raise self.missing(keys[0])
        return default

    def layers(self) -> int:
        """The number of layers, in sane bounds."""
        return self.count("num_hidden_layers", most=_MOST_LAYERS)

    def maybe(self, *keys: str, least: int = 1) -> int | None:
        """The whole number under one of `keys`; None where there is none or it is null."""
        return self.count(*keys, least=least) if any(key in self for key in keys) else None

    def flag(self, key: str, default: bool) -> bool:
        """A true or false."""
        if key not in self:
            return default
        if not isinstance(self._values[key], bool):
            raise BadInput(f"{self.where}: {key} is {_shown(self._values[key])}, but must be true or false.")
        return bool(self._values[key])

    def number(self, key: str, default: float) -> float:
        """A positive, finite number."""
        if key not in self:
            return default
        value = self._values[key]
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
            raise BadInput(f"{self.where}: {key} is {_shown(value)}, but must be a positive number.")
        return float(value)

    def word(self, key: str, default: str) -> str:
        """A text."""
        if key not in self:
            return default
        if not isinstance(self._values[key], str):
            raise BadInput(f"{self.where}: {key} is {_shown(self._values[key])}, but must be text.")
        return str(self._values[key])

    def items(self, key: str, kind: type, length: int | None = None) -> list[Any] | None:
        """A list whose items are all of `kind`, one for each of `length` layers; None where there is none."""
        if key not in self:
            return None
        value = self._values[key]
        if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
            raise BadInput(f"{self.where}: {key} is {_shown(value)}, but must be a list of {kind.__name__}.")
        if length is not None and len(value) != length:
            raise BadInput(f"{self.where}: {key} has {len(value)} items, but the model has {length} layers.")
        return value

    def section(self, key: str) -> Fields | None:
        """The mapping under `key` as fields of their own; None where there is none."""
        if key not in self:
            return None
        value = self._values[key]
        if not isinstance(value, Mapping):
            raise BadInput(f"{self.where}: {key} is {_shown(value)}, but must be a mapping.")
        return Fields(value, f"{self.where}, {key}", self.name)

    def head_dim(self, hidden: int, heads: int, default: int | None = None, key: str = "head_dim") -> int:
        """Width of a head: as stated, or `default`, or the hidden width shared out evenly."""
        if key in self or default is not None:
            return self.count(key, default=default)
        if hidden % heads:
            raise BadInput(
                f"{self.where}: hidden_size {hidden:,} is not divisible by num_attention_heads {heads:,}, "
                f"and there is no {key}."
            )
        return hidden // heads

    def missing(self, key: str) -> BadInput:
        """The error of a field that must be there."""
        return BadInput(
            f"{self.where} lacks {key}, which this kind of model needs. "
            "Take the complete config.json from the model's page on Hugging Face."
        )

    def refuse(self, key: str, value: object, why: str) -> BadInput:
        """The error of a value that contradicts another."""
        return BadInput(f"{self.where}: {key} is {_shown(value)}, but {why}.")


def _with_aliases(keys: tuple[str, ...]) -> list[str]:
    return [each for key in keys for each in (key, *_ALIASES.get(key, ()))]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
