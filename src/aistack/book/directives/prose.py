"""Blocks of prose: admonitions, takeaways, and research highlights."""

from __future__ import annotations

from typing import Literal, get_args

from aistack.book import bibliography, roles
from aistack.book.directives.block import Block, directive, need
from aistack.book.draft import Draft
from aistack.errors import UnknownName

Admonition = Literal["note", "warning", "definition", "example"]


@directive("admonition", "title", argument=True, body=True)
def admonition(draft: Draft, block: Block) -> str:
    """`:::{admonition} note|warning|definition|example` with a title."""
    if block.argument not in get_args(Admonition):
        raise UnknownName("kind of admonition", block.argument, get_args(Admonition))
    title = draft.inline(need(block, "title"))
    inner = draft.blocks(block.body, block.body_line)
    return (
        f'<aside class="admonition admonition-{block.argument}" role="note">'
        f'<p class="admonition-title">{title}</p>\n{inner}</aside>\n'
    )


@directive("takeaways", body=True)
def takeaways(draft: Draft, block: Block) -> str:
    """`:::{takeaways}`: what a reader should keep, as a list."""
    anchor = draft.heading(2, "Takeaways")
    inner = draft.blocks(block.body, block.body_line)
    return (
        f'<section class="takeaways" aria-labelledby="{anchor}"><h2 id="{anchor}">Takeaways</h2>\n{inner}</section>\n'
    )


@directive("research", "found", "number", "source", argument=True, body=True)
def research(draft: Draft, block: Block) -> str:
    """`:::{research} KEY`: what was found, its headline number; the body says why it matters; the key's work."""
    bibliography.work(block.argument)
    draft.cites.setdefault(block.argument, None)
    found, number = draft.inline(need(block, "found")), draft.inline(need(block, "number"))
    inner = draft.blocks(block.body, block.body_line)
    return (
        f'<article class="research" id="research-{block.argument}"><h3>{found}</h3><p class="headline">{number}</p>\n'
        f'{inner}<p class="source">{roles.reference(block.argument)}</p></article>\n'
    )
