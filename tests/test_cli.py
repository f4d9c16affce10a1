import subprocess
import sys
from pathlib import Path

import pytest

from aistack import __version__
from aistack.cli import _each

AISTACK = str(Path(sys.executable).with_name("aistack"))


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([AISTACK, *arguments], capture_output=True, text=True, timeout=60)


def test_version_and_help() -> None:
    assert _run("--version").stdout.strip() == f"aistack {__version__}"
    helped = _run("--help")
    assert helped.returncode == 0 and "dive" in helped.stdout
    assert all(len(line) <= 80 for line in helped.stdout.splitlines())


@pytest.mark.parametrize("arguments", [["divee"], ["dive", "--no-such"], ["dive", "show", "a", "b"]])
def test_misspelt_commands_are_usage_errors(arguments: list[str]) -> None:
    done = _run(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{AISTACK} catalog list accelerators | head -1", shell=True, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr and done.stdout


def test_text_takes_several_paths() -> None:
    assert _each("--text", ["dive", "--text", "a", "b", "--quick", "c"]) == [
        "dive", "--text", "a", "--text", "b", "--quick", "c",
    ]  # fmt: skip
    assert _each("--text", ["dive", "--text", "a", "--text", "b"]) == ["dive", "--text", "a", "--text", "b"]
    assert _each("--text", ["dive", "--text"]) == ["dive", "--text"]
