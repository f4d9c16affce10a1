"""The pilot: every step on a small random share of the source, to predict the whole."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from aistack.frameworks.lab.data import tokenizer as bpe
from aistack.frameworks.lab.data.clean import clean
from aistack.frameworks.lab.data.document import place
from aistack.frameworks.lab.data.duplicates import near_duplicates
from aistack.frameworks.lab.data.piece import Piece, sample
from aistack.frameworks.lab.data.workers import in_order
from aistack.frameworks.yields import Pilot

MOST = 0.2
"""The largest share of the source that a pilot may see: one that saw the whole would foretell nothing."""
HALVINGS = 3


def measure(
    pieces: Sequence[Piece],
    size: float,
    limit: float,
    salt: str,
    executor: ProcessPoolExecutor | None = None,
    workers: int = 1,
) -> Pilot | None:
    """Take a pilot of about `size` bytes of `pieces`, for a run that will keep `limit` bytes of text at most.

    None where there is too little to tell anything.
    """
    total = sum(piece.size for piece in pieces)
    chosen = sample(pieces, min(size, MOST * total), salt)
    read = sum(piece.size for piece in chosen)

    began = time.perf_counter()
    batches = list(in_order(executor, clean, [[piece] for piece in chosen], workers))
    read_seconds = (time.perf_counter() - began) * workers
    # a single large piece can hold most of the source: then only some of its documents count
    share = min(1.0, MOST * total / read)
    texts = [
        document.text
        for batch in batches
        for document, _ in batch.documents
        if share == 1 or place(document.id, salt) < share
    ]
    if len(texts) < 1 << (HALVINGS + 1):
        return None

    began = time.perf_counter()
    originals = list(near_duplicates(texts, texts.__getitem__))
    compare_seconds = time.perf_counter() - began
    kinds = Counter(number if original is None else original for number, original in enumerate(originals))
    distinct = [texts[number] for number in sorted(kinds)]
    expected = min(limit, _size(distinct) * total / (read * share))
    curve, train_seconds, rates = _curve(distinct, bpe.vocabulary_for(int(expected)))
    return Pilot(
        source_bytes=read * share,
        documents=len(texts),
        bytes=_size(texts),
        distinct=len(distinct),
        distinct_bytes=_size(distinct),
        single=sum(count == 1 for count in kinds.values()),
        curve=curve,
        read_seconds=read_seconds,
        read_bytes=read,
        compare_seconds=compare_seconds,
        train_seconds=train_seconds,
        encode_rate=sorted(rates)[len(rates) // 2],
        error=_error([(piece.size, batch.quality.kept.bytes) for piece, batch in zip(chosen, batches, strict=True)]),
    )


def _curve(texts: Sequence[str], vocabulary: int) -> tuple[list[tuple[float, float]], float, list[float]]:
    """Tokenizers trained on 1/8, 1/4 and 1/2 of `texts`, each measured on the other half, both ways round.

    Returns (bytes, bytes a token) of each, the mean time of the last training and the rates of encoding.
    """
    halves = texts[::2], texts[1::2]
    curve: list[tuple[float, float]] = []
    rates: list[float] = []
    train_seconds = 0.0
    for step in reversed(range(HALVINGS)):
        size, tokens, unseen = 0.0, 0, 0
        began = time.perf_counter()
        tokenizers = [bpe.train(half[:: 1 << step], vocabulary) for half in halves]
        train_seconds = (time.perf_counter() - began) / 2
        for half, other, tokenizer in zip(halves, reversed(halves), tokenizers, strict=True):
            size += _size(half[:: 1 << step]) / 2
            unseen += _size(other)
            began = time.perf_counter()
            tokens += sum(len(each.ids) + 1 for each in tokenizer.encode_batch_fast(other, add_special_tokens=False))
            rates.append(_size(other) / (time.perf_counter() - began))
        curve.append((size, unseen / tokens))
    return curve, train_seconds, rates


def _size(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _error(pairs: Sequence[tuple[int, int]]) -> float:
    """The relative standard error of the ratio sum(y) / sum(x) over pieces (Cochran, "Sampling Techniques", 2.11)."""
    count, over, under = len(pairs), sum(y for _, y in pairs), sum(x for x, _ in pairs)
    if count < 2 or over == 0:
        return 1.0
    ratio = over / under
    variance = sum((y - ratio * x) ** 2 for x, y in pairs) / (count - 1)
    return math.sqrt(variance * count) / over
