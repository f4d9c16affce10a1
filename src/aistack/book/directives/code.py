"""Code: run when the book is checked, its output stored beside the chapter; or shown, its syntax checked."""

from __future__ import annotations

import ast
import html
import re
import textwrap

from aistack.book.directives.block import Block, directive, share
from aistack.book.draft import Draft
from aistack.errors import BadInput, UnknownName

LANGUAGES = {
    "python": "Python",
    "bash": "Shell",
    "console": "Shell",
    "json": "JSON",
    "yaml": "YAML",
    "cuda": "CUDA C++",
}
LANGUAGES |= {"text": "Text", "c": "C", "cpp": "C++"}

_RUN = "Python, run as it stands"


@directive("code", "mode", "name", "output-of", "tolerance", argument=True, body=True)
def code(draft: Draft, block: Block) -> str:
    """```{code} LANGUAGE``` with `:mode: run` (the default of Python that has a name) or `shown`."""
    from aistack.book.outputs import stored

    if block.argument not in LANGUAGES:
        raise UnknownName("language of code", block.argument, LANGUAGES)
    mode = block.options.get("mode", "run")
    if mode not in ("run", "shown"):
        raise BadInput(f"a mode of code is run or shown, not {mode!r}")
    body = draft.text.plain(block.body)
    if block.argument == "python":
        check_syntax(body)
    named = LANGUAGES[block.argument]
    if mode == "shown":
        return box("shown", f"{named}, not run" if block.argument == "python" else named, body, block.argument)
    if block.argument != "python" or not block.options.get("name"):
        raise BadInput("code that is run is Python and needs a :name:, by which its output is kept")
    share(block, "tolerance", 0.0)
    output = stored(draft.page).get(block.options["name"])
    if output is None or not output.text:
        return box("run", _RUN, body)
    elsewhere = block.options.get("output-of")
    said = f"Output of {html.escape(elsewhere)}" if elsewhere else "Output"
    printed = f'<pre tabindex="0">{html.escape(output.text)}</pre>'
    return box("run", _RUN, body, below=f'<div class="output"><p class="output-label">{said}</p>{printed}</div>')


def box(kind: str, head: str, source: str, language: str = "python", below: str = "") -> str:
    """Code with a line that says what it is."""
    return (
        f'<div class="code code-{kind}"><div class="code-head">{head}</div>{highlight(source, language)}{below}</div>\n'
    )


def highlight(source: str, language: str) -> str:
    """Code as HTML with Pygments' short class names."""
    from pygments import highlight as mark
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name({"cuda": "cuda"}.get(language, language), stripnl=False)
    marked = mark(textwrap.dedent(source).rstrip("\n"), lexer, HtmlFormatter(nowrap=True))
    # plain names, blanks and punctuation look like any text, and `n` is the class of the book's numbers
    marked = re.sub(r'<span class="(?:n|w|p)">([^<]*)</span>', r"\1", marked)
    return f'<pre tabindex="0"><code class="language-{language}">{marked}</code></pre>'


def check_syntax(source: str) -> None:
    """Raise `BadInput` for what is not Python."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        raise BadInput(f"this is not Python: {error.msg} (line {error.lineno} of the block)") from None
