"""The book's code, run: all blocks of a chapter one after another in a process of their own, each exercise by itself.

A chapter's process is seeded, has one thread, a time limit and an empty folder to work in. What it did is remembered
in the reader's cache folder until the code, what it imports of this package, or the catalog changes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aistack import files
from aistack.book import outputs
from aistack.book.directives.block import read, share
from aistack.book.directives.exercises import parts
from aistack.book.outputs import Output
from aistack.book.page import Page
from aistack.catalog.reading import DATA
from aistack.errors import BadInput

TIME_LIMIT = 120.0
"""Seconds for all code of a chapter."""

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})(?P<info>\{(?:code|exercise)\}[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.M | re.S
)
_NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Run:
    """A block that is run."""

    name: str
    line: int
    """Of its fence in the page's file."""
    source: str
    elsewhere: str
    """Machine and date, where its output comes from elsewhere and it is not run here."""
    tolerance: float
    """By which numbers in its output may differ, relative."""

    @property
    def code(self) -> str:
        """What its source is known by."""
        return hashlib.sha256(self.source.encode()).hexdigest()


@dataclass(frozen=True)
class Exercise:
    """Code to complete."""

    name: str
    line: int
    starter: str
    solution: str
    check: str


@dataclass(frozen=True)
class Done:
    """What a chapter's code did."""

    outputs: Mapping[str, str]
    """What each block printed; those after one that failed are not there."""
    failures: Mapping[str, str]
    """What went wrong, by block or exercise."""


def runs(page: Page) -> list[Run]:
    """The blocks of a page that are run, in order. Raises `BadInput` for two of one name."""
    found: list[Run] = []
    for block, line in _blocks(page, "code"):
        if block.options.get("mode", "run") == "run":
            name, tolerance = block.options.get("name", ""), share(block, "tolerance", 0.0)
            if any(each.name == name for each in found):
                raise BadInput(f"{page.at(line)}: there is another block of code named {name!r} on this page.")
            found.append(Run(name, line, block.body, block.options.get("output-of", ""), tolerance))
    return found


def exercises(page: Page) -> list[Exercise]:
    """The exercises of a page that are code."""
    made = [(block, line, parts(block.body)) for block, line in _blocks(page, "exercise")]
    return [
        Exercise(block.argument, line, each.starter, each.solution, each.check)
        for block, line, each in made
        if each.starter
    ]


def _blocks(page: Page, name: str) -> list[Any]:
    found = []
    for fence in _FENCE.finditer(page.body):
        if fence["info"].startswith(f"{{{name}}}"):
            line = page.first_line + page.body[: fence.start()].count("\n")
            found.append((read(fence["info"].strip(), fence["body"], line), line))
    return found


def problems(page: Page) -> list[tuple[int, str]]:
    """Lines and what is wrong there: code that fails, outputs other than what was kept, exercises that do not hold."""
    kept, done = outputs.stored(page), run(page)
    found = []
    for each in runs(page):
        if each.name in done.failures:
            found.append((each.line, f"the code {each.name!r} fails: {done.failures[each.name]}"))
        elif each.name not in kept:
            found.append((each.line, f"no output of the code {each.name!r} is kept: aistack book check --update"))
        elif each.elsewhere:
            if kept[each.name].code != each.code:
                found.append((each.line, f"the code {each.name!r} changed since it was run on {each.elsewhere}"))
        elif not alike(done.outputs.get(each.name, ""), kept[each.name].text, each.tolerance):
            found.append((each.line, f"the output of the code {each.name!r} is stale: aistack book check --update"))
    found += [
        (each.line, f"the exercise {each.name!r}: {done.failures[each.name]}")
        for each in exercises(page)
        if each.name in done.failures
    ]
    known = {each.name for each in runs(page)}
    found += [
        (1, f"{outputs.file(page).name} keeps an output of {name!r}, which is gone") for name in kept.keys() - known
    ]
    return found


def update(page: Page, here: str = "") -> bool:
    """Keep what the page's code prints now; True where something changed. Raises `BadInput` where code fails.

    Where this machine and day are the ones that blocks name as theirs (`here`), those are run and kept too.
    """
    before, done = outputs.stored(page), run(page, here)
    now: dict[str, Output] = {}
    for each in runs(page):
        if each.name in done.failures:
            raise BadInput(f"{page.at(each.line)}: the code {each.name!r} fails: {done.failures[each.name]}")
        old = before.get(each.name)
        if each.elsewhere not in ("", here):
            if old is not None:
                now[each.name] = old
            continue
        text = done.outputs[each.name]
        # what is within the tolerance stays, so that files change only where something did
        same = old is not None and alike(text, old.text, each.tolerance)
        now[each.name] = Output(old.text if same and old else text, each.code)
    if now == dict(before):
        return False
    files.write_json(outputs.file(page), {name: asdict(each) for name, each in now.items()})
    return True


def alike(one: str, other: str, tolerance: float) -> bool:
    """Whether two outputs are the same, their numbers within a relative tolerance."""
    if one == other or not tolerance:
        return one == other
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    values = ((float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)
    return all(abs(a - b) <= tolerance * max(abs(a), abs(b)) for a, b in values)


def run(page: Page, here: str = "") -> Done:
    """What the page's code does, from memory where nothing that it depends on has changed; `here` as in `update`."""
    blocks = [{"name": each.name, "source": each.source} for each in runs(page) if each.elsewhere in ("", here)]
    tasks = [asdict(each) for each in exercises(page)]
    if not blocks and not tasks:
        return Done({}, {})
    memory = _memory() / f"{page.id.replace('/', '-')}.json"
    if memory.exists():
        known = files.read_json(memory)
        if known["key"] == _key(blocks, tasks, known["modules"]):
            return Done(known["outputs"], known["failures"])
    result = _run(blocks, tasks)
    done = Done(result["outputs"], result["failures"])
    files.write_json(
        memory, {**asdict(done), "modules": result["modules"], "key": _key(blocks, tasks, result["modules"])}
    )
    return done


def _run(blocks: list[dict[str, str]], tasks: list[dict[str, Any]]) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "MPLBACKEND": "agg", "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory(prefix="aistack-book-") as folder:
        try:
            process = subprocess.run(
                [sys.executable, "-P", str(Path(__file__).with_name("run_code.py"))],
                input=json.dumps({"blocks": blocks, "exercises": tasks}),
                capture_output=True,
                text=True,
                cwd=folder,
                env=environment,
                timeout=TIME_LIMIT,
            )
        except subprocess.TimeoutExpired:
            names = [each["name"] for each in (*blocks, *tasks)]
            late = f"the chapter's code took longer than {TIME_LIMIT:.0f} s"
            return {"outputs": {}, "failures": dict.fromkeys(names, late), "modules": []}
    if process.returncode:
        names = [each["name"] for each in (*blocks, *tasks)]
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        return {"outputs": {}, "failures": dict.fromkeys(names, f"its process ended: {last}"), "modules": []}
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def _key(blocks: list[dict[str, str]], tasks: list[dict[str, Any]], modules: list[str]) -> str:
    """All that the outcome depends on, as one word; `modules` are files of this package that the code imported."""
    known = hashlib.sha256(json.dumps([sys.version, platform.node(), blocks, tasks, _catalog()]).encode())
    for name in modules:
        path = Path(name)
        known.update(path.read_bytes() if path.exists() else b"gone")
    return known.hexdigest()


@functools.cache
def _catalog() -> str:
    known = hashlib.sha256()
    for path in sorted(each for each in DATA.rglob("*") if each.is_file()):
        known.update(path.read_bytes())
    return known.hexdigest()


def _memory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aistack/book"
