"""What licence a package states in its metadata, and whether its text may be reused with attribution alone."""

from __future__ import annotations

import re
from importlib.metadata import PackageMetadata

UNKNOWN = "unknown"

# SPDX identifiers that ask for no more than keeping the notice
_PERMISSIVE = {
    "0BSD", "APACHE-2.0", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "BSL-1.0", "CC0-1.0", "CNRI-PYTHON", "HPND", "ISC", "MIT",
    "MIT-0", "MIT-CMU", "PSF-2.0", "PYTHON-2.0", "UNLICENSE", "ZLIB",
}  # fmt: skip
# the words that older metadata uses, from the most to the least specific
_SPOKEN = (
    (re.compile(r"\bbsd[ -]?2|2-clause bsd", re.I), "BSD-2-Clause"),
    (re.compile(r"\b(new |modified |revised )?bsd", re.I), "BSD-3-Clause"),
    (re.compile(r"\bapache\b", re.I), "Apache-2.0"),
    (re.compile(r"\bmit\b", re.I), "MIT"),
    (re.compile(r"\bisc\b", re.I), "ISC"),
    (re.compile(r"\bpython software foundation|\bpsf\b", re.I), "PSF-2.0"),
    (re.compile(r"\bmozilla|\bmpl\b", re.I), "MPL-2.0"),
    (re.compile(r"\bunlicense", re.I), "Unlicense"),
)
_TERM = re.compile(r"\(|\)|[^\s()]+")


def licence_of(metadata: PackageMetadata) -> str:
    """The licence as an SPDX expression where the metadata allows to tell, else its own words, else "unknown".

    Read in the order of trust: License-Expression (PEP 639), the License field where it is short, the classifiers.
    """
    expression, field = (metadata[key].strip() if key in metadata else "" for key in ("License-Expression", "License"))
    if expression:
        return expression
    if field and len(field) <= 60 and "\n" not in field:
        return _spdx(field)
    stated = [line for line in metadata.get_all("Classifier") or () if line.startswith("License ::")]
    names = [_spdx(line.split("::")[-1].strip()) for line in stated if line.count("::") > 1]
    return " OR ".join(dict.fromkeys(names)) or UNKNOWN


def permissive(expression: str) -> bool:
    """Whether an SPDX expression allows reuse with no more than attribution.

    All of an AND must, one of an OR suffices; an exception (WITH) only widens. Raises nothing: what cannot be read
    is not permissive.
    """
    terms = _TERM.findall(expression)
    try:
        verdict, rest = _any(terms)
    except (IndexError, ValueError):
        return False
    return verdict and not rest


def _any(terms: list[str]) -> tuple[bool, list[str]]:
    verdict, terms = _all(terms)
    while terms and terms[0].upper() == "OR":
        also, terms = _all(terms[1:])
        verdict = verdict or also
    return verdict, terms


def _all(terms: list[str]) -> tuple[bool, list[str]]:
    verdict, terms = _one(terms)
    while terms and terms[0].upper() == "AND":
        also, terms = _one(terms[1:])
        verdict = verdict and also
    return verdict, terms


def _one(terms: list[str]) -> tuple[bool, list[str]]:
    if terms[0] == "(":
        verdict, rest = _any(terms[1:])
        if rest[0] != ")":
            raise ValueError("unbalanced")
        return verdict, rest[1:]
    verdict, rest = terms[0].upper() in _PERMISSIVE, terms[1:]
    if rest and rest[0].upper() == "WITH":
        rest = rest[2:]
    return verdict, rest


def _spdx(words: str) -> str:
    """`words` as an SPDX expression, part by part; as they are where they say nothing known."""
    pieces = re.split(r"\s+(AND|OR)\s+", words)
    return " ".join(
        piece if piece in {"AND", "OR"} else next((name for known, name in _SPOKEN if known.search(piece)), piece)
        for piece in pieces
    )
