import io
import json
from pathlib import Path

from rich.console import Console

from aistack.catalog.contributions import examine
from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.dive.stage import Context
from aistack.dive.stages import hardware
from aistack.hardware.machine import Machine


def test_the_stage_predicts_measures_and_leaves_what_later_stages_need(tmp_path: Path) -> None:
    ledger = Ledger("hardware")
    said = io.StringIO()
    options = Options(minutes=0.4)
    context = Context("hardware", tmp_path, options, "cpu", ledger, Progress(Console(file=said)), {})
    outputs = json.loads(json.dumps(hardware.run(context)))
    assert len(ledger.entries) >= 5
    for entry in ledger.entries:
        assert entry.measured is not None
        assert entry.repeats >= 3
        assert entry.low is not None and entry.high is not None and entry.low <= entry.predicted <= entry.high
        # a factor of a thousand is a wrong unit, not a busy machine
        assert 1e-3 < entry.measured / entry.predicted < 1e3, entry.quantity
    machine = Machine.from_json(outputs["machine"])
    assert {"float32", "bfloat16"} <= set(machine.matmul)
    assert examine(tmp_path / outputs["entry"]).problems == ()
    held_back = [row for row in outputs["products"] if not row["fitted"]]
    fitted = {(row["m"], row["n"], row["k"], row["dtype"]) for row in outputs["products"] if row["fitted"]}
    assert held_back and all((row["m"], row["n"], row["k"], row["dtype"]) not in fitted for row in held_back)
    sizes = {row["working_set"] for row in outputs["streams"] if row["fitted"]}
    assert all(row["working_set"] not in sizes for row in outputs["streams"] if not row["fitted"])
    figures = hardware.figures(outputs)
    assert [figure.layer for figure in figures] == ["hardware", "hardware"]
    assert all(len(figure.alt) > 40 and figure.svg.startswith("<svg") for figure in figures)
