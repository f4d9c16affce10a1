import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from fake_endpoint import FakeServer
from rich.console import Console
from typer.testing import CliRunner

from aistack.applications.lab import documents, encoder
from aistack.cli.ask import ask
from aistack.dive import run as runs
from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.dive.run import Result
from aistack.dive.stage import Context
from aistack.dive.stages import applications as stage
from aistack.errors import BadInput
from aistack.hardware.machine import Cache, Machine, MatmulRate

RATE = MatmulRate(1e11, 1e11, 1e11)
MACHINE = Machine("m", "cpu", 2, 8e9, {"float32": RATE, "bfloat16": RATE}, 1e10, 1e-5, (Cache("L2", 1e6, 1e11),))


def _write_documents(root: Path, texts: list[str]) -> None:
    (root / "frameworks").mkdir(parents=True, exist_ok=True)
    with (root / "frameworks" / "documents.jsonl").open("w", encoding="utf-8") as out:
        for number, text in enumerate(texts):
            split = "train" if number % 3 else "validation"
            out.write(
                json.dumps(
                    {"id": f"d{number}", "text": text, "source": f"docs: {number}.md", "licence": "MIT", "split": split}
                )
                + "\n"
            )


def _context(run: runs.Run, **options: Any) -> Context:
    earlier = {
        "hardware": {"machine": MACHINE.to_json()},
        "frameworks": {"documents": "frameworks/documents.jsonl", "tokenizer": "frameworks/tokenizer"},
        "serving": {
            "model": "serving/nothing",
            "time_to_first_token": 0.1,
            "time_per_output_token": 0.01,
            "throughput": 100.0,
        },
    }
    return Context(
        "applications", run.root, Options(minutes=0.2, **options), "cpu", Ledger("applications"),
        Progress(Console(quiet=True)), earlier,
        seconds={"hardware": 5.0, "training": 40.0}, cpu_seconds={"hardware": 8.0, "training": 70.0},
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> runs.Run:
    return runs.create(Options(minutes=0.2), "cpu", {}, tmp_path / "runs")


def test_the_stage_on_prose_with_an_endpoint(
    run: runs.Run, prose_of: Callable[[int, int], str], server: FakeServer, tmp_path: Path
) -> None:
    _write_documents(run.root, [prose_of(number, 40) for number in range(60)])
    context = _context(run, endpoint=server.url)
    outputs = json.loads(json.dumps(stage.run(context), allow_nan=False))
    entries = {entry.quantity: entry for entry in context.ledger.entries}
    assert len(entries) >= 5 and all(entry.measured is not None for entry in entries.values())
    size = entries["Index size"]
    assert 0.7 < size.measured / size.predicted < 1.4  # type: ignore[operator]
    recall = entries["Recall@5 by words, all passages"]
    assert recall.low is not None and recall.high is not None and 0 <= recall.measured <= 1  # type: ignore[operator]
    assert outputs["questions_held_back"] == outputs["questions"] == 60
    if encoder.available():
        assert outputs["vectors"] >= 32
    for each in outputs["answers"]:
        assert {quote["citation"] for quote in each["quotes"]} <= {passage["citation"] for passage in each["passages"]}
        assert each["generated"]["text"] == server.text
    assert not list(run.root.glob("**/trial*"))
    layers = {each["layer"]: each for each in outputs["energy"]["layers"]}
    assert layers["training"]["joules"] == pytest.approx(70 * 3.7)
    assert set(layers) == {"hardware", "training", "applications"}
    total = sum(each["joules"] for each in layers.values())
    # world average 475 g/kWh and PUE 1.54, as the catalog has them
    assert outputs["energy"]["footprint"]["carbon"] == pytest.approx(total * 1.54 * 0.475 / 3.6e6, rel=1e-3)
    for number, figure in enumerate(stage.figures(outputs)):
        figure.save(tmp_path / f"{number}.svg")
        assert figure.table and "<svg" in figure.svg

    run.finish(Result("applications", context.ledger.entries, outputs, 1.0, 1.0, None))
    _ask_the_run(run, server)


def _ask_the_run(run: runs.Run, server: FakeServer) -> None:
    app = typer.Typer()
    app.command()(ask)
    invoke = CliRunner().invoke
    found = json.loads((run.root / "frameworks/documents.jsonl").read_text().splitlines()[0])
    words = " ".join(found["text"].split()[:8])
    plain = invoke(app, [words, "--run", str(run.root)])
    assert plain.exit_code == 0 and "docs: 0.md (MIT)" in plain.stdout and "[1]" in plain.stdout
    assert max(map(len, plain.stdout.splitlines())) <= 80
    answered = invoke(app, [words, "--runs", str(run.root.parent), "--endpoint", server.url, "--json"])
    assert answered.exit_code == 0
    answer = json.loads(answered.stdout)
    assert answer["generated"]["model"] == "tiny" and answer["passages"][0]["citation"] == 1
    told = invoke(app, [words, "--run", str(run.root), "--endpoint", server.url])
    assert "tiny wrote" in told.stdout and "the passages are the" in told.stdout
    down = invoke(app, [words, "--run", str(run.root), "--endpoint", "http://127.0.0.1:9"])
    assert down.exit_code == 0 and "No generated answer" in down.stdout and "[1]" in down.stdout
    assert isinstance(invoke(app, ["  ", "--run", str(run.root)]).exception, BadInput)
    assert isinstance(invoke(app, [words, "--run", str(run.root), "--model", "x"]).exception, BadInput)
    (run.root / "applications" / "index.sqlite").write_bytes(b"broken")
    broken = invoke(app, [words, "--run", str(run.root)])
    assert isinstance(broken.exception, BadInput) and "damaged" in str(broken.exception)


def test_a_run_without_its_last_stage_cannot_be_asked(run: runs.Run) -> None:
    app = typer.Typer()
    app.command()(ask)
    refused = CliRunner().invoke(app, ["why?", "--run", str(run.root)])
    assert isinstance(refused.exception, BadInput) and "--resume" in str(refused.exception)


def test_a_text_with_nothing_to_ask_still_has_an_assistant(run: runs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither questions, nor vectors, nor a model: the index is built, and what was predicted is measured."""
    monkeypatch.setattr(encoder, "available", lambda: False)
    _write_documents(run.root, ["The same words again. " * 30] * 4)
    context = _context(run)
    outputs = stage.run(context)
    assert outputs["curves"] == [] and outputs["modes"] == [] and outputs["vectors"] == 0
    assert len(context.ledger.entries) >= 3 and all(each.measured is not None for each in context.ledger.entries)
    assert outputs["generation_problem"] and outputs["answers"]
    assert len(stage.figures(outputs)) == 1


def test_documents_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl"
    good = {"id": "a", "text": "t", "source": "s", "licence": "MIT", "split": "validation"}
    path.write_text(json.dumps(good) + "\n")
    (document,), held_back = documents.read(path)
    assert document.source == "s" and held_back == {"a"}
    for broken in ("{", "[]", json.dumps({"id": "a"}), json.dumps(good)[:-9]):
        path.write_text(json.dumps(good) + "\n" + broken + "\n")
        with pytest.raises(BadInput, match="Line 2"):
            documents.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        documents.read(path)
    path.write_text("")
    with pytest.raises(BadInput, match="no documents"):
        documents.read(path)
    with pytest.raises(BadInput, match="cannot be read"):
        documents.read(tmp_path / "none")


def test_the_book_is_the_projects_own_pages() -> None:
    pages = {page.source: page for page in documents.book()}
    assert "book: README.md" in pages
    assert all(page.licence == "Apache-2.0" or page.source.startswith("book: book/") for page in pages.values())


def test_the_book_in_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a checkout around it, the package's own `book/` is read."""
    package = tmp_path / "site-packages" / "aistack"
    (package / "book" / "1-hardware").mkdir(parents=True)
    (package / "book" / "1-hardware" / "roofline.md").write_text(
        "# What bounds a kernel?\n\nEither side of the roof.\n"
    )
    monkeypatch.setattr(documents, "_PACKAGE", package)
    pages = documents.book()
    assert pages[0].licence == "CC-BY-4.0" and "roof" in pages[0].text
    assert pages[0].source == "book: book/1-hardware/roofline.md"
