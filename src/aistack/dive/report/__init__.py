"""The report of a run: one HTML file with its charts, and the ledger as JSON. Made anew from the results each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aistack import units
from aistack.dive.ledger import Entry, ratio_text
from aistack.dive.progress import ABOUT
from aistack.drawing import LAYERS, Figure
from aistack.drawing.theme import stylesheet
from aistack.files import write_text

if TYPE_CHECKING:
    from aistack.dive.run import Run


def write(run: Run) -> None:
    """Write `ledger.json` and `report.html` into the run's folder."""
    write_text(run.root / "ledger.json", ledger_json(run) + "\n")
    write_text(run.root / "report.html", page(run))


def ledger_json(run: Run) -> str:
    """All entries of a run, with its name, device and circumstances, as JSON."""
    return json.dumps(
        {
            "run": run.name,
            "created": run.created,
            "device": run.device,
            "circumstances": dict(run.circumstances),
            "layers": [
                {
                    "layer": result.layer,
                    "seconds": result.seconds,
                    "cpu_seconds": result.cpu_seconds,
                    "joules": result.joules,
                    "entries": [{**entry.__dict__, "ratio": entry.ratio} for entry in result.entries],
                }
                for result in run.results()
            ],
        },
        indent=1,
        ensure_ascii=False,
    )


def page(run: Run) -> str:
    """The report as one self-contained HTML page that needs no network and no JavaScript."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from aistack.dive.conduct import stage_module
    from aistack.dive.figures import overview

    environment = Environment(
        loader=PackageLoader("aistack.dive", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["quantity"] = units.text
    environment.filters["span"] = units.span
    environment.filters["ratio"] = ratio_text
    results = run.results()
    number = 1

    def numbered(figure: Figure) -> Markup:
        nonlocal number
        number += 1
        return Markup(figure.html(number))

    layers = []
    for result in results:
        module = stage_module(result.layer)
        layers.append(
            {
                "name": result.layer,
                "number": LAYERS.index(result.layer) + 1,
                "about": ABOUT[result.layer],
                "finding": _finding(result.entries),
                "result": result,
                "figures": [numbered(figure) for figure in module.figures(result.outputs)],
                "notes": module.notes(result.outputs) if hasattr(module, "notes") else [],
            }
        )
    return environment.get_template("page.html.jinja").render(
        run=run,
        text=", ".join(str(path) for path in run.options.text) or "the documentation of the installed Python packages",
        layers=layers,
        names=LAYERS,
        overview=Markup(overview.draw([entry for result in results for entry in result.entries]).html(1)),
        variables=Markup(stylesheet()),
        seconds=sum(result.seconds for result in results),
    )


def _finding(entries: tuple[Entry, ...]) -> str:
    """A heading for a stage: how near its predictions came."""
    off = sorted(max(entry.ratio, 1 / entry.ratio) for entry in entries if entry.ratio)
    near = sum(1 for factor in off if factor <= 1.25)
    if near == len(off):
        return f"all {len(off)} predictions within a quarter"
    return f"{near} of {len(off)} predictions within a quarter, the farthest off by {off[-1]:.2g} times"
