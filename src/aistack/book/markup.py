"""HTML of ours read tag by tag and written again as XHTML, with elements changed or left out on the way."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser

Attributes = dict[str, str]
Change = Callable[[str, Attributes], tuple[str, Attributes] | None]
"""Takes a tag and its attributes; gives them as they shall be, or None to leave out the element with all in it."""

VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})

_ATTRIBUTE = re.compile(r"""([^\s=/>"']+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]+))?""")


def rewritten(text: str, change: Change) -> str:
    """`text` with `change` applied to each of its elements, outer ones first, as well-formed XHTML."""
    writer = _Writer(change)
    writer.feed(text)
    writer.close()
    return "".join(writer.pieces)


class _Writer(HTMLParser):
    def __init__(self, change: Change) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._change = change
        self._open: list[str | None] = []
        """What each open element was written as; None for those left out."""

    @property
    def _silent(self) -> bool:
        return None in self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._start(closed=tag in VOID)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._start(closed=True)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        name = self._open.pop()
        if name is not None and not self._silent:
            self.pieces.append(f"</{name}>")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(html.escape(data, quote=False))

    def _start(self, *, closed: bool) -> None:
        # as it was written: the parser folds names to lower case, which SVG is not
        raw = (self.get_starttag_text() or "")[1:].rstrip(">").rstrip("/")
        name, _, rest = raw.partition(" ")
        found = {key: html.unescape(value.strip("\"'")) for key, value in _ATTRIBUTE.findall(rest)}
        changed = None if self._silent else self._change(name.strip(), found)
        if not closed:
            self._open.append(changed[0] if changed else None)
        if changed is None:
            return
        attributes = "".join(f' {key}="{html.escape(value, quote=True)}"' for key, value in changed[1].items())
        self.pieces.append(f"<{changed[0]}{attributes}{'/' if closed else ''}>")
