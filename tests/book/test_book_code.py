"""The book's code: run in its own process, its output kept and compared, exercises held to their word."""

import json
from pathlib import Path

import pytest
from writing import Write

from aistack.book import code, outputs
from aistack.book.render import compose
from aistack.book.setting import Setting
from aistack.errors import BadInput


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _block(name: str, source: str, *options: str) -> str:
    return "\n".join(["```{code} python", f":name: {name}", *options, source, "```", "", ""])


def test_blocks_share_a_process_and_their_output_is_kept(write: Write) -> None:
    page = write(
        _block("first", "x = {'a': {'b': 2}}\nprint(x)") + "Text.\n\n" + _block("second", "print(x['a']['b'] + 1)")
    )
    assert [what for _, what in code.problems(page)] == [
        "no output of the code 'first' is kept: aistack book check --update",
        "no output of the code 'second' is kept: aistack book check --update",
    ]
    assert code.update(page)
    assert not code.problems(page)
    assert {name: each.text for name, each in outputs.stored(page).items()} == {
        "first": "{'a': {'b': 2}}\n",
        "second": "3\n",
    }
    assert not code.update(page)
    assert "{&#x27;a&#x27;: {&#x27;b&#x27;: 2}}" in compose(page, Setting())[1]


def test_the_process_is_seeded_alone_and_somewhere_else(write: Write, tmp_path: Path) -> None:
    source = (
        "import os, random, numpy as np\nprint(random.random(), np.random.rand())\n"
        "print(os.environ['OMP_NUM_THREADS'], os.listdir('.'))\nopen('file', 'w').close()"
    )
    first = code.run(write(_block("a", source), name="one")).outputs["a"]
    assert first == code.run(write(_block("a", source), name="two")).outputs["a"]
    assert first.splitlines()[1] == "1 []"
    assert not [*Path.cwd().glob("file")]


def test_what_changed_is_named(write: Write) -> None:
    page = write(_block("a", "print('one')"))
    code.update(page)
    page = write("\n\n" + _block("a", "print('two')"))
    assert code.problems(page) == [(10, "the output of the code 'a' is stale: aistack book check --update")]
    page = write("No code.\n")
    assert code.problems(page) == [(1, "a-page.outputs.json keeps an output of 'a', which is gone")]


def test_failing_code_is_named_with_its_line(write: Write) -> None:
    page = write(_block("a", "x = 1\n\nprint(1 / 0)") + _block("b", "print(2)"))
    assert [what for _, what in code.problems(page)] == [
        "the code 'a' fails: ZeroDivisionError: division by zero (line 3 of the block)",
        "the code 'b' fails: a block before it fails",
    ]
    with pytest.raises(BadInput, match=r"a-page\.md:8: the code 'a' fails"):
        code.update(page)
    assert not outputs.file(page).exists()


@pytest.mark.parametrize(
    "source", ["import os\nos._exit(3)", "raise SystemExit", "import sys\nsys.stdout = None\nprint(1)"]
)
def test_code_that_ends_its_process_is_a_failure_or_prints_nothing(write: Write, source: str) -> None:
    done = code.run(write(_block("a", source)))
    assert "a" in done.failures or done.outputs["a"] == ""


def test_time_is_limited(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "TIME_LIMIT", 1.0)
    done = code.run(write(_block("a", "while True: pass")))
    assert "longer than 1 s" in done.failures["a"]


def test_what_was_run_is_remembered_until_something_changes(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write(_block("a", "from aistack import units\nprint(units.text(1e9, 'B'))"))
    first = code.run(page)
    ran: list[int] = []
    real = code._run
    monkeypatch.setattr(code, "_run", lambda *given: ran.append(1) or real(*given))
    assert code.run(page) == first and not ran
    (memory,) = code._memory().glob("*.json")
    known = json.loads(memory.read_text())
    assert any(path.endswith("aistack/units.py") for path in known["modules"])
    # another text of an imported module is another key
    memory.write_text(json.dumps({**known, "modules": known["modules"][1:]}))
    assert code.run(page) == first and ran == [1]
    monkeypatch.setattr(code, "_catalog", lambda: "another catalog")
    assert code.run(page) == first and ran == [1, 1]


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "same"),
    [
        ("3.10 s for 1,000", "3.15 s for 1,001", 0.05, True),
        ("3.10 s", "3.15 s", 0.01, False),
        ("3.10 s", "3.10 ms", 0.5, False),
        ("3 s", "3 s, 4 s", 0.5, False),
        ("-1e-3", "-1.01e-3", 0.02, True),
        ("a", "a", 0.0, True),
        ("1", "1.0", 0.0, False),
    ],
)
def test_tolerance_is_for_numbers_alone(one: str, other: str, tolerance: float, same: bool) -> None:
    assert code.alike(one, other, tolerance) is same


def test_code_from_elsewhere_is_not_run(write: Write) -> None:
    page = write(_block("a", "import no_such_module", ":output-of: NVIDIA H200, 2026-11-20"))
    (one,) = code.runs(page)
    outputs.file(page).write_text(json.dumps({"a": {"text": "fast\n", "code": one.code}}))
    assert not code.problems(page)
    assert "Output of NVIDIA H200, 2026-11-20" in compose(page, Setting())[1]
    page = write(_block("a", "import another_module", ":output-of: NVIDIA H200, 2026-11-20"))
    assert [what for _, what in code.problems(page)] == [
        "the code 'a' changed since it was run on NVIDIA H200, 2026-11-20"
    ]


def test_code_from_elsewhere_is_run_where_it_says(write: Write) -> None:
    page = write(_block("a", "x = 1") + _block("b", "print(x)", ":output-of: this machine, today"))
    code.update(page)
    assert [what for _, what in code.problems(page)] == [
        "no output of the code 'b' is kept: aistack book check --update"
    ]
    code.update(page, here="this machine, today")
    assert outputs.stored(page)["b"].text == "1\n"
    assert not code.problems(page)
    # and stays when the page is updated somewhere else
    assert not code.update(page)


def _exercise(starter: str, solution: str, check: str) -> str:
    pieces = [f"```{{{name}}} python\n{source}\n```" for name, source in
              (("starter", starter), ("solution", solution), ("check", check))]  # fmt: skip
    return "\n\n".join([":::{exercise} e\n:title: t\nDo it.", *pieces, ":::\n"])


@pytest.mark.parametrize(
    ("starter", "solution", "check", "wrong"),
    [
        ("def f(): ...", "def f(): return {1: {2}}[1].pop() - 1", "assert f() == 1", None),
        ("def f(): return 1", "def f(): return 1", "assert f() == 1", "the starter passes"),
        ("def f(): ...", "def f(): return 2", "assert f() == 1", "the solution fails its check: AssertionError"),
        ("def f(): ...", "def g(): return 1", "assert f() == 1", "NameError"),
    ],
)
def test_a_starter_fails_and_a_solution_passes(
    write: Write, starter: str, solution: str, check: str, wrong: str | None
) -> None:
    found = code.problems(write(_exercise(starter, solution, check)))
    if wrong is None:
        assert not found
    else:
        assert wrong in found[0][1]
