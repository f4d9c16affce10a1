"""docs/peers.md, made from the stored results: python benchmarks/peers/page.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import serving_page
import training_page

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "peers.md"

ABOUT = """\
# Beside other planners

How far this planner and others lie from published measurements, on the same rows in one run. This page is made by
`python benchmarks/peers/run.py`; the numbers are in [`training.json`](../benchmarks/peers/training.json) and
[`serving.json`](../benchmarks/peers/serving.json). Here is what installs from the Python package index and answers the
question. Each is mapped to by a thin adapter in [`benchmarks/peers/`](../benchmarks/peers/), at whose top its
assumptions are written.

Every planner gets the same reading of a row, the same data sheets of chips, the same links, and for blank cells the
same assumptions. Errors are `|predicted / published - 1|`, and rows in which one source measures the same thing again
count once, at their median. "Documented" is the efficiency that a peer's documentation recommends or its source
contains. "Fitted" is the single number with which that peer comes closest to all of these rows, found by search: no
row is left out for it.

{training}
{serving}"""


def results_file(kind: str) -> Path:
    """Where the results of training, or of serving, are kept."""
    return HERE / f"{kind}.json"


def stored(kind: str) -> dict[str, Any]:
    """The results of the last run."""
    return json.loads(results_file(kind).read_text(encoding="utf-8"))


def page() -> str:
    """The whole page."""
    return ABOUT.format(training=training_page.part(stored("training")), serving=serving_page.part(stored("serving")))


def write() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
