"""A new chapter: the text and the module that an author begins from."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from aistack.book.page import PARTS, pages
from aistack.drawing import LAYERS
from aistack.errors import BadInput, UnknownName
from aistack.files import write_text

_TEXT = """---
title: {title}
order: {order}
kind: chapter
lead: {title}
verified: {today}
---

:::{{takeaways}}
- One thing to keep: the {{{{ chip }}}} reads {{{{ memory }}}} from its memory.
:::

## {title}

The {{{{ chip }}}} reads {{{{ memory }}}}.
"""

_MODULE = '''"""What "{title}" computes."""

from __future__ import annotations

from aistack.book.number import Number, fact
from aistack.book.setting import Setting


def numbers(setting: Setting) -> dict[str, Number]:
    """For the setting's chip."""
    return {{"memory": fact(setting.accelerator, "memory_bandwidth")}}


def words(setting: Setting) -> dict[str, object]:
    """The chip's name."""
    return {{"chip": setting.facts.name}}
'''


def begin(page_id: str, title: str, today: datetime.date | None = None) -> tuple[Path, ...]:
    """Write the two files of a chapter that comes after the last of its part; their paths.

    Raises `BadInput` for an id that is not `layer/words-with-hyphens`, and where something of that name is there.
    """
    layer, _, name = page_id.partition("/")
    if layer not in LAYERS:
        raise UnknownName("part", layer, LAYERS)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or name == "index":
        raise BadInput(f"{page_id!r} is no id of a chapter; write it like hardware/memory-hierarchy.")
    if not title.strip() or re.search(r"[:#\n\"'{}]", title):
        raise BadInput("A title is one line without quotes, colons, braces and '#'.")
    text = PARTS / layer / f"{name}.md"
    module = text.with_name(f"{name.replace('-', '_')}.py")
    if taken := [path for path in (text, module) if path.exists()]:
        raise BadInput(f"{taken[0]} is there already.")
    orders = [page.front.order for page in pages().values() if page.layer == layer and page.front.kind == "chapter"]
    values = {"title": title.strip(), "order": max(orders, default=0) + 1, "today": today or datetime.date.today()}
    write_text(text, _TEXT.format(**values))
    write_text(module, _MODULE.format(**values))
    pages.cache_clear()
    return text, module
