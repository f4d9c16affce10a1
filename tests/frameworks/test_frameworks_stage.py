"""Stage 3 of the dive for real, on a small folder of text; and its workers, which must not outlive it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.dive.stage import Context
from aistack.dive.stages import frameworks
from aistack.errors import AistackError, BadInput
from aistack.frameworks.lab.data.workers import in_order, pool
from aistack.frameworks.lab.shards import open_shards

Prose = Callable[[int, int], str]


def context_of(root: Path, *text: Path) -> Context:
    return Context(
        layer="frameworks",
        root=root,
        options=Options(minutes=1, text=text),
        device="cpu",
        ledger=Ledger("frameworks"),
        progress=Progress(Console(file=StringIO())),
        earlier={},
    )


@pytest.fixture(scope="module")
def done(prose: Prose, tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, dict[str, object]]:
    folder = tmp_path_factory.mktemp("given") / "notes"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}.txt").write_text(prose(number, 12))
    context = context_of(tmp_path_factory.mktemp("run"), folder)
    return context, frameworks.run(context)


def test_every_prediction_was_measured_and_counts_are_exact(done: tuple[Context, dict[str, object]]) -> None:
    entries = {entry.quantity: entry for entry in done[0].ledger.entries}
    assert len(entries) >= 9
    assert all(entry.measured is not None for entry in entries.values())
    for exact in ("Parameters", "Forward pass", "Forward and backward pass", "Saved activations"):
        assert entries[exact].ratio == pytest.approx(1, rel=0.01)
    assert entries["Documents kept"].ratio == pytest.approx(1, rel=0.3)


def test_the_outputs_lead_to_what_later_stages_need(done: tuple[Context, dict[str, object]]) -> None:
    context, outputs = done
    assert json.loads(json.dumps(outputs))["shards"] == "frameworks/shards"
    train = open_shards(context.root / str(outputs["shards"]), "train")
    assert train.tokens == outputs["train_tokens"] and train.seq_len == outputs["seq_len"] == 256
    assert train.batch(0, 2, 0).max() < int(str(outputs["vocab"]))
    assert (context.root / str(outputs["tokenizer"]) / "tokenizer_config.json").is_file()
    assert (context.root / str(outputs["data_card"])).is_file()
    with (context.root / str(outputs["documents"])).open() as lines:
        first = json.loads(next(lines))
    assert set(first) == {"id", "text", "source", "licence", "split"}


def test_the_figures_say_what_the_outputs_say(done: tuple[Context, dict[str, object]]) -> None:
    funnel, sources, operations = frameworks.figures(json.loads(json.dumps(done[1])))
    assert "100%" in funnel.title and "near-duplicates" in funnel.svg
    assert "notes" in sources.title and "unknown" in sources.svg
    assert "PyTorch" in operations.subtitle and "optimizer" in operations.svg


def test_a_missing_path_and_a_small_text_are_bad_input(prose: Prose, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file"):
        frameworks.run(context_of(tmp_path / "run", tmp_path / "nowhere"))
    (tmp_path / "a.txt").write_text(prose(0, 20))
    with pytest.raises(BadInput, match="Too little text"):
        frameworks.run(context_of(tmp_path / "run", tmp_path / "a.txt"))


def test_workers_end_when_their_parent_is_killed() -> None:
    program = (
        "import time\n"
        "from aistack.frameworks.lab.data.workers import in_order, pool\n"
        "with pool(2) as executor:\n"
        "    list(in_order(executor, time.sleep, [120.0] * 2, 2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    try:
        deadline = time.monotonic() + 30
        workers: list[psutil.Process] = []
        while len(workers) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            workers = [
                child
                for child in psutil.Process(parent.pid).children(recursive=True)
                if "spawn_main" in " ".join(child.cmdline())
            ]
        assert len(workers) >= 2
        time.sleep(1)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive


def test_a_worker_that_dies_is_an_error_with_a_remedy() -> None:
    import os

    with pool(1) as executor, pytest.raises(AistackError, match="worker process was killed"):
        list(in_order(executor, os._exit, [1]))
