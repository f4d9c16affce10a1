"""The peers' environment, and each peer in it as a process behind its adapter.

A peer that takes an efficiency is run with the one that its documentation recommends, and again with the single one
that fits all rows best, so that nobody can say that it was held down.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import venv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".venv"
PACKAGES = ("aiconfigurator", "dlcalc", "genz-llm", "llm-analysis", "mlsysim", "vidur")
OURS = "AI Stack DeepDive"

Job = dict[str, Any]
Answers = dict[str, dict[str, Any]]


class Planner(Protocol):
    """What answers a list of jobs."""

    def ask(self, jobs: Sequence[Job], efficiency: float | None = None) -> tuple[Answers, float]:
        """Answers by the jobs' ids, and the seconds that the predictions took."""


class Adapter:
    """A peer behind its adapter, as a process that answers line by line."""

    def __init__(self, python: Path, script: str, documented: float | None = None) -> None:
        self.documented = documented
        self._process = subprocess.Popen(
            [str(python), str(HERE / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def ask(self, jobs: Sequence[Job], efficiency: float | None = None) -> tuple[Answers, float]:
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"jobs": jobs, "efficiency": efficiency or self.documented}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended early; run it by hand to see why.")
        reply = json.loads(line)
        return {job["id"]: answer for job, answer in zip(jobs, reply["answers"], strict=True)}, reply["seconds"]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def best_efficiency(planner: Planner, jobs: Sequence[Job], error: Callable[[Answers], float]) -> float:
    """The single efficiency with the least error over all rows, to 0.01: a coarse look, then a fine one."""

    def of(efficiency: float) -> float:
        return error(planner.ask(jobs, efficiency)[0])

    coarse = min((round(0.05 * step, 2) for step in range(2, 21)), key=of)
    fine = (round(coarse + 0.01 * step, 2) for step in range(-4, 5))
    return min((each for each in fine if 0 < each <= 1), key=of)


def install() -> None:
    """Make the peers' environment from the pinned list."""
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    command = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-q", "-c", str(HERE / "constraints.txt")]
    subprocess.run([*command, *PACKAGES], check=True)


def versions(python: Path) -> Mapping[str, str]:
    """Each package with its version, as the environment states it."""
    program = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {PACKAGES}}}))"
    found = json.loads(subprocess.run([str(python), "-c", program], check=True, capture_output=True, text=True).stdout)
    return {name: f"{name} {version}" for name, version in found.items()}


def reasons(answers: Answers) -> dict[str, int]:
    """Why rows were refused, and how often, numbers left out so that alike reasons count together."""
    given = (re.sub(r"\d+", "#", answer["refusal"]) for answer in answers.values() if "refusal" in answer)
    return dict(Counter(given).most_common(5))


def rounded(value: float | None) -> float | None:
    """Five digits, which is more than anybody knows."""
    return None if value is None else float(f"{value:.5g}")


def machine() -> str:
    """The processor, as the kernel names it."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"model name\s*: (.*)", information)
    return found[1].strip() if found else platform.processor() or platform.machine()
