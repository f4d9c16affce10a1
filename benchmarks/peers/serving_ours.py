"""This planner, behind the same face as its peers' adapters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from adapters import Answers
from serving_cases import Case

from aistack.evidence.serving_predictor import shipped


def answers(cases: Sequence[Case], *, left_out: bool) -> Answers:
    """What it says of each case: with the constants that ship, or each source's with those fitted without it."""
    planner = shipped()
    by_source: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_source[case.source].append(case)
    found: Answers = {}
    for source, members in by_source.items():
        unseen = source if left_out and source in planner.sources else None
        predicted = planner.predict([case.question for case in members], unseen)
        for place, case in enumerate(members):
            values = {metric: float(columns[0][place]) for metric, columns in predicted.items()}
            known = {metric: value for metric, value in values.items() if np.isfinite(value) and value > 0}
            found[case.id] = {**known} if known else {"refusal": "no prediction"}
    return found
