"""Outputs of a chapter's code, kept in a file beside it: what was run, and what it printed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aistack.book.page import Page
from aistack.files import read_json


@dataclass(frozen=True)
class Output:
    """What a block printed."""

    text: str
    code: str
    """The SHA-256 of everything that its chapter ran up to and including it."""


def file(page: Page) -> Path:
    """Where a page's outputs are kept."""
    return page.path.with_suffix(".outputs.json")


def stored(page: Page) -> Mapping[str, Output]:
    """The outputs of a page's blocks by their names; empty where none were ever kept."""
    path = file(page)
    return _stored(path, path.stat().st_mtime_ns) if path.exists() else {}


@functools.lru_cache(maxsize=128)
def _stored(path: Path, _changed: int) -> Mapping[str, Output]:
    return {name: Output(**each) for name, each in read_json(path).items()}
