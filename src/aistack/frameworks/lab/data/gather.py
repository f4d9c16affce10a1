"""The first pass: pieces through the workers into a file of distinct documents."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.clean import Batch, clean
from aistack.frameworks.lab.data.piece import Piece
from aistack.frameworks.lab.data.records import Records
from aistack.frameworks.lab.data.workers import in_order

TASK = 1 << 20
"""Bytes of source that a worker is given at a time."""


@dataclass
class Gathered:
    """What is known of each record, by its number, and the account of the steps so far."""

    sizes: list[int] = field(default_factory=list)
    """UTF-8 bytes of its text."""
    languages: list[str] = field(default_factory=list)
    account: Batch = field(default_factory=Batch)
    exact: Step = field(default_factory=lambda: Step("exact duplicates"))

    def by_language(self) -> Counter[str]:
        """Language -> bytes of text."""
        sizes: Counter[str] = Counter()
        for language, size in zip(self.languages, self.sizes, strict=True):
            sizes[language] += size
        return sizes


def gather(
    pieces: Sequence[Piece],
    records: Records,
    executor: ProcessPoolExecutor | None,
    workers: int,
    advance: Callable[[float], None],
) -> Gathered:
    """Append the documents of `pieces` that are of good quality and new to `records`.

    `advance` hears of the bytes of source that were read.
    """
    gathered = Gathered()
    seen: set[bytes] = set()
    runs = list(_runs(pieces))
    for run, batch in zip(runs, in_order(executor, clean, runs, workers), strict=True):
        gathered.account.read.merge(batch.read)
        gathered.account.normalise.merge(batch.normalise)
        gathered.account.quality.merge(batch.quality)
        for document, language in batch.documents:
            content = document.text.encode()
            digest = hashlib.blake2b(content, digest_size=16).digest()
            if digest in seen:
                gathered.exact.drop("the same text again", len(content))
                continue
            seen.add(digest)
            gathered.exact.keep(len(content))
            gathered.sizes.append(len(content))
            gathered.languages.append(language)
            records.append(
                {"id": document.id, "text": document.text, "source": document.source, "licence": document.licence}
            )
        advance(sum(piece.size for piece in run))
    return gathered


def _runs(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    size = 0
    for piece in pieces:
        run.append(piece)
        size += piece.size
        if size >= TASK:
            yield run
            run, size = [], 0
    if run:
        yield run
