"""What an evidence page shows, computed by a process of its own: `python -m aistack.web.evidence_work training FILE`.

Predicting every published row takes minutes; the app asks for it once and keeps it until the package changes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import aistack
from aistack.errors import AistackError
from aistack.files import read_json, write_json

Of = Literal["training", "serving"]
WAIT = 1800.0
"""Seconds after which a computation is given up."""


def kept(of: Of) -> dict[str, Any] | None:
    """What was computed for the package as it is; None where it was not yet."""
    path = _path(of)
    return dict(read_json(path)) if path.exists() else None


def computed(of: Of) -> dict[str, Any]:
    """The same, computed now where it was not yet. Raises `AistackError` where that fails."""
    if found := kept(of):
        return found
    path = _path(of)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "aistack.web.evidence_work", of, str(path)], capture_output=True, text=True,
        timeout=WAIT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AistackError(f"The evidence could not be computed: {done.stderr.strip()[-500:]}")
    for old in path.parent.glob(f"evidence-{of}-*.json"):
        if old != path:
            old.unlink(missing_ok=True)
    return dict(read_json(path))


def page_of(of: Of) -> dict[str, Any]:
    """What a page shows, as plain values."""
    return _training() if of == "training" else _serving()


def _training() -> dict[str, Any]:
    from aistack.evidence import predictor, training, training_rows
    from aistack.evidence.figures import predictions

    report = training.evaluate(training_rows.shipped(), predictor.shipped())
    rows = [each for each in (report.headline, report.left_out, report.fitted) if each]
    return {
        "read": len(report.rows),
        "predicted": report.predicted,
        "headlines": [
            {"name": "Step time", "lines": [_errors(each) for each in rows], "noise": report.noise, "unit": "s",
             "worst": [_failure(each, "s") for each in report.worst]}
        ],
        "figures": [predictions.draw(report).html(1, "fig-predictions")],
    }  # fmt: skip


def _serving() -> dict[str, Any]:
    from aistack.evidence import serving, serving_predictor, serving_rows
    from aistack.evidence.figures import serving_predictions

    report = serving.evaluate(serving_rows.shipped(), serving_predictor.shipped())
    names = {
        "throughput": ("Output throughput", "token/s"),
        "ttft": ("Time to first token", "s"),
        "tpot": ("Time per output token", "s"),
    }
    headlines = []
    for each in report.quantities:
        name, unit = names[each.metric]
        weighed = [line for line in (each.headline, each.headline_accelerators, each.fitted) if line]
        lines = [{**_errors(line), "groups": line.pooled.groups} for line in weighed]
        worst = [_failure(failure, unit) for failure in each.worst]
        headlines.append({"name": name, "unit": unit, "noise": each.noise, "lines": lines, "worst": worst})
    return {
        "read": len(report.rows),
        "predicted": report.predicted,
        "headlines": headlines,
        "figures": [serving_predictions.draw(report).html(1, "fig-predictions")],
    }


def _errors(line: Any) -> dict[str, Any]:
    return {
        "of": line.of,
        "groups": getattr(line, "groups", None),
        "median": line.median,
        "mean": line.mean,
        "ninth": line.percentile_90,
        "inside": line.inside,
    }


def _failure(failure: Any, unit: str) -> dict[str, str]:
    from aistack.units import text

    return {
        "id": failure.id,
        "source": failure.source,
        "what": f"{failure.model} on {failure.accelerator}",
        "plan": failure.plan,
        "published": text(failure.published, unit),
        "predicted": text(failure.predicted, unit),
        "ratio": f"{failure.predicted / failure.published:.2g}",
        "cause": failure.cause,
    }


def _path(of: Of) -> Path:
    """Below the user's cache folder, named by the package's files, so that what is old is never shown."""
    home = os.environ.get("AISTACK_HOME")
    cache = Path(home) / "cache" if home else _cache() / "aistack"
    return cache / f"evidence-{of}-{_fingerprint()}.json"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _fingerprint() -> str:
    root = Path(aistack.__file__).parent
    faces = {"web", "book", "cli", "dive", "launch"}
    files = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(root).parts[0] not in faces
    )
    stamps = "\n".join(f"{path.relative_to(root)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)
    return hashlib.sha256(f"{aistack.__version__}\n{stamps}".encode()).hexdigest()[:16]


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), page_of(sys.argv[1]))  # type: ignore[arg-type]
