"""Published training runs through this planner and its peers.

Speeds are timed in rounds that take the planners in turn.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import training_score as score
from adapters import OURS, Adapter, Answers, Job, Planner, best_efficiency, machine, reasons, rounded, versions
from training_cases import cases
from training_jobs import described
from training_ours import SPACE, AtOnce, Ours, left_out

from aistack.evidence.predictor import ask

PEERS = {
    "llm-analysis": ("training_with_llm_analysis.py", 0.5),
    "mlsysim": ("training_with_mlsysim.py", 0.5),
    "dlcalc": ("training_with_dlcalc.py", 0.7),
}
"""Of each peer its adapter, and the efficiency that its documentation recommends; the adapter says where."""
CONSTANT = ("training_with_one_utilisation.py", 0.4)
ROUNDS = 5


def timed(planners: Mapping[str, Planner], jobs: list[Job]) -> dict[str, dict[str, float]]:
    """Plans a second, in rounds that take the planners in turn, so that a slow spell of the machine touches all."""
    space = AtOnce()
    rates: dict[str, list[float]] = {name: [] for name in [*planners, f"{OURS}, all plans of a job at once"]}
    for _ in range(ROUNDS + 1):
        for name, planner in planners.items():
            rates[name].append(len(jobs) / planner.ask(jobs)[1])
        rates[f"{OURS}, all plans of a job at once"].append(space.rate())
    return {
        name: {"median": statistics.median(found[1:]), "least": min(found[1:]), "most": max(found[1:])}
        for name, found in rates.items()
    }


def compared(python: Path) -> dict[str, Any]:
    """Run everything; what training.json holds."""
    chosen = cases()
    asked = [ask(case.question) for case in chosen]
    jobs = [described(case.id, each.job, each.resources.plans[0]) for case, each in zip(chosen, asked, strict=True)]
    complete = [case for case in chosen if case.complete]
    known = versions(python)
    ours = Ours(chosen)
    peers = {known[name]: Adapter(python, *peer) for name, peer in PEERS.items()}
    constant = Adapter(Path(sys.executable), *CONSTANT)

    def error(answers: Answers) -> float:
        return float(score.line(complete, answers)["median"])

    shipped = ours.ask(jobs)[0]
    lines: list[tuple[str, str, float | None, Answers]] = [
        (f"{OURS}, sources left out of its fit", "not an input", None, left_out(chosen, shipped)),
        (f"{OURS}, as it ships", "not an input", None, shipped),
    ]
    for name, peer in peers.items():
        lines.append((name, "documented", peer.documented, peer.ask(jobs)[0]))
        best = best_efficiency(peer, jobs, error)
        lines.append((name, "fitted", best, peer.ask(jobs, best)[0]))
    best = best_efficiency(constant, jobs, error)
    lines.append(("one utilisation for all", "fitted", best, constant.ask(jobs, best)[0]))

    by_all = [case for case in complete if all("seconds" in answers[case.id] for *_, answers in lines)]
    search = [case for case in chosen if case.of_the_search]
    tables = {"complete": complete, "by_all": by_all, "search": search}
    results = {
        "rows": {name: sum(len(case.group.members) for case in rows) for name, rows in tables.items()},
        "groups": {name: len(rows) for name, rows in tables.items()},
        "entries": [
            {
                "planner": name,
                "efficiency": [kind, value],
                "scores": {table: score.line(rows, answers) for table, rows in tables.items()},
                "refusals": reasons(answers),
            }
            for name, kind, value, answers in lines
        ],
        "speed": timed({OURS: ours, **peers}, jobs),
        "rounds": ROUNDS,
        "space": SPACE,
        "machine": machine(),
        "each": [
            {
                "id": case.id,
                "published": case.group.published,
                "complete": case.complete,
                "predicted": [rounded(answers[case.id].get("seconds")) for *_, answers in lines],
            }
            for case in chosen
        ],
    }
    for adapter in (*peers.values(), constant):
        adapter.close()
    return results
