"""`aistack book`, run as people run it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aistack.book import check, epub, pdf, site
from aistack.cli import app
from aistack.errors import BadInput, UnknownName


def _run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["book", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_build_writes_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(pdf, "find_browser", lambda: "chromium")
    monkeypatch.setattr(site, "build", lambda out, setting: made.append((out.name, setting.model)) or ("index.html",))
    monkeypatch.setattr(pdf, "write", lambda path, setting: made.append((path.name, setting.model)))
    monkeypatch.setattr(epub, "write", lambda path, setting: made.append((path.name, setting.model)))
    code, said = _run("build", "--out", str(tmp_path / "site"), "--scenario", "preset=serve-70b&count=16")
    assert code == 0 and "1 files of the site" in said
    assert [name for name, _ in made] == ["site", "aistack.pdf", "aistack.epub"]
    assert {model for _, model in made} == {"llama-3.3-70b"}
    made.clear()
    _run("build", "--out", str(tmp_path / "site"), "--no-pdf", "--no-epub")
    assert [name for name, _ in made] == ["site"]


def test_build_refuses_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(pdf.NoBrowser):
        _run("build", "--out", str(tmp_path / "site"))
    with pytest.raises(UnknownName):
        _run("build", "--out", str(tmp_path / "site"), "--scenario", "model=llama-99")
    with pytest.raises(BadInput):
        _run("build", "--out", str(tmp_path / "site"), "--scenario", "colour=red")
    assert not (tmp_path / "site").exists()


def test_check_prints_each_problem_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [check.Problem("parts/hardware/a.md:3", "something")]
    monkeypatch.setattr(check, "problems", lambda *_, **__: wrong)
    with pytest.raises(BadInput, match="The book has 1 problem"):
        _run("check", "--no-run")
    monkeypatch.setattr(check, "problems", lambda *_, **__: [])
    code, said = _run("check", "--no-run")
    assert code == 0 and "no problems" in said


def test_check_looks_at_one_page_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(check, "problems", lambda only="", **_: asked.append(only) or [])
    assert _run("check", "hardware/why-special-hardware", "--no-run") == (0, "1 page, no problems.\n")
    assert asked == ["hardware/why-special-hardware"]
    with pytest.raises(UnknownName):
        _run("check", "hardware/why-special-hardwar", "--no-run")
