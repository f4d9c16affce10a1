"""`aistack simulate` as a person meets it: public traces, own files, made-up requests, and files that are none."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aistack.scenario import traces

AISTACK = str(Path(sys.executable).with_name("aistack"))
ON = ["--model", "llama-3.1-8b", "--on", "2xh100-sxm5"]


def _simulate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([AISTACK, "simulate", *ON, *words], capture_output=True, text=True, timeout=60)


def test_a_public_trace(tmp_path: Path) -> None:
    words = ("--trace", "azure-2023-conversation", "--requests", "3000", "--ttft", "1s", "--out", str(tmp_path))
    done = _simulate(*words)
    assert done.returncode == 0 and all(len(line) <= 80 for line in done.stdout.splitlines())
    for said in ("3,000 as recorded", "time to first token", "p99", "preemptions", "met all of ttft 1 s"):
        assert said in " ".join(done.stdout.split())
    assert {path.name for path in tmp_path.iterdir()} == {"answer.json", "latencies.svg", "occupancy.svg", "plan.html"}
    found = json.loads((tmp_path / "answer.json").read_text())
    recorded = traces.trace("azure-2023-conversation").requests
    assert found["requests"] == 3000 and found["scenario"]["prompt"] == round(recorded.prompt[:3000].mean())
    for seen in found["seen"].values():
        values = [seen[name] for name in ("p50", "p90", "p95", "p99", "most")]
        assert values == sorted(values)


def test_a_trace_at_another_rate_waits_longer() -> None:
    slow, fast = (
        json.loads(_simulate("--trace", "azure-2023-code", "--requests", "1500", "--rate", rate, "--json").stdout)
        for rate in ("2/s", "20/s")
    )
    assert slow["seen"]["ttft"]["mean"] < fast["seen"]["ttft"]["mean"]
    assert "at 20/s" in fast["load"] and fast["seconds"] < slow["seconds"]


def test_made_up_requests_of_a_closed_loop_keep_littles_law() -> None:
    lengths = ("--prompt", "500", "--output", "100", "--spread", "0.3", "--requests", "2000")
    done = _simulate(*lengths, "--concurrency", "16", "--replicas", "1", "--json")
    found = json.loads(done.stdout)
    # clients = rate x time in the system
    assert 2000 / found["seconds"] * found["seen"]["latency"]["mean"] == pytest.approx(16, rel=0.02)
    text = _simulate("--prompt", "500", "--output", "100", "--requests", "200").stdout
    assert re.search(r"200 at [\d.]+/s", text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("time,in,out\n1,2,3\n", "line 1: there is no column for the arrival"),
        ("arrival,prompt,output\n1,5,5\n0.5,5,5\n", "line 3: the request arrives before the one above it"),
        ("arrival,prompt,output\n-1,5,5\n", "cannot be negative"),
        ("arrival,prompt,output\n1,0,5\n", "a request has 1 token or more"),
        ("arrival,prompt,output\n", "no request"),
        ("arrival,prompt,output\n1,5\n", "2 values under 3 columns"),
    ],
)
def test_files_that_are_no_trace(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(content)
    done = _simulate("--trace", str(tmp_path / "own.csv"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""
    assert "Traceback" not in done.stderr and not (tmp_path / "out").exists()


def test_wrong_questions(tmp_path: Path) -> None:
    for words, says in (
        (("--trace", "azure"), "Nearest: azure-2023-code"),
        (("--trace", "azure-2023-code", "--prefix-cache"), "hash_ids"),
        (("--trace", "azure-2023-code", "--concurrency", "4"), "Give one of them"),
        (("--prefix-cache", "--prompt", "5", "--output", "5"), "add --trace"),
        (("--output", "5"), "--prompt missing"),
        (("--prompt", "5", "--output", "5", "--rate", "3 GB"), "rate"),
        (("--prompt", "5", "--output", "5", "--replicas", "9"), "room for"),
    ):
        done = _simulate(*words)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr, words
    one = tmp_path / "long.csv"
    one.write_text("arrival,prompt,output\n0,9000000,5\n")
    assert _simulate("--trace", str(one)).returncode == 3


def test_a_trace_says_what_caches_of_several_sizes_find() -> None:
    words = ("--trace", "mooncake-conversation", "--requests", "1500", "--precision", "fp8")
    done = _simulate(*words)
    assert done.returncode == 0 and all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "of the prompts' tokens were in the cache" in " ".join(done.stdout.split())
    assert "no limit" in done.stdout and "closed form" in done.stdout
    found = json.loads(_simulate(*words, "--json").stdout)
    exact, closed = ([each[name] for each in found["hit_ratios"]] for name in ("exact", "closed"))
    assert exact == sorted(exact) and exact[-1] > 0.2
    assert closed == pytest.approx(exact, abs=0.02)
    assert found["hit_ratios"][-1]["tokens"] is None
    # two replicas in turn find less than one cache of their size that all requests share
    assert 0 < found["cached"] < exact[2]
    without = json.loads(_simulate(*words, "--no-prefix-cache", "--json").stdout)
    assert without["cached"] == 0 and without["hit_ratios"] == []
    assert without["seen"]["ttft"]["mean"] > found["seen"]["ttft"]["mean"]


def test_answers_of_one_token_and_goals_that_are_missed() -> None:
    lengths = ("--prompt", "500", "--requests", "50", "--rate", "5/s")
    single = _simulate(*lengths, "--output", "1", "--ttft", "1ms").stdout
    assert "time per output token" not in single and "prompts of 500 tokens, answers of 1\n" in single
    assert "0.00% of the requests met all of ttft 1 ms; 95% should: missed" in " ".join(single.split())
    assert "should: met" in " ".join(_simulate(*lengths, "--output", "9", "--ttft", "9s").stdout.split())
