"""Formulas, typeset by KaTeX when a page is made: HTML for the eye and MathML for everything else, no script."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

from aistack.errors import BadInput, MissingExtra

KATEX = Path(__file__).parent / "theme/vendor/katex"

_OPERATOR = re.compile(r"(<mo[^>]*>)<mrow>((?:<mi[^>]*>[^<]*</mi>)+)</mrow></mo>")
_TAGS = re.compile(r"<[^>]*>")

_TYPESET = """
function typeset(formula, display) {
  try {
    return [true, katex.renderToString(formula, {displayMode: display, output: "htmlAndMathml", strict: "error"})];
  } catch (error) {
    return [false, String(error.message)];
  }
}
"""


@functools.lru_cache(maxsize=4096)
def typeset(formula: str, display: bool = False) -> str:
    """The formula as HTML. Raises `BadInput` with KaTeX's own words for one that is wrong."""
    good, result = _katex()(formula, display, run_gc=False)
    if not good:
        raise BadInput(f"the formula {formula!r} is wrong: {result}")
    # KaTeX writes the letters of an operator like "mod" as elements within <mo>, where MathML has text alone
    return _OPERATOR.sub(lambda found: f"{found[1]}{_TAGS.sub('', found[2])}</mo>", str(result))


@functools.cache
def _katex() -> Callable[..., tuple[bool, str]]:
    try:
        import quickjs
    except ImportError:
        raise MissingExtra("Maths in the book", "quickjs") from None
    # KaTeX as a module that exports itself: neither a browser's window nor Node is there
    script = (KATEX / "katex.min.js").read_text(encoding="utf-8")
    # `Function` keeps to one thread of its own, which QuickJS needs
    function: Callable[..., tuple[bool, str]] = quickjs.Function("typeset", f"{script}\n{_TYPESET}", own_executor=True)
    return function
