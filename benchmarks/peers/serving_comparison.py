"""Published serving measurements through this planner and its peers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import serving_ours
import serving_score as score
import serving_speed
from adapters import OURS, Adapter, Answers, best_efficiency, machine, reasons, rounded, versions
from serving_cases import MOST, sample, trusted
from serving_jobs import described

from aistack.evidence.serving_reading import METRICS

PEERS = {
    "aiconfigurator": ("serving_with_aiconfigurator.py", None),
    "genz-llm": ("serving_with_genz.py", 1.0),
    "llm-analysis": ("serving_with_llm_analysis.py", None),
    "mlsysim": ("serving_with_mlsysim.py", 0.5),
}
"""Of each peer its adapter, and the efficiency that its documentation recommends; None: none, or in the adapter."""
ROOFLINE = ("serving_with_roofline.py", 1.0)
FIXED = ("aiconfigurator",)
"""Peers without an efficiency."""


def compared(python: Path) -> dict[str, Any]:
    """Run everything; what serving.json holds."""
    every = trusted()
    chosen = sample(every)
    jobs = [described(case.question) for case in chosen]
    known = versions(python)
    adapters = {name: Adapter(python, *peer) for name, peer in PEERS.items()}
    adapters["roofline"] = Adapter(Path(sys.executable), *ROOFLINE)

    ours = serving_ours.answers(chosen, left_out=True)
    lines: list[tuple[str, str, float | None, Answers]] = [
        (f"{OURS}, sources left out of its fit", "", None, ours),
        (f"{OURS}, as it ships", "", None, serving_ours.answers(chosen, left_out=False)),
    ]
    for name, adapter in adapters.items():
        label = known.get(name, "data sheets alone (a roofline)")
        lines.append((label, "" if name in FIXED else "documented", adapter.documented, adapter.ask(jobs)[0]))
        if name not in FIXED:
            best = best_efficiency(adapter, jobs, lambda answers: score.total(chosen, answers))
            lines.append((label, "fitted", best, adapter.ask(jobs, best)[0]))
        adapter.close()
    return {
        "configurations": {"all": len(every), "drawn": len(chosen), "most": MOST},
        "groups": {metric: sum(metric in case.groups for case in chosen) for metric in METRICS},
        "sources": len({case.source for case in chosen}),
        "entries": [
            {
                "planner": name,
                "efficiency": [kind, value],
                "scores": {metric: score.beside(metric, chosen, answers, ours) for metric in METRICS},
                "refused": sum("refusal" in answer for answer in answers.values()),
                "refusals": reasons(answers),
            }
            for name, kind, value, answers in lines
        ],
        "speed": serving_speed.timed(python, known["vidur"]),
        "rounds": serving_speed.ROUNDS,
        "machine": machine(),
        "each": [
            {
                "id": case.id,
                "published": {metric: rounded(group.published) for metric, group in case.groups.items()},
                "predicted": [
                    [rounded(answers[case.id].get(metric)) for metric in case.groups] for *_, answers in lines
                ],
            }
            for case in chosen
        ],
    }
