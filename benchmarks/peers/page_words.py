"""Words and tables that both parts of the page share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left."""
    lines = [header, ["---", *["---:" for _ in header[1:]]], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def efficiency(entry: Mapping[str, Any]) -> str:
    """Where the efficiency comes from, and what it is."""
    kind, value = entry["efficiency"]
    return kind if value is None else f"{kind}, {value:.2f}"


def refused(entry: Mapping[str, Any]) -> str:
    """Why a planner refused rows."""
    given = "; ".join(f"{count} x {reason}" for reason, count in entry["refusals"].items())
    return f"- {entry['planner']}: {given or 'nothing'}."
