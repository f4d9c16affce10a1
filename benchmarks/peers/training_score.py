"""How far a planner lies from what was published, and how well it orders plans: the evidence's own statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training_cases import Case

from aistack.evidence.statistics import Point, errors, ordering


def points(cases: Sequence[Case], answers: Mapping[str, Mapping[str, Any]]) -> list[Point]:
    """The cases that were predicted. Peers give no interval, so none is given here."""
    seconds = {case.id: answers[case.id].get("seconds") for case in cases}
    return [
        Point(case.group, case.question, seconds[case.id], seconds[case.id], seconds[case.id])
        for case in cases
        if seconds[case.id] is not None
    ]


def line(cases: Sequence[Case], answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a table says of one planner on some cases; errors are |predicted / published - 1|."""
    found = points(cases, answers)
    whole, ordered = errors("", found), ordering(found)
    held = [
        answer["bytes"] <= answer["capacity"] for answer in (answers[case.id] for case in cases) if "bytes" in answer
    ]
    return {
        "predicted": len(found),
        "refused": len(cases) - len(found),
        "median": whole and whole.median,
        "mean": whole and whole.mean,
        "percentile_90": whole and whole.percentile_90,
        "within_10_percent": sum(point.error <= 0.1 for point in found) / len(found) if found else None,
        "pairs": ordered.pairs if ordered else 0,
        "right": ordered and ordered.share,
        "regret": ordered and ordered.regret_mean,
        "fits": sum(held) / len(held) if held else None,
    }
