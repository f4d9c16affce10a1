"""A page's text with everything filled in: from Jinja to Markdown, each line still knowing where it was written.

Numbers become marks in the Markdown, one private character on each side of their place in a list, so that prose shows
them with all they have to tell, while maths and code take their plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from aistack.book import number
from aistack.book.number import Number
from aistack.book.page import Page
from aistack.book.setting import Setting
from aistack.errors import AistackError, BadInput, nearest

OPEN, CLOSE = "\ue000", "\ue001"
"""Around the place of a number in `Text.numbers`."""
MARKED = re.compile(f"{OPEN}(\\d+){CLOSE}")

_LINE = re.compile("\ue002(\\d+)\ue003")
# lines of Jinja's own leave blank lines behind, which would end a table in the middle of its rows
_OWN_LINE = re.compile(r"^(?:[ ]*\{%[^\n]*?%\})+[ ]*$", re.MULTILINE)
_WITHIN_TABLE = re.compile("^(\\|[^\n]*\n)(?:[ ]*\ue004\ue002\\d+\ue003\n)+(?=\\|)", re.MULTILINE)
# code that is run is Python and nothing else: Jinja does not look into it
_RUN = re.compile(
    r"^(?P<fence>`{3,}|~{3,})(?P<head>\{(?:code|starter|solution|check)\}[ ]*python[ ]*\n"
    r"(?:(?!:mode: shown):[^\n]*\n)*)(?!:mode: shown)(?P<body>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Text:
    """The Markdown of a page under one setting."""

    markdown: str
    lines: tuple[int, ...]
    """The line of the page's file that each line of `markdown` was written on."""
    numbers: tuple[tuple[str, Number], ...]
    """What the marks stand for, each with the name that the page's module gives it (empty for others)."""
    computed: Mapping[str, Number]
    """All that the page's module gives, by name."""

    def plain(self, text: str) -> str:
        """`text` with numbers as plain text."""
        return MARKED.sub(lambda found: self.numbers[int(found[1])][1].plain, text)

    def tex(self, text: str) -> str:
        """`text`, a formula, with numbers as maths sets them."""
        return MARKED.sub(lambda found: self.numbers[int(found[1])][1].tex, text)


def expand(page: Page, setting: Setting) -> Text:
    """Fill in what the page's module computes for `setting`.

    Raises `BadInput` naming file, line and cause for names that are not there and text that is not Jinja.
    """
    try:
        numbers, words = page.numbers(setting), page.words(setting)
    except AistackError as error:
        raise BadInput(f"{page.at(1)}: {error}") from error
    names = {id(each): name for name, each in numbers.items()}
    used: list[tuple[str, Number]] = []

    def shown(value: Any) -> Any:
        if not isinstance(value, Number):
            return value
        used.append((names.get(id(value), ""), value))
        return f"{OPEN}{len(used) - 1}{CLOSE}"

    environment = SandboxedEnvironment(undefined=StrictUndefined, finalize=shown, keep_trailing_newline=True)
    context = {**words, **numbers, "setting": setting, "fact": number.fact, "word": number.word, "name": number.name}
    try:
        body = _OWN_LINE.sub("\\g<0>\ue004", _RUN.sub(_raw, page.body))
        filled = environment.from_string(_with_lines(environment, body, page.first_line)).render(context)
    except (TemplateError, AistackError, TypeError, ValueError, AttributeError) as error:
        line = page.first_line - 1 + _line_of(error)
        raise BadInput(f"{page.at(line)}: {_cause(error, context)}") from error
    lines, kept, here = [], [], page.first_line
    for each in _WITHIN_TABLE.sub(r"\1", filled).replace("\ue004", "").split("\n"):
        here = int(found[1]) if (found := _LINE.search(each)) else here
        lines.append(here)
        kept.append(_LINE.sub("", each))
    return Text("\n".join(kept), tuple(lines), tuple(used), numbers)


def _raw(found: re.Match[str]) -> str:
    # on the fences' own lines, so that no line moves
    head = found["head"].removesuffix("\n")
    return f"{found['fence']}{{% raw %}}{head}\n{found['body']}{{% endraw %}}{found['fence']}"


def _with_lines(environment: SandboxedEnvironment, source: str, first: int) -> str:
    """The source with the number of each line at its end, where it is text that Jinja leaves alone."""
    pieces = []
    line = first
    for _, kind, value in environment.lex(source):
        if kind == "data":
            parts = value.split("\n")
            pieces.append("".join(f"{part}\ue002{line + at}\ue003\n" for at, part in enumerate(parts[:-1])) + parts[-1])
        else:
            pieces.append(value)
        line += value.count("\n")
    return "".join(pieces)


def _line_of(error: BaseException) -> int:
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    line, frame = 1, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == "<template>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _cause(error: BaseException, names: Mapping[str, Any]) -> str:
    message = str(error)
    if found := re.match(r"'(\w+)' is undefined", message):
        near = nearest(found[1], names)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        return f"the page's module gives no {found[1]!r}.{hint}"
    return message
