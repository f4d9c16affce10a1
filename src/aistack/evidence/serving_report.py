"""What the comparison of published serving with predictions finds: rows, quantities, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from aistack.evidence.serving_reading import Metric
from aistack.evidence.serving_statistics import Weighed
from aistack.evidence.statistics import Errors, Failure


@dataclass(frozen=True)
class Comparison:
    """One quantity of one row beside its prediction: output tokens/s of all accelerators, or seconds."""

    published: float
    published_as: str
    statistic: str
    predicted: float
    low: float
    high: float
    source_left_out: float
    """Predicted with constants that were fitted without this row's source."""
    accelerator_left_out: float
    """Predicted with constants that were fitted without this row's accelerator."""

    @property
    def ratio(self) -> float:
        """Predicted over published."""
        return self.predicted / self.published


@dataclass(frozen=True)
class RowResult:
    """One row of the file: compared, or refused with the reason."""

    id: str
    source: str
    tier: str
    model: str
    accelerator: str
    refused: str | None
    chips: int | None = None
    engine: str | None = None
    plan: str | None = None
    load: str | None = None
    comparisons: Mapping[Metric, Comparison] = field(default_factory=dict)
    source_in_fit: bool = False
    accelerator_in_fit: bool = False
    complete: bool = False
    trusted: bool = False
    """Whether it counts in the headline."""
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """The errors of one quantity. They are of groups of re-measurements, each counting once."""

    metric: Metric
    noise: float | None
    """How far re-measurements of one configuration lie apart, as a fraction."""
    headline: Weighed | None
    """On sources left out of the fit, of trusted rows."""
    headline_accelerators: Weighed | None
    """On accelerators left out of the fit, of trusted rows."""
    left_out: Weighed | None
    """On sources left out of the fit, of all rows."""
    fitted: Weighed | None
    """Trusted rows, with the constants as they ship."""
    by_source: tuple[Errors, ...]
    """Of trusted rows, each left out, as the three that follow."""
    by_accelerator: tuple[Errors, ...]
    """Each accelerator left out."""
    by_engine: tuple[Errors, ...]
    by_family: tuple[Errors, ...]
    by_scenario: tuple[Errors, ...]
    others_by_source: tuple[Errors, ...]
    """Of the rows that are not trusted, their sources left out."""
    worst: tuple[Failure, ...]
    """Of trusted rows, or of all where none is."""


@dataclass(frozen=True)
class Report:
    """The whole comparison."""

    rows: tuple[RowResult, ...]
    configurations: int
    quantities: tuple[Quantity, ...]

    @property
    def predicted(self) -> int:
        """Rows that have a prediction."""
        return sum(row.refused is None for row in self.rows)

    @property
    def trusted(self) -> int:
        """Rows that count in the headline."""
        return sum(row.trusted for row in self.rows)

    def json(self) -> dict[str, Any]:
        """As plain values: a summary, and one object a row."""
        return {
            "rows_read": len(self.rows),
            "rows_predicted": self.predicted,
            "rows_refused": len(self.rows) - self.predicted,
            "rows_trusted": self.trusted,
            "configurations": self.configurations,
            "quantities": {each.metric: _without_metric(asdict(each)) for each in self.quantities},
            "rows": [_row_json(row) for row in self.rows],
        }


def _without_metric(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "metric"}


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _row_json(row: RowResult) -> dict[str, Any]:
    units = {"throughput": "tokens_per_s", "ttft": "s", "tpot": "s"}
    return {
        "id": row.id,
        "source": row.source,
        "tier": row.tier,
        "model": row.model,
        "accelerator": row.accelerator,
        "accelerators": row.chips,
        "engine": row.engine,
        "plan": row.plan,
        "load": row.load,
        "refused": row.refused,
        **{
            f"{metric}_{units[metric]}": {
                "published": each.published,
                "published_as": each.published_as,
                "statistic": each.statistic,
                "predicted": each.predicted,
                "interval_80": [each.low, each.high],
                "predicted_source_left_out": _known(each.source_left_out),
                "predicted_accelerator_left_out": _known(each.accelerator_left_out),
                "ratio": each.ratio,
            }
            for metric, each in row.comparisons.items()
        },
        "source_used_in_fit": row.source_in_fit,
        "accelerator_used_in_fit": row.accelerator_in_fit,
        "complete": row.complete,
        "counted_in_headline": row.trusted,
        "assumed": list(row.assumed),
    }
