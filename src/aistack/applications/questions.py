"""Questions with known answers, made from text that nothing has learned from.

The inverse cloze task (Lee, Chang and Toutanova, "Latent Retrieval for Weakly Supervised Open Domain Question
Answering", ACL 2019): a sentence taken out of a passage is the question, the rest of the passage is what has to be
found. The sentence is always removed from the passage in the collection that is searched, so that an exact match is
of no use.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aistack.applications.passages import sentences

_WORD = re.compile(r"[^\W\d_]{3,}")
_PROSE = re.compile(r"[A-Z][^:;|{}<>=\[\]]*[.?!]", re.DOTALL)
_NGRAM = 4


@dataclass(frozen=True)
class Question:
    """A question, the number of the passage that answers it, and that passage without the question's sentence."""

    text: str
    target: int
    evidence: str


def make(passages: Sequence[str], candidates: Iterable[int], count: int, seed: int) -> tuple[Question, ...]:
    """At most `count` questions from the passages numbered by `candidates`, at most one a passage.

    A sentence is a question if it is prose of 6 to 40 words, if no other sentence of the collection is the same, if at
    least 100 characters of its passage remain, and if these share no run of four words with it. Deterministic by
    `seed`.
    """
    seen = Counter(_key(sentence) for text in passages for sentence in sentences(text))
    rng = random.Random(seed)
    order = list(candidates)
    rng.shuffle(order)
    made: list[Question] = []
    for target in order:
        if len(made) == count:
            break
        text = passages[target]
        fitting = [
            (sentence, rest)
            for sentence in sentences(text)
            if seen[_key(sentence)] == 1 and _fits(sentence, rest := text.replace(sentence, " ", 1).strip())
        ]
        if fitting:
            sentence, rest = rng.choice(fitting)
            made.append(Question(" ".join(sentence.split()), target, rest))
    return tuple(made)


def _fits(sentence: str, rest: str) -> bool:
    words = _WORD.findall(sentence)
    return (
        _PROSE.fullmatch(sentence) is not None
        and 6 <= len(words) <= 40
        and len(set(words)) >= 6
        and len(rest) >= 100
        and not _ngrams(sentence) & _ngrams(rest)
    )


def _ngrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(zip(*(words[offset:] for offset in range(_NGRAM)), strict=False))


def _key(sentence: str) -> str:
    return " ".join(sentence.casefold().split())
