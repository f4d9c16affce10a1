"""The ledger: what was predicted, and then what was measured, quantity by quantity.

A quantity must be predicted before it can be measured, and neither can be changed afterwards: the order of the two
calls in a stage's code is the proof that no prediction saw its own answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from aistack.drawing import Layer


@dataclass(frozen=True)
class Entry:
    """One quantity, predicted and (once it was) measured, in the SI `unit`."""

    layer: Layer
    quantity: str
    unit: str
    predicted: float
    how: str
    """How the prediction was made, in a few words."""
    low: float | None = None
    high: float | None = None
    """The prediction's interval, where its model gives one."""
    measured: float | None = None
    least: float | None = None
    most: float | None = None
    """The spread of the repeated measurement."""
    repeats: int = 0

    @property
    def ratio(self) -> float | None:
        """Measured over predicted: 1 is a perfect prediction, 2 means twice as much as predicted."""
        if self.measured is None or self.predicted == 0:
            return None
        return self.measured / self.predicted


class Ledger:
    """The entries of one layer, in the order in which they were predicted."""

    def __init__(self, layer: Layer, entries: Sequence[Entry] = ()) -> None:
        self.layer: Layer = layer
        self._entries = {entry.quantity: entry for entry in entries}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries so far."""
        return tuple(self._entries.values())

    def predict(
        self,
        quantity: str,
        value: float,
        unit: str,
        how: str,
        interval: tuple[float, float] | None = None,
    ) -> None:
        """Enter a prediction. It must be finite and come before its measurement, and comes once."""
        if quantity in self._entries:
            raise ValueError(f"{quantity!r} was predicted before.")
        _finite(quantity, value)
        low, high = interval if interval is not None else (None, None)
        self._entries[quantity] = Entry(self.layer, quantity, unit, float(value), how, low, high)

    def measure(self, quantity: str, value: float, spread: Sequence[float] = ()) -> None:
        """Enter the measurement of a predicted quantity; `spread` holds the repeats that `value` sums up."""
        entry = self._entries.get(quantity)
        if entry is None:
            raise ValueError(f"{quantity!r} was measured without being predicted.")
        if entry.measured is not None:
            raise ValueError(f"{quantity!r} was measured before.")
        _finite(quantity, value)
        self._entries[quantity] = replace(
            entry,
            measured=float(value),
            least=float(min(spread)) if len(spread) else None,
            most=float(max(spread)) if len(spread) else None,
            repeats=max(1, len(spread)),
        )

    def to_json(self) -> list[dict[str, Any]]:
        """The entries as plain mappings."""
        return [asdict(entry) for entry in self.entries]


def ratio_text(ratio: float | None) -> str:
    """A ratio as people read it, empty where there is none."""
    return "" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"


def _finite(quantity: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{quantity!r} is {value}, which is no quantity.")
