"""Published measurements through this planner and its peers, side by side in one run.

    python benchmarks/peers/run.py --install    # makes benchmarks/peers/.venv with the peers, pinned; once
    python benchmarks/peers/run.py serving      # runs; writes serving.json beside this file, and docs/peers.md
    python benchmarks/peers/run.py training     # the same of training; without a name, both

Each peer runs in a process of its own inside its own environment, behind an adapter (`training_with_*.py`,
`serving_with_*.py`).
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import page
import serving_comparison
import training_comparison
from adapters import ENVIRONMENT, install

COMPARISONS = {"training": training_comparison.compared, "serving": serving_comparison.compared}


def written(results: Mapping[str, Any]) -> str:
    """As JSON, each row on one line."""
    rows = ",\n".join(json.dumps(row) for row in results["each"])
    return json.dumps({**results, "each": []}, indent=1).replace('"each": []', f'"each": [\n{rows}\n]') + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[[], *COMPARISONS], help="what to compare; without, both")
    parser.add_argument("--install", action="store_true", help="make the peers' environment and stop")
    parser.add_argument("--python", type=Path, default=ENVIRONMENT / "bin" / "python", help="its interpreter")
    asked = parser.parse_args()
    if asked.install:
        install()
        return
    if not asked.python.exists():
        raise SystemExit(f"{asked.python} is missing. Install the peers first: python {sys.argv[0]} --install")
    for kind in asked.kinds or COMPARISONS:
        results = {"date": datetime.date.today().isoformat(), **COMPARISONS[kind](asked.python)}
        page.results_file(kind).write_text(written(results), encoding="utf-8")
    page.write()
    print(page.PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
