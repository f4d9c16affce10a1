"""What all directives share: how a fence is read, and the list of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from aistack.book.draft import Draft
from aistack.errors import BadInput, UnknownName, nearest

_INFO = re.compile(r"\{([\w-]+)\}[ ]*(.*)")
_OPTION = re.compile(r":([\w-]+):[ ]*(.*)")


@dataclass(frozen=True)
class Block:
    """One fence."""

    name: str
    argument: str
    options: dict[str, str]
    body: str
    line: int
    """Of the fence, in the page's Markdown, from 0."""
    body_line: int


@dataclass(frozen=True)
class _Directive:
    render: Callable[[Draft, Block], str]
    options: tuple[str, ...]
    argument: bool
    body: bool


DIRECTIVES: dict[str, _Directive] = {}
"""By name."""


def directive(
    name: str, *options: str, argument: bool = False, body: bool = False
) -> Callable[[Callable[[Draft, Block], str]], Callable[[Draft, Block], str]]:
    """Add a directive that takes these options; `argument` and `body` say whether it must have them."""

    def add(function: Callable[[Draft, Block], str]) -> Callable[[Draft, Block], str]:
        DIRECTIVES[name] = _Directive(function, options, argument, body)
        return function

    return add


def read(info: str, content: str, line: int) -> Block:
    """A fence as a block. Raises `BadInput` for what is not `{name} argument`."""
    found = _INFO.fullmatch(info)
    if found is None:
        raise BadInput(f"{info!r} is no directive; write {{name}} and its argument")
    lines = content.split("\n")
    options = {}
    while lines and (option := _OPTION.fullmatch(lines[0].rstrip())):
        options[option[1]] = option[2].strip()
        lines.pop(0)
    at = line + 1 + len(options)
    return Block(found[1], found[2].strip(), options, "\n".join(lines), line, at)


def render(draft: Draft, info: str, content: str, line: int) -> str:
    """HTML of a fence. Raises `BadInput` for a directive, option, argument or body that is not as it should be."""
    block = read(info, content, line)
    if block.name not in DIRECTIVES:
        raise UnknownName("directive", block.name, DIRECTIVES)
    known = DIRECTIVES[block.name]
    for option in block.options:
        if option not in known.options:
            near = nearest(option, known.options) or known.options
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise BadInput(f"{{{block.name}}} has no option {option!r}{hint}")
    if known.argument and not block.argument:
        raise BadInput(f"{{{block.name}}} needs a name after it")
    if known.body and not block.body.strip():
        raise BadInput(f"{{{block.name}}} is empty")
    return known.render(draft, block)


def need(block: Block, option: str) -> str:
    """The value of an option that must be there."""
    if not block.options.get(option):
        raise BadInput(f"{{{block.name}}} {block.argument} needs :{option}:")
    return block.options[option]


def share(block: Block, option: str, default: float) -> float:
    """An option that is a share, such as a tolerance of 0.02."""
    text = block.options.get(option, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise BadInput(f":{option}: {text} of {{{block.name}}} is no share such as 0.02")
    return value
