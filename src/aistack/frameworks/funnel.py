"""The account of a data pipeline: what went into each step, what came out, and why the rest did not.

A step's account balances by construction (what came in is what was kept plus every loss); a `Funnel` checks that each
step took in exactly what the one before it let out, so that nothing is lost without a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Amount:
    """So many documents (or files, or records) of so many UTF-8 bytes together."""

    documents: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.documents + other.documents, self.bytes + other.bytes)


@dataclass
class Step:
    """One step's account."""

    name: str
    kept: Amount = Amount()
    dropped: dict[str, Amount] = field(default_factory=dict)
    """Reason -> what was lost to it."""

    def keep(self, size: int) -> None:
        """One more document of `size` bytes went through."""
        self.kept += Amount(1, size)

    def drop(self, reason: str, size: int, documents: int = 1) -> None:
        """`documents` documents of `size` bytes together did not; a document that only shrank is 0 documents."""
        self.dropped[reason] = self.dropped.get(reason, Amount()) + Amount(documents, size)

    def merge(self, other: Step) -> None:
        """Add what another worker counted for the same step."""
        self.kept += other.kept
        for reason, amount in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, Amount()) + amount

    @property
    def taken(self) -> Amount:
        """What came in."""
        return sum(self.dropped.values(), self.kept)

    def to_json(self) -> dict[str, Any]:
        """The account as a plain mapping, the largest loss first."""
        reasons = sorted(self.dropped.items(), key=lambda item: (-item[1].bytes, item[0]))
        return {
            "step": self.name,
            "taken": vars(self.taken),
            "kept": vars(self.kept),
            "dropped": {reason: vars(amount) for reason, amount in reasons},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """The account that `to_json` gave."""
        dropped = {reason: Amount(**amount) for reason, amount in value["dropped"].items()}
        return cls(value["step"], Amount(**value["kept"]), dropped)


@dataclass(frozen=True)
class Funnel:
    """The accounts of all steps, in order. Raises `ValueError` where one took in other than the last let out."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if before.kept != after.taken:
                raise ValueError(f"{before.name} let out {before.kept}, but {after.name} took in {after.taken}.")

    def to_json(self) -> list[dict[str, Any]]:
        """All accounts as plain mappings."""
        return [step.to_json() for step in self.steps]

    @classmethod
    def from_json(cls, value: Iterable[Mapping[str, Any]]) -> Funnel:
        """The funnel that `to_json` gave."""
        return cls(tuple(Step.from_json(each) for each in value))
