"""Which language a text is in, by py3langid (its model lies in the package; nothing is fetched)."""

from __future__ import annotations

from collections.abc import Mapping

LOOKED_AT = 600
"""Characters of a text that the identification reads."""
LEAST_SHARE = 0.1


def identify(text: str) -> str:
    """The ISO 639-1 code of the language that `text` is most likely in."""
    import py3langid

    language, _ = py3langid.classify(text[:LOOKED_AT])
    return str(language)


def wanted(bytes_by_language: Mapping[str, int], only: str | None = None) -> set[str]:
    """The languages to keep: `only` one, or all that make up at least a tenth of the text.

    A stray page in another language is dropped; a collection in two or three languages keeps them all.
    """
    if only is not None:
        return {only}
    total = sum(bytes_by_language.values())
    return {language for language, size in bytes_by_language.items() if size >= LEAST_SHARE * total}
