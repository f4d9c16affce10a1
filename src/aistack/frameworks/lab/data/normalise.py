"""The same text in one spelling: Unicode NFC, plain line ends, no control characters, no trailing space."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls but tab and newline; soft hyphen, zero-width space, byte-order mark; lone surrogates
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|\u2028|\u2029|\x85")
_TRAILING = re.compile(r"[ \t\u00a0]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{4,}")


def normalise(text: str) -> str:
    """`text` in NFC with newlines as the only line ends, no control characters, no trailing or outer white space.

    More than two blank lines in a row become two. Doing it twice changes nothing.
    """
    if not text.isascii():
        text = _CONTROL.sub("", _LINE_END.sub("\n", text))
        # removing characters can bring others together, so composing comes last
        text = unicodedata.normalize("NFC", text)
    else:
        text = _CONTROL.sub("", _LINE_END.sub("\n", text))
    return _BLANK_LINES.sub("\n\n\n", _TRAILING.sub("", text)).strip()
