"""The book: pages whose every number is computed, rendered for the reader's own scenario.

    >>> from aistack.book import Setting, pages, render
    >>> rendered = render("hardware/why-special-hardware", Setting())

A page is Markdown with MyST's roles and directives, passed through Jinja first; its module beside it computes what it
says. docs/book.md is its author's guide. The names below are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aistack.book.demo import Control, Demo, Shown
    from aistack.book.number import Number, fact
    from aistack.book.page import Page, pages
    from aistack.book.render import Rendered, render
    from aistack.book.setting import PRESETS, Setting
    from aistack.book.table import Table

_HOMES = {
    "Control": "demo",
    "Demo": "demo",
    "Number": "number",
    "PRESETS": "setting",
    "Page": "page",
    "Rendered": "render",
    "Setting": "setting",
    "Shown": "demo",
    "Table": "table",
    "fact": "number",
    "pages": "page",
    "render": "render",
}

__all__ = [
    "PRESETS",
    "Control",
    "Demo",
    "Number",
    "Page",
    "Rendered",
    "Setting",
    "Shown",
    "Table",
    "fact",
    "pages",
    "render",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    # bound here, so that the function `render` does not give way to the module of its name
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
