"""Finding an entry by what people call it, without ever guessing between two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from aistack.errors import AmbiguousName, UnknownName

_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def resolve(
    kind: str, wanted: str, ids: Iterable[str], labels: Callable[[], Mapping[str, tuple[str, ...]]] = lambda: _NONE
) -> str:
    """The id of the one entry that `wanted` names.

    Case, spaces and punctuation do not matter. An id or alias that matches whole wins. Otherwise every word of
    `wanted` must occur in the entry's id, name or aliases (a trailing generation number may be left out: `sxm` finds
    `sxm5`), in exactly one entry. `labels` gives names and aliases by id and is asked only when ids do not settle it.
    Raises `AmbiguousName` with the candidates, or `UnknownName` with the nearest names.
    """
    known = tuple(ids)
    if wanted in known:
        return wanted
    squeezed = _squeeze(wanted)
    whole = [each for each in known if _squeeze(each) == squeezed]
    if len(whole) == 1:
        return whole[0]
    names = labels()
    whole = [each for each in known if any(_squeeze(label) == squeezed for label in names.get(each, ()))]
    if len(whole) == 1:
        return whole[0]
    words = _words(wanted)
    found = [each for each in known if words and _has(words, {*_words(each), *_words(" ".join(names.get(each, ())))})]
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousName(kind, wanted, found)
    raise UnknownName(kind, wanted, known)


def _squeeze(text: str) -> str:
    return "".join(_words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.casefold()))


def _has(wanted: Iterable[str], words: set[str]) -> bool:
    stems = words | {re.sub(r"\d+$", "", word) for word in words if re.match(r"[^\W\d]{2,}\d+$", word)}
    return all(word in stems for word in wanted)
