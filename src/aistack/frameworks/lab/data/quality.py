"""Quality heuristics: named rules that tell prose from tables, listings, noise and stubs.

In the spirit of Gopher (Rae et al., arXiv:2112.11446, table A1) and C4 (Raffel et al., arXiv:1910.10683, section 2.2),
with bounds that let technical documentation with its code examples through. Rules about words look only at scripts that
put spaces between them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

SHORTEST = 200
"""Characters: a shorter text is a stub (`Return the name.`) that teaches form and no substance."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def fault(text: str) -> str | None:
    """The name of the first rule that `text` breaks, or None for a text to keep."""
    words = text.split()
    if len(text) < SHORTEST or not words:
        return f"shorter than {SHORTEST} characters"
    visible = sum(map(len, words))
    letters = sum(map(str.isalpha, text))
    if not text.isascii():
        # vowel signs and the like, without which Hindi or Thai would seem to be short of letters
        letters += sum(unicodedata.category(character)[0] == "M" for character in text)
    if letters < 0.6 * visible:
        return "under 60% letters"
    if sum(map(text.count, "#{}<>|\\=~^")) > 0.1 * visible:
        return "over 10% symbols"
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) >= 4 and _repeated(lines) > 0.3:
        return "over 30% of lines repeated"
    if max(map(len, lines)) > 5_000:
        return "a line over 5,000 characters"
    if len(_UNSPACED.findall(text)) > 0.1 * letters:
        return None
    if not 3 <= visible / len(words) <= 12:
        return "mean word length outside 3 to 12"
    if len(words) >= 50 and len(set(map(str.lower, words))) < 0.15 * len(words):
        return "under 15% distinct words"
    if sum(any(map(str.isalpha, word)) for word in words) < 0.6 * len(words):
        return "under 60% of words with a letter"
    return None


def _repeated(lines: list[str]) -> float:
    """The share of characters in lines that came before."""
    again = sum(len(line) * (count - 1) for line, count in Counter(lines).items())
    return again / sum(map(len, lines))
