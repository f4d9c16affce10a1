"""Directives: blocks that a fence names, ```{name} argument; one module a family, each adding to `DIRECTIVES`.

A directive is a function of the draft and the block that returns HTML; what it does not take is refused by name.
"""

from __future__ import annotations

from aistack.book.directives import code, demos, exercises, figures, future, maths, prose
from aistack.book.directives.block import DIRECTIVES, render

__all__ = ["DIRECTIVES", "code", "demos", "exercises", "figures", "future", "maths", "prose", "render"]
