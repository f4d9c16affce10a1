import errno
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from aistack.dive import conduct as conducting
from aistack.dive import report, run, terminal
from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.dive.run import Result, Run
from aistack.drawing import LAYERS
from aistack.errors import AistackError, BadInput, UnknownName


def _progress() -> Progress:
    return Progress(Console(file=io.StringIO(), width=80))


def _result(layer: str, measured: float = 2.0) -> Result:
    ledger = Ledger(layer)  # type: ignore[arg-type]
    ledger.predict(f"{layer} <time>", 1.0, "s", "by & by", interval=(0.5, 1.5))
    ledger.measure(f"{layer} <time>", measured, spread=[measured, 2 * measured])
    return Result(layer, ledger.entries, {"x": 1}, 1.5, 1.0, None)  # type: ignore[arg-type]


@pytest.fixture
def made(tmp_path: Path) -> Run:
    return run.create(Options(text=(Path("/some/text"),)), "cpu", {"python": "3.11"}, tmp_path)


def test_a_run_reads_back_as_it_was_made(made: Run) -> None:
    loaded = run.load(made.root)
    assert (loaded.options, loaded.device, loaded.created) == (made.options, "cpu", made.created)
    made.finish(_result("hardware"))
    stored = loaded.result("hardware")
    assert stored == _result("hardware")
    assert not loaded.finished and loaded.result("training") is None


def test_names(made: Run, tmp_path: Path) -> None:
    second = run.create(Options(), "cpu", {}, tmp_path)
    assert run.names_in(tmp_path) == sorted([made.name, second.name])
    assert run.find(None, tmp_path).name == second.name
    assert run.find(str(made.root)).name == made.name
    with pytest.raises(UnknownName, match=made.name):
        run.find(made.name[:-1], tmp_path)
    with pytest.raises(BadInput, match="aistack dive"):
        run.find(None, tmp_path / "empty")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 99}', "\udcff"])
def test_a_damaged_run_is_named(made: Run, content: str) -> None:
    (made.root / "run.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput, match=r"run\.json|another version"):
        run.load(made.root)


def test_a_damaged_result_says_what_to_do(made: Run) -> None:
    made.finish(_result("hardware"))
    (made.root / "hardware" / "result.json").write_text('{"ledger": [{"layer": 1}]}')
    with pytest.raises(BadInput, match="Delete it"):
        made.result("hardware")


def test_only_stages_without_a_result_are_run(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made.finish(_result("hardware"))
    ran: list[str] = []

    def stage(layer: str) -> SimpleNamespace:
        def go(context: conducting.Context) -> dict[str, int]:
            ran.append(layer)
            assert set(context.earlier) == set(LAYERS[: LAYERS.index(layer)])  # type: ignore[arg-type]
            context.ledger.predict("time", 1, "s", "by hand")
            if layer == "training" and len(ran) == 3:
                raise KeyboardInterrupt
            context.ledger.measure("time", 1)
            return {"x": 1}

        return SimpleNamespace(run=go, figures=lambda outputs: [])

    monkeypatch.setattr(conducting, "stage_module", stage)
    with pytest.raises(KeyboardInterrupt):
        conducting.conduct(made, _progress())
    assert ran == ["infrastructure", "frameworks", "training"]
    conducting.conduct(made, _progress())
    assert ran[3:] == ["training", "serving", "applications"]
    assert made.finished and (made.root / "report.html").exists() and (made.root / "ledger.json").exists()


def test_a_stage_that_never_measures_is_a_defect(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def go(context: conducting.Context) -> dict[str, int]:
        context.ledger.predict("time", 1, "s", "by hand")
        return {}

    monkeypatch.setattr(conducting, "stage_module", lambda layer: SimpleNamespace(run=go))
    with pytest.raises(RuntimeError, match="never measured: time"):
        conducting.conduct(made, _progress())


def test_a_full_disk_says_how_to_go_on(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def go(context: conducting.Context) -> dict[str, int]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(conducting, "stage_module", lambda layer: SimpleNamespace(run=go))
    with pytest.raises(AistackError, match=f"full.*--resume --run {made.name}"):
        conducting.conduct(made, _progress())


def test_a_run_is_worked_on_by_one_process_at_a_time(made: Run) -> None:
    with made.alone():
        code = (
            "import sys; from pathlib import Path; from aistack.dive import run\n"
            "with run.load(Path(sys.argv[1])).alone(): pass"
        )
        second = subprocess.run([sys.executable, "-c", code, made.root], capture_output=True, text=True, timeout=60)
    assert second.returncode != 0 and "Another process" in second.stderr


def test_report_escapes_what_it_prints_and_asks_for_nothing_from_the_net(made: Run) -> None:
    for layer in LAYERS:
        made.finish(_result(layer))
    figures = SimpleNamespace(figures=lambda outputs: [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conducting, "stage_module", lambda layer: figures)
        page = report.page(made)
    assert "hardware &lt;time&gt;" in page and "<time>" not in page
    assert "by &amp; by" in page
    assert "src=" not in page and "@import" not in page and "<script" not in page
    assert page.count("<section") == len(LAYERS)
    ledger = json.loads(report.ledger_json(made))
    assert [layer["layer"] for layer in ledger["layers"]] == list(LAYERS)


def test_tables_fit_eighty_columns(made: Run, tmp_path: Path) -> None:
    second = run.create(Options(), "cpu", {}, tmp_path)
    for layer in LAYERS[:3]:
        made.finish(_result(layer))
        second.finish(_result(layer, measured=200.0))
    with (tmp_path / "out").open("w") as handle:
        out = Console(file=handle, width=80)
        terminal.show(made, out)
        terminal.compare(made, second, out)
    lines = (tmp_path / "out").read_text().splitlines()
    printed = "\n".join(lines)
    assert max(len(line) for line in lines if "/" not in line) <= 80
    assert "3 of 6 stages" in printed and "2.00" in printed
    assert printed.count("100") >= 3
