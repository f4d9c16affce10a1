"""Releases of engines that serve differently from today's, and which of them a published row ran."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aistack.evidence.serving_rows import ServingRow

NEWEST = (99, 0)
V1, GRAPHS = (0, 8), (0, 3)
"""vLLM's releases that brought its new engine and captured graphs."""
_BY_SOURCE: Mapping[str, tuple[int, int]] = {
    "Argonne LLM-Inference-Bench": (0, 6),
    "Oracle blog": (0, 6),
    "Splitwise perf_model": (0, 2),
}
"""vLLM's newest release when a source that states none was published: arXiv:2411.00136 of October 2024, Oracle's tests
of the MI300X in autumn 2024, arXiv:2311.18677 of November 2023."""


def of(row: ServingRow) -> tuple[int, int]:
    """vLLM's release; where neither the row nor the source's date says it, the newest."""
    found = re.match(r"v?(\d+)\.(\d+)", row.engine_version)
    return (int(found[1]), int(found[2])) if found else _BY_SOURCE.get(row.source, NEWEST)
