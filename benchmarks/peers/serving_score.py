"""How far a planner lies from what was published: the evidence's own statistics, sources weighed alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving_cases import Case

from aistack.evidence.serving_reading import METRICS, Metric
from aistack.evidence.serving_statistics import FEWEST, Point, weighed

Answers = Mapping[str, Mapping[str, Any]]


def points(metric: Metric, cases: Sequence[Case], answers: Answers) -> list[Point]:
    """The groups of a quantity that were answered. Peers give no interval, so none is given here."""
    values = {case.id: answers[case.id].get(metric) for case in cases if metric in case.groups}
    return [
        Point(metric, case.groups[metric], case.question, values[case.id], values[case.id], values[case.id])
        for case in cases
        if values.get(case.id)
    ]


def line(found: Sequence[Point]) -> dict[str, Any] | None:
    """What a table says of one planner: |predicted / published - 1|; None where it answered nothing."""
    whole = weighed("", found)
    return whole and {
        "groups": whole.pooled.groups,
        "median": whole.pooled.median,
        "sources": whole.sources,
        "mean_of_sources": whole.median,
        "percentile_90": whole.pooled.percentile_90,
        "ratio": whole.pooled.ratio,
    }


def beside(metric: Metric, cases: Sequence[Case], answers: Answers, ours: Answers) -> dict[str, Any]:
    """A planner's errors, ours on the same groups, and both of each source that has five groups or more."""
    theirs = points(metric, cases, answers)
    answered = {point.question.row.id for point in theirs}
    same = points(metric, [case for case in cases if case.id in answered], ours)
    return {"peer": line(theirs), "ours": line(same), "by_source": by_source(theirs, same)}


def by_source(theirs: Sequence[Point], same: Sequence[Point]) -> list[dict[str, Any]]:
    """Of each source with enough groups answered, how many and the two medians."""
    found = []
    for source in sorted({point.group.source for point in theirs}):
        lines = [line([point for point in each if point.group.source == source]) for each in (theirs, same)]
        if lines[0] and lines[1] and lines[0]["groups"] >= FEWEST:
            found.append({"source": source, "groups": lines[0]["groups"], "peer": lines[0]["median"],
                          "ours": lines[1]["median"]})  # fmt: skip
    return found


def total(cases: Sequence[Case], answers: Answers) -> float:
    """What the efficiency of a peer is fitted to: its mean over sources, on average over the quantities it answers."""
    found = [line(points(metric, cases, answers)) for metric in METRICS]
    known = [each["mean_of_sources"] for each in found if each]
    return sum(known) / len(known)
