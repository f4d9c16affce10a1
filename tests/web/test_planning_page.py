"""The page about planning names every key and engine, the one about the live edition every route."""

import re
from pathlib import Path

from aistack import launch
from aistack.web import openapi
from aistack.web.app import create_app

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "planning.md").read_text(encoding="utf-8")


def test_every_route_is_on_the_page_and_described() -> None:
    paths = [route.path for route in create_app().routes]  # type: ignore[attr-defined]
    for path in paths:
        assert f"{path}`" in (DOCS / "live.md").read_text(encoding="utf-8"), path
    assert set(openapi.document()["paths"]) == {path for path in paths if path.startswith("/api/")}


def test_every_key_is_on_the_page() -> None:
    for names in openapi.spellings():
        for name in names:
            assert f"`{name}`" in PAGE, name


def test_every_engine_is_on_the_page() -> None:
    for engine in launch.ENGINES:
        assert re.search(rf"^\| `{engine}` \|", PAGE, re.MULTILINE), engine
