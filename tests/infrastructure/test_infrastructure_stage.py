import io
import json
from pathlib import Path

from rich.console import Console

from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.dive.stage import Context
from aistack.dive.stages import infrastructure
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.storage import Disk


def test_the_stage_predicts_measures_and_leaves_links_and_disk(tmp_path: Path) -> None:
    ledger = Ledger("infrastructure")
    options = Options(minutes=0.4)
    context = Context("infrastructure", tmp_path, options, "cpu", ledger, Progress(Console(file=io.StringIO())), {})
    outputs = json.loads(json.dumps(infrastructure.run(context)))
    assert len(ledger.entries) >= 5
    for entry in ledger.entries:
        assert entry.measured is not None
        assert entry.repeats >= 3
        assert 1e-3 < entry.measured / entry.predicted < 1e3, entry.quantity
    assert set(outputs["links"]) == {"point-to-point", "all-gather", "all-reduce"}
    for link in outputs["links"].values():
        assert Channel.from_json(link).half_size >= 0
    assert Disk.from_json(outputs["disk"])
    for rows, keys in ((outputs["messages"], ("operation", "size")), (outputs["files"], ("phase", "size"))):
        seen = {tuple(row[key] for key in keys) for row in rows if row["fitted"]}
        held_back = {tuple(row[key] for key in keys) for row in rows if not row["fitted"]}
        assert held_back and not held_back & seen
    # the files that were written are gone
    assert list((tmp_path / "infrastructure").iterdir()) == []
    figures = infrastructure.figures(outputs)
    assert all(figure.layer == "infrastructure" and figure.svg.startswith("<svg") for figure in figures)
