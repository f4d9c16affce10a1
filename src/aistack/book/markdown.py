"""Markdown to HTML: CommonMark with tables, maths, MyST's roles and directives, and numbers in their marks."""

# ruff: noqa: ARG002 - render rules have markdown-it's own signature

from __future__ import annotations

import functools
import html
import re
from collections.abc import MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

from aistack.book import directives, glossary, maths, roles
from aistack.book.draft import Draft
from aistack.book.source import MARKED, OPEN
from aistack.errors import AistackError

Env = MutableMapping[str, Any]


@functools.cache
def parser() -> MarkdownIt:
    """The one parser; what a page needs of it is in the environment of each call."""
    md = MarkdownIt("commonmark", {"html": False, "typographer": True}, renderer_cls=_Html)
    md.enable(["table", "replacements", "smartquotes"])
    colon_fence_plugin(md)
    myst_role_plugin(md)
    dollarmath_plugin(md, allow_labels=False, allow_space=False, allow_digits=False, allow_blank_lines=False)
    md.inline.add_terminator_char(OPEN)
    md.inline.ruler.before("escape", "number", _number)
    # the plugins bring renderers of their own
    assert isinstance(md.renderer, _Html)
    for name in ("math_inline", "math_block", "myst_role", "colon_fence"):
        md.renderer.rules[name] = getattr(md.renderer, name)
    return md


def blocks(draft: Draft, markdown: str, line: int, outermost: bool = False) -> str:
    """HTML of Markdown that begins on this line of the page's. Raises `BadInput` naming file and line."""
    env: Env = {"draft": draft, "line": line, "outermost": outermost, "linking": True}
    return str(parser().render(markdown, env))


def inline(draft: Draft, markdown: str) -> str:
    """HTML of one line of Markdown, without a paragraph around it."""
    env: Env = {"draft": draft, "line": draft.line, "linking": False}
    return str(parser().renderInline(markdown, env))


def _number(state: StateInline, silent: bool) -> bool:
    found = MARKED.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("number", "", 0).content = found[1]
    state.pos = found.end()
    return True


class _Html(RendererHTML):
    """How each kind of token looks in our pages; `env["draft"]` is the page that it belongs to."""

    def render(self, tokens: Sequence[Token], options: OptionsDict, env: Env) -> str:
        """The tokens as HTML; at the page's own level each block stands together with its notes, which come first."""
        draft: Draft = env["draft"]
        pieces: list[str] = []
        start = 0
        for at, token in enumerate(tokens):
            if token.level == 0 and token.nesting >= 0 and token.type != "inline":
                start = len(pieces)
            if token.map:
                draft.line = env["line"] + token.map[0]
            if token.type == "inline":
                pieces.append(self.renderInline(token.children or (), options, env))
            else:
                rule = self.rules.get(token.type, self.renderToken)
                pieces.append(rule(tokens, at, options, env))
                if env["outermost"] and token.level == 0 and token.nesting <= 0 and (notes := draft.margin()):
                    pieces[start:] = [f'<div class="noted">{notes}', *pieces[start:], "</div>\n"]
        return "".join(pieces)

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Words, among them terms of the glossary: the first use of each on a page becomes a link by itself."""
        draft, content = env["draft"], tokens[idx].content
        pieces, done = [], 0
        for start, end, name in glossary.mentions(content) if env["linking"] else ():
            if name not in draft.terms:
                pieces += [html.escape(content[done:start], quote=False), roles.term(draft, content[start:end], name)]
                done = end
        return "".join([*pieces, html.escape(content[done:], quote=False)])

    def number(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A number with all it has to tell."""
        return str(env["draft"].number(int(tokens[idx].content)))

    def myst_role(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A role, by its name."""
        draft: Draft = env["draft"]
        try:
            return roles.render(draft, tokens[idx].meta["name"], tokens[idx].content)
        except AistackError as error:
            raise draft.wrong(error) from None

    def math_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A formula in a sentence."""
        return formula(env["draft"], tokens[idx].content)

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A formula by itself, without a number."""
        inner = formula(env["draft"], tokens[idx].content.strip(), display=True)
        return f'<div class="math" tabindex="0" role="group" aria-label="Formula, scrollable">{inner}</div>\n'

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Code in a sentence."""
        return f"<code>{html.escape(env['draft'].text.plain(tokens[idx].content))}</code>"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A directive, or code that is shown."""
        draft, token = env["draft"], tokens[idx]
        info, body = token.info.strip(), token.content
        if not info.startswith("{"):
            info, body = f"{{code}} {info or 'text'}", f":mode: shown\n{body}"
            # the option's line is not in the file
            draft.line -= 1
        line = draft.line
        try:
            return directives.render(draft, info, body, line)
        except AistackError as error:
            raise draft.wrong(error, line) from None

    colon_fence = fence

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Indented code is refused: it says not what language it is, and is nearly always a slip."""
        raise env["draft"].wrong("indented text is code in Markdown; give code a fence with its language")

    html_block = code_block

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A heading with its anchor; the first level is the page's title, which stands in the front matter."""
        draft, token = env["draft"], tokens[idx]
        level = int(token.tag[1:])
        if level == 1:
            raise draft.wrong("the page's title stands in its front matter; headings begin with ##")
        if draft.headings and level > draft.headings[-1].level + 1:
            raise draft.wrong("this heading skips a level")
        anchor = draft.heading(level, _text(draft, tokens[idx + 1]))
        env["linking"] = False
        return f'<{token.tag} id="{anchor}">'

    def blockquote_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A quotation, in which nothing is linked that its author did not link."""
        env["linking"] = False
        return "<blockquote>\n"

    def blockquote_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """The end of `blockquote_open`."""
        env["linking"] = True
        return "</blockquote>\n"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """The end of `heading_open`."""
        env["linking"] = True
        return f"</{tokens[idx].tag}>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A table scrolls by itself on narrow screens."""
        return '<div class="table" tabindex="0" role="group" aria-label="Table, scrollable"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """The end of `table_open`."""
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A head of a column; an empty one heads nothing."""
        return f'<th scope="col"{_class(tokens[idx])}>' if tokens[idx + 1].content.strip() else "<td>"

    def th_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """The end of `th_open`."""
        return "</th>" if tokens[idx - 1].content.strip() else "</td>"

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A cell; columns that are aligned to the right hold numbers."""
        return f"<td{_class(tokens[idx])}>"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Refused: a figure is drawn by the page's module, from numbers."""
        raise env["draft"].wrong("an image is a {figure} that the page's module draws")

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A link; to another page it is a role's work."""
        address = str(tokens[idx].attrGet("href"))
        if not re.match(r"https?://|#", address):
            raise env["draft"].wrong(
                f"the link to {address!r} leads out of the book; link pages with {{doc}}`layer/page`"
            )
        env["linking"] = False
        return f'<a href="{html.escape(address, quote=True)}">'

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """The end of `link_open`."""
        env["linking"] = True
        return "</a>"


def formula(draft: Draft, source: str, display: bool = False) -> str:
    """A formula as HTML, numbers in it as maths sets them. Raises `BadInput` naming file and line."""
    try:
        return maths.typeset(draft.text.tex(source), display)
    except AistackError as error:
        raise draft.wrong(error) from None


def _class(token: Token) -> str:
    return ' class="num"' if "right" in str(token.attrGet("style")) else ""


def _text(draft: Draft, token: Token) -> str:
    """An inline token's words alone."""
    pieces = []
    for child in token.children or ():
        if child.type == "number":
            pieces.append(draft.text.numbers[int(child.content)][1].plain)
        elif child.type == "myst_role":
            pieces.append(child.content.partition("<")[0].strip())
        elif child.type == "softbreak":
            pieces.append(" ")
        else:
            pieces.append(draft.text.plain(child.content))
    return "".join(pieces)
