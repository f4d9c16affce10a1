"""`aistack compare`: columns from files and repeated options, the best of each row marked."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aistack.cli.compare import variants
from aistack.errors import BadInput

AISTACK = str(Path(sys.executable).with_name("aistack"))
JOB = ["--model", "llama-3.1-8b", "--seq-len", "8192", "--global-batch", "128", "--tokens", "1T"]


def _compare(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([AISTACK, "compare", *words], capture_output=True, text=True, timeout=60)


def test_chips_side_by_side() -> None:
    words = (*JOB, "--zero", "zero3", "--recomputation", "full", "--on", "64xh100-sxm5", "--on", "64xb200-sxm")
    done = _compare(*words)
    assert done.returncode == 0 and all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "64xh100-sxm5" in done.stdout and "64xb200-sxm" in done.stdout
    answers = json.loads(_compare(*words, "--json").stdout)
    assert [each["cluster"]["chip"] for each in answers] == ["h100-sxm5", "b200-sxm"]
    steps = [each["step_seconds"] for each in answers]
    row = next(line for line in done.stdout.splitlines() if line.startswith("step  "))
    cells = re.findall(r"[\d.]+ m?s\*?", row)
    assert [cell.endswith("*") for cell in cells] == [step == min(steps) for step in steps]


def test_a_plan_that_does_not_fit_is_never_the_best() -> None:
    done = _compare(*JOB, "--on", "16xh100-sxm5", "--zero", "none", "--zero", "zero3")
    fits = next(line for line in done.stdout.splitlines() if line.startswith("fits"))
    assert done.returncode == 0 and "over" in fits and "yes" in fits
    assert "*" not in "".join(line for line in done.stdout.splitlines() if line.startswith("step  "))


def test_files_and_options_together(tmp_path: Path) -> None:
    for name, tensor in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.yaml").write_text(
            f"model: llama-3.1-8b\non: 16xh100-sxm5\nseq_len: 8192\nglobal_batch: 32\ntp: {tensor}\n"
        )
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    found = variants(files, {"on": ["32xh100-sxm5"], "zero": ["zero2", "zero3"]})
    assert [(each.tensor_parallel, each.on, each.model_dump()["zero"]) for each in found] == [
        (1, "32xh100-sxm5", "zero2"),
        (2, "32xh100-sxm5", "zero3"),
    ]
    one = variants(files[:1], {"tensor_parallel": ["1", "2", "4"]})
    assert [each.tensor_parallel for each in one] == [1, 2, 4]


def test_many_columns_go_on_below() -> None:
    done = _compare(*JOB, "--on", "64xh100-sxm5", *(word for size in (1, 2, 4, 8, 16) for word in ("--tp", str(size))))
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^step  ", done.stdout, re.MULTILINE)) == 2
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"on": ["8xh100-sxm5"]}, "nothing to compare"),
        ({"on": ["a", "b"], "tensor_parallel": ["1", "2", "4"]}, "not clear what goes with what: 2 --on, 3 --tensor"),
        ({"on": ["8xh100-sxm5", "8xb200-sxm"]}, "--seq-len and --global-batch to train, or --prompt and --output"),
        ({"seq_len": ["8", "9"]}, "--model, --on, --global-batch missing"),
        ({"prompt": ["8", "9"]}, "--model, --on, --output missing"),
        ({"prompt": ["8", "9"], "seq_len": ["8"]}, "to train: --seq-len; and these to serve: --prompt"),
    ],
)
def test_what_is_unclear_is_refused(given: dict[str, list[str]], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        variants([], given)


def test_a_wrong_column_is_named() -> None:
    done = _compare(*JOB, "--on", "8xh100-sxm5", "--tp", "1", "--tp", "two")
    assert done.returncode == 2 and "Column 2" in done.stderr and "whole number" in done.stderr


SERVED = ["--model", "llama-3.1-8b", "--prompt", "512", "--output", "64", "--ttft", "500ms", "--tpot", "50ms"]


def test_serving_plans_side_by_side() -> None:
    words = (*SERVED, "--rate", "20/s", "--on", "8xh100-sxm5", "--on", "8xl40s", "--on", "8xmi300x")
    done = _compare(*words)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert all(name in done.stdout for name in ("8xh100-sxm5", "8xl40s", "8xmi300x", "ttft 500 ms", "20 requests/s"))
    answers = json.loads(_compare(*words, "--json").stdout)
    rows = {line[:15].rstrip(): line[15:] for line in done.stdout.splitlines()}
    for row, values, best in (
        ("first token", [each["ttft"]["mean"] for each in answers], min),
        ("accelerators", [each["accelerators"] for each in answers], min),
        ("a chip's", [each["tokens_per_second_per_accelerator"] for each in answers], max),
        ("$/M tokens", [each["cost"]["usd_per_million"] for each in answers], min),
        ("energy/request", [each["cost"]["joules_per_request"] for each in answers], min),
    ):
        cells = re.findall(r"\$?[\d.,]+(?: [\wµ]+)?\*?", rows[row])
        assert len(cells) == 3, rows[row]
        assert [cell.endswith("*") for cell in cells] == [value == best(values) for value in values], row
    assert [each["bound"] for each in answers] == re.split(r"\s{2,}", rows["limited by"].strip())
    assert rows["goals missed"].split() == ["none"] * 3


def test_a_plan_that_misses_its_goals_or_does_not_fit_is_never_the_best(tmp_path: Path) -> None:
    words = ("--model", "llama-3.1-70b", "--prompt", "512", "--output", "64", "--tpot", "18ms", "--rate", "1/s",
             "--on", "8xh100-sxm5", "--tp", "1", "--tp", "4", "--tp", "8")  # fmt: skip
    done = _compare(*words, "--out", str(tmp_path / "both"))
    assert done.returncode == 0 and all(len(line) <= 80 for line in done.stdout.splitlines())
    row = {line[:15].rstrip(): line[15:] for line in done.stdout.splitlines()}
    assert row["goals missed"].split()[:3] == ["does", "not", "fit"] and row["first token"].split()[0] == "-"
    assert "What would make it fit" in " ".join(done.stdout.split())
    answers = json.loads((tmp_path / "both" / "answers.json").read_text())
    assert [each["fits"] for each in answers] == [False, True, True]
    svg = (tmp_path / "both" / "comparison.svg").read_text()
    assert "tensor parallel 4" in svg and "NaN" not in svg
    assert json.loads(_compare(*words, "--json").stdout) == answers
    small = _compare("--model", "llama-3.1-70b", "--prompt", "8", "--output", "8", "--on", "1xl40s", "--on", "1xl4")
    assert small.returncode == 3 and small.stdout == "" and small.stderr.count("does not fit") == 2


def test_pools_stand_beside_replicas_that_do_everything(tmp_path: Path) -> None:
    together, apart = (tmp_path / f"{name}.yaml" for name in ("together", "apart"))
    together.write_text("model: llama-3.1-8b\non: 4xh100-sxm5\nprompt: 2048\noutput: 256\nrate: 5/s\n")
    apart.write_text(together.read_text() + 'prefill: "tp=1 replicas=2"\ndecode: "tp=1 replicas=2"\n')
    done = _compare(str(together), str(apart))
    assert done.returncode == 0, done.stderr
    row = {line[:15].rstrip(): line[15:] for line in done.stdout.splitlines()}
    assert "2 x TP 1 and 2 x TP 1" in " ".join(done.stdout.split())
    assert "unknown" in row["memory in use"] and "unknown" not in row["first token"]


def test_what_misses_is_named() -> None:
    done = _compare(*SERVED, "--rate", "2/s", "--on", "1xh100-sxm5", "--on", "1xl4")
    row = next(line for line in done.stdout.splitlines() if line.startswith("goals missed"))
    assert row.split()[2] == "none" and "tpot" in row
    first = next(line for line in done.stdout.splitlines() if line.startswith("$/M tokens"))
    assert "*" not in first, "one that competes alone is no winner"


def test_files_to_train_and_to_serve_are_not_compared(tmp_path: Path) -> None:
    train, serve, empty = (tmp_path / f"{name}.yaml" for name in ("train", "serve", "empty"))
    train.write_text("model: llama-3.1-8b\non: 16xh100-sxm5\nseq_len: 8192\nglobal_batch: 32\n")
    serve.write_text("model: llama-3.1-8b\non: 1xh100-sxm5\nprompt: 512\noutput: 64\n")
    empty.write_text("model: llama-3.1-8b\n")
    done = _compare(str(train), str(serve), "--out", str(tmp_path / "out"))
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "out").exists()
    assert "to train" in done.stderr and "train.yaml (global_batch, seq_len)" in done.stderr
    assert "to serve" in done.stderr and "serve.yaml (output, prompt)" in done.stderr
    mixed = _compare(str(serve), "--seq-len", "8", "--on", "1xl4", "--on", "1xl40s")
    assert mixed.returncode == 2 and "--seq-len" in mixed.stderr
    assert [each.model_dump()["prompt"] for each in variants([serve], {"output": ["8", "9"]})] == [512, 512]
    assert "Say what to plan" in _compare(str(empty), str(empty)).stderr
