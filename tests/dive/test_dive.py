"""The dive for real: quick, on this machine, killed at several points and resumed to its end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from aistack.dive.run import Run, find
from aistack.drawing import LAYERS

AISTACK = [str(Path(sys.executable).with_name("aistack"))]


@dataclass(frozen=True)
class Attempt:
    status: int
    printed: str
    survivors: list[str]


def _attempt(
    arguments: list[str], runs: Path, until: Callable[[str], bool], stop: signal.Signals, limit: float = 240.0
) -> Attempt:
    """Run `aistack dive ...`; once `until(what it printed)`, send it `stop`; wait for it and its children to end."""
    log = runs / f"attempt-{len(list(runs.glob('attempt-*')))}.txt"
    with log.open("w") as handle:
        process = subprocess.Popen(
            [*AISTACK, "dive", *arguments, "--runs", str(runs)],
            stdout=handle,
            stderr=subprocess.STDOUT,
            # a shell that runs the tests in its background has them, and what they start, ignore Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + limit
        stopped = False
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                raise TimeoutError(log.read_text())
            if not stopped and until(log.read_text()):
                children = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(stop)
                stopped = True
            time.sleep(0.05)
    survivors: list[str] = []
    if stopped:
        _, alive = psutil.wait_procs(children, timeout=15)
        survivors = [str(child) for child in alive]
        for child in alive:
            child.kill()
    return Attempt(process.returncode, log.read_text(), survivors)


def _never(printed: str) -> bool:
    return False


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def finished(runs: Path) -> Run:
    """A quick dive that was killed in four stages, by hand in one, and resumed each time."""
    results: dict[str, bytes] = {}

    def in_stage(layer: str, seconds: float) -> Callable[[str], bool]:
        began: list[float] = []

        def reached(printed: str) -> bool:
            if not began and re.search(rf"^\d {layer} ", printed, re.MULTILINE):
                began.append(time.monotonic())
            return bool(began) and time.monotonic() - began[0] >= seconds

        return reached

    def checkpointed(printed: str) -> bool:
        del printed
        return any((find(None, runs).root / "training").rglob("*.safetensors"))

    def check(attempt: Attempt, status: int) -> None:
        assert attempt.status == status, attempt.printed
        assert attempt.survivors == [], attempt.printed
        run = find(None, runs)
        for path in run.root.rglob("*.json"):
            json.loads(path.read_text())
        for result in run.results():
            content = (run.root / result.layer / "result.json").read_bytes()
            assert results.setdefault(result.layer, content) == content, f"{result.layer} was run again"

    check(_attempt(["--quick"], runs, in_stage("hardware", 1.0), signal.SIGKILL), -signal.SIGKILL)
    check(_attempt(["--resume"], runs, in_stage("frameworks", 3.0), signal.SIGKILL), -signal.SIGKILL)
    assert set(results) >= {"hardware", "infrastructure"}
    check(_attempt(["--resume"], runs, checkpointed, signal.SIGKILL), -signal.SIGKILL)
    interrupted = _attempt(["--resume"], runs, in_stage("serving", 6.0), signal.SIGINT)
    check(interrupted, 130)
    assert "aistack dive --resume" in interrupted.printed
    check(_attempt(["--resume"], runs, in_stage("applications", 1.0), signal.SIGKILL), -signal.SIGKILL)
    check(_attempt(["--resume"], runs, _never, signal.SIGKILL), 0)
    return find(None, runs)


def test_the_ledger_holds_three_predicted_and_measured_quantities_a_layer(finished: Run) -> None:
    ledger = json.loads((finished.root / "ledger.json").read_text())
    assert [layer["layer"] for layer in ledger["layers"]] == list(LAYERS)
    for layer in ledger["layers"]:
        assert len(layer["entries"]) >= 3, layer
        for entry in layer["entries"]:
            assert entry["predicted"] is not None and entry["measured"] is not None and entry["how"], entry


def test_nothing_half_written_is_left(finished: Run) -> None:
    assert [path for path in finished.root.rglob("*") if "partial" in path.name or path.suffix == ".tmp"] == []


def test_the_report_stands_alone(finished: Run) -> None:
    page = (finished.root / "report.html").read_text()
    assert page.count("<section") == len(LAYERS) and page.count("<svg") > len(LAYERS)
    assert page.count('aria-label="') >= page.count("<svg")
    assert not re.search(r'(src|href)="(https?:)?//', page), "the report must not ask the network for anything"
    fixed = set(re.findall(r'(?:fill|stroke)="(?!none|transparent|var\(--|url\()([^"]+)"', page))
    assert fixed == set(), f"colours that do not follow the reader's scheme: {fixed}"
    assert "NaN" not in page and "None" not in re.sub(r"<[^>]*>", "", page)


def test_show_compare_and_list(finished: Run, runs: Path) -> None:
    def say(*arguments: str) -> str:
        done = subprocess.run(
            [*AISTACK, "dive", *arguments, "--runs", str(runs)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = say("show")
    for result in finished.results():
        for entry in result.entries:
            assert entry.quantity.split()[0] in shown
    assert json.loads(say("show", finished.name, "--json"))["run"] == finished.name
    compared = say("compare", finished.name, finished.name)
    assert compared.count("1.00") >= 3 * len(LAYERS)
    assert "finished" in say("list")


def test_a_finished_run_is_resumed_by_printing_it(finished: Run, runs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.root.rglob("result.json")}
    attempt = _attempt(["--resume"], runs, _never, signal.SIGKILL, limit=60)
    assert attempt.status == 0 and "Report:" in attempt.printed
    assert before == {path: path.stat().st_mtime_ns for path in finished.root.rglob("result.json")}


def _refused(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [*AISTACK, "dive", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--text", "no/such/folder"], "no file or folder"),
        (["--minutes", "-3"], "between 1 and"),
        (["--quick", "--minutes", "5"], "two ways"),
        (["--device", "tpu"], "no device 'tpu'"),
        (["--resume", "--minutes", "5"], "keeps the options"),
        (["--run", "x"], "--resume"),
        (["--resume"], "no runs"),
        (["show"], "no runs"),
        (["show", "nothing"], "no run named"),
        (["--port", "99999"], "from 0 (any free one) to 65535"),
    ],
)
def test_bad_requests_are_refused_with_words(arguments: list[str], words: str, tmp_path: Path) -> None:
    status, said = _refused(*arguments, environment={"AISTACK_HOME": str(tmp_path)})
    assert status == 2, said
    assert words in said and "Traceback" not in said
    assert not list(tmp_path.rglob("run.json"))


def test_what_later_stages_need_is_looked_at_first(tmp_path: Path) -> None:
    home = {"AISTACK_HOME": str(tmp_path / "home")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = _refused("--port", port, environment=home)
    assert status == 2 and f"Port {port} is in use" in said
    (tmp_path / "text").mkdir()
    status, said = _refused("--text", str(tmp_path / "text"), environment=home)
    assert status == 2 and "Nothing to read" in said
    (tmp_path / "text" / "a.txt").write_text("Too short to learn from.\n" * 100)
    status, said = _refused("--text", str(tmp_path / "text"), environment=home)
    assert status == 2 and "100,000 are needed" in said
    assert not (tmp_path / "home").exists()


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    script = (
        f"mount -t tmpfs -o size=300k tmpfs {folder} && {AISTACK[0]} dive --quick --runs {folder}; "
        f"status=$?; find {folder} -name '*.json' -exec python3 -m json.tool {{}} /dev/null ';'; "
        f"find {folder} -name '*partial*'; exit $status"
    )
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a small file system (user namespaces)")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "is full" in done.stderr and "--resume" in done.stderr
    assert "Traceback" not in done.stderr and "partial" not in done.stdout
