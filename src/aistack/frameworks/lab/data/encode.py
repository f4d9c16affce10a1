"""Documents into tokens: a tokenizer is trained on the training split, then both splits are encoded in random order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aistack.frameworks.lab.data import tokenizer as bpe
from aistack.frameworks.lab.data.document import place
from aistack.frameworks.lab.data.records import Records

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_TEXT = 50_000_000
"""Bytes of text that the tokenizer is trained on at most: beyond, its merges hardly change."""
AT_ONCE = 256
"""Documents that are encoded together."""


@dataclass
class Stream:
    """What a split's stream of tokens came to."""

    tokens: int = 1
    """Separators included: one before the first document and one after each."""
    bytes: int = 0
    """UTF-8 bytes of the documents."""
    seconds: float = 0.0
    """Time in the tokenizer."""
    rates: list[float] = field(default_factory=list)
    """UTF-8 bytes a second of each batch."""

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes that a token of the stream stands for."""
        return self.bytes / self.tokens


def train_tokenizer(records: Records, numbers: Sequence[int], sizes: Sequence[int]) -> Tokenizer:
    """A tokenizer trained on the records of these numbers and sizes; on an even share of them where they are many."""
    size = sum(sizes)
    share = TOKENIZER_TEXT / size
    chosen = numbers if share >= 1 else [number for number in numbers if place(str(number), "tokenizer") < share]
    return bpe.train(records.texts(chosen), bpe.vocabulary_for(size))


def encode(
    tokenizer: Tokenizer, records: Records, numbers: Sequence[int], seed: int, stream: Stream
) -> Iterator[list[int]]:
    """The token ids of each record of these numbers, in an order drawn from `seed`; `stream` counts them."""
    order = np.random.default_rng(seed).permutation(np.array(numbers, np.int64)).tolist()
    for start in range(0, len(order), AT_ONCE):
        texts = list(records.texts(order[start : start + AT_ONCE]))
        size = sum(len(text.encode()) for text in texts)
        began = time.perf_counter()
        encoded = [each.ids for each in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        took = time.perf_counter() - began
        stream.rates.append(size / took)
        stream.seconds += took
        stream.bytes += size
        stream.tokens += sum(map(len, encoded)) + len(encoded)
        yield from encoded
