"""What the documents promise holds: links lead somewhere, pages are current, examples run and print what they show."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aistack.cli import app

REPOSITORY = Path(__file__).parent.parent
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])
BIN = Path(sys.executable).parent


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_examples_work(page: Path) -> None:
    """Each `$ aistack ...` line of a console block is run as it stands."""
    for block in _blocks(page, "console"):
        for line in block.splitlines():
            if line.startswith("$ aistack "):
                done = subprocess.run(
                    [str(BIN / "aistack"), *shlex.split(line[len("$ aistack ") :])],
                    capture_output=True, text=True, timeout=60, cwd=REPOSITORY,
                )  # fmt: skip
                assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_print_what_they_show(page: Path) -> None:
    """Each Python block is run; a text block right after it is its output."""
    source = page.read_text(encoding="utf-8")
    for block, _, output in re.findall(
        r"^```python\n(.*?)^```\n(\n```text\n(.*?)^```)?", source, re.MULTILINE | re.DOTALL
    ):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, timeout=120,
            cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == output.strip(), f"{page.name}:\n{block}"


def test_the_page_of_commands_is_current() -> None:
    path = REPOSITORY / "docs" / "make_commands.py"
    specification = importlib.util.spec_from_file_location("make_commands", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run: python docs/make_commands.py"
    assert len(module.commands(app)) > 5


def test_every_route_is_on_the_page_of_the_server() -> None:
    from aistack.serving.lab.app import create_app

    page = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
    application = create_app(worker=None, prompts=None, name="model", ready=lambda: None)  # type: ignore[arg-type]
    paths = [route.path for route in application.routes]  # type: ignore[attr-defined]
    assert len(paths) >= 6
    for path in paths:
        assert path.partition("{")[0].rstrip("/") in page, path


def test_every_public_name_of_the_catalog_is_on_its_page() -> None:
    from aistack import catalog

    page = (REPOSITORY / "docs" / "catalog.md").read_text(encoding="utf-8")
    for name in catalog.__all__:
        if name.islower():
            assert re.search(rf"\b{name}\b", page), name


def test_every_dependency_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = re.findall(r"^([\w.-]+)==\S+$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in pinned}
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    for requirement in wanted:
        name = re.split(r"[<>=~!\[; ]", requirement)[0]
        assert name == "aistack" or re.sub(r"[-_.]+", "-", name).lower() in names, requirement
