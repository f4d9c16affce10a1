"""Bare numbers: a number with a unit that somebody typed, where the book wants one with a source.

What a page says is looked at as it was written, every branch of it, so that no scenario hides a number. Left alone are
code, maths, quotations that cite, a research highlight's finding (its key is the citation), and formats' names (8-bit).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it.token import Token

from aistack.book.directives.block import read
from aistack.book.directives.exercises import parts
from aistack.book.page import Page
from aistack.book.source import CLOSE, OPEN
from aistack.errors import BadInput

_UNITS = (
    "%|percent|per cent"
    "|[kKMGTPEZ]?i?B(?:/s)?|(?:kilo|mega|giga|tera|peta|exa)?bytes?|[kKMGT]?bits?(?:/s)?|[KMGT]b(?:/s|ps)"
    "|[kMGTPEZ]?(?:FLOPs?|FLOPS|OPs?|OPS)(?:/\\w+)?"
    "|[mµunp]?s|min|h|(?:milli|micro|nano|pico)?seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?"
    "|[kMGT]?Hz|[mkMGT]?Wh?|[kMGT]?watts?|[fpnµumkMG]?J|joules?|[mµk]?V|volts?|[mµk]?A"
    "|[pnµumck]?m(?:m?[²2])?|[mµk]?g|kg|tonnes?|t(?:CO2e?)|°C|kelvin|L|litres?"
    "|USD|dollars?|euros?|cents?|tokens?|parameters?|requests?|thousand|million|billion|trillion|fold"
    "|×|x(?!\\s?\\d)|times"
)
_NUMBER = r"\d[\d,.]*(?:e[+-]?\d+)?"
_MONEY = rf"(?:\$|€)\s?{_NUMBER}(?:\s?(?:thousand|million|billion|trillion))?"
_BARE = re.compile(rf"(?<![\w.-])(?:{_MONEY}|{_NUMBER}[ \u00a0-]?(?:{_UNITS})(?![\w²]))")
_BITS = re.compile(r"\d+-bits?")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)

_PROSE = ("admonition", "takeaways", "research", "exercise")
"""Directives whose body is Markdown."""


def bare_numbers(page: Page) -> Iterator[tuple[int, str]]:
    """Line and text of each bare number of a page."""
    front = page.front
    planned = [text for each in front.planned for text in (each.title, each.answers)]
    for text in (front.title, front.lead, *planned):
        yield from ((1, found) for found in _in_text(text))
    yield from in_markdown(page.body, page.first_line)


def in_markdown(source: str, first_line: int = 1) -> Iterator[tuple[int, str]]:
    """Line and text of each bare number of Markdown with Jinja in it."""
    # what Jinja will put in is no bare number, and its lines stay where they are
    filled = _JINJA.sub(
        lambda found: (f"{OPEN}0{CLOSE}" if found[0][1] == "{" else "") + "\n" * found[0].count("\n"), source
    )
    yield from _walk(filled, first_line)


def _walk(markdown: str, first_line: int) -> Iterator[tuple[int, str]]:
    from aistack.book.markdown import parser

    tokens = parser().parse(markdown, {})
    quoting = 0
    for at, token in enumerate(tokens):
        if token.type == "blockquote_open":
            quoting += quoting or _cites(tokens[at:])
        elif token.type == "blockquote_close":
            quoting = max(0, quoting - 1)
        elif token.type == "inline" and not quoting and token.map:
            yield from _inline(token, first_line + token.map[0])
        elif token.type in ("fence", "colon_fence") and token.info.strip().startswith("{") and token.map:
            yield from _directive(token, first_line + token.map[0])


def _inline(token: Token, line: int) -> Iterator[tuple[int, str]]:
    text = ""
    for child in token.children or ():
        # neighbours are looked at together: a number may stand in bold and its unit not
        text += child.content if child.type == "text" else "\n" if child.type.endswith("break") else ""
        if child.type in ("code_inline", "math_inline", "myst_role", "number"):
            text += OPEN
    for at, each in enumerate(text.split("\n")):
        yield from ((line + at, found) for found in _in_text(each))


def _directive(token: Token, line: int) -> Iterator[tuple[int, str]]:
    try:
        block = read(token.info.strip(), token.content, line)
        if title := block.options.get("title"):
            yield from ((line, found) for found in _in_text(title))
        if block.name in _PROSE:
            made = parts(block.body) if block.name == "exercise" else None
            yield from _walk(made.task if made else block.body, block.body_line)
            if made and not made.starter:
                before = block.body[: block.body.index("{solution}")].count("\n")
                yield from _walk(made.solution, block.body_line + before + 1)
    except BadInput:
        # rendering says what is wrong with it
        return


def _in_text(text: str) -> list[str]:
    return [found[0].strip() for found in _BARE.finditer(_BITS.sub("", text))]


def _cites(tokens: Sequence[Token]) -> bool:
    """Whether the blockquote that begins here has a citation."""
    for token in tokens:
        if token.type == "blockquote_close" and token.level == tokens[0].level:
            return False
        if any(child.type == "myst_role" and child.meta["name"].startswith("cite") for child in token.children or ()):
            return True
    return False
