"""Pages written for tests: a file in a temporary folder, and what its module would compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aistack.book.number import Number
from aistack.book.page import Page, read

HEAD = """---
title: A page for a test
order: 7
kind: chapter
lead: Nothing is said here.
verified: 2026-11-22
---
"""

RIDGE = Number(295.2, "FLOP/B", "derived", "a test", formula="peak / bandwidth")

Write = Callable[..., Page]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a page; keywords are what its module gives: numbers, words, figures, tables, demos."""

    def page(body: str, head: str = HEAD, name: str = "a-page", **module: Mapping[str, Any]) -> Page:
        path = tmp_path / f"{name}.md"
        path.write_text(head + body, encoding="utf-8")
        monkeypatch.setattr(Page, "_of", lambda self, what, setting: module.get(what, {}))
        return read(path, "hardware")

    return page
