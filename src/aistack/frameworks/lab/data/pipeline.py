"""The pipeline: a collection into documents, a tokenizer and training shards, every step with its account.

Documents pass through a file of candidates on disk, so that the text itself is never held in memory as a whole.
The result depends on the collection, the limit and the seed alone: not on the number of workers or on timing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from aistack.errors import BadInput
from aistack.files import replacing, sha256
from aistack.frameworks.funnel import Funnel, Step
from aistack.frameworks.lab.data import tokenizer as bpe
from aistack.frameworks.lab.data.clean import Batch, clean
from aistack.frameworks.lab.data.collection import Collection
from aistack.frameworks.lab.data.document import place
from aistack.frameworks.lab.data.duplicates import near_duplicates
from aistack.frameworks.lab.data.language import wanted
from aistack.frameworks.lab.data.piece import Piece, sample
from aistack.frameworks.lab.data.workers import in_order
from aistack.frameworks.lab.shards import SPLITS, Split, Tokens, pack, tail, write_shards

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VALIDATION = 0.04
"""The share of documents held back, by a hash of their ids."""
LEAST_TEXT = 100_000
"""Bytes of kept text below which there is nothing to learn from."""
LEAST_VALIDATION = 10_000
"""Bytes of text to hold back at least, so that a small collection has a validation loss too."""
TASK = 1 << 20
"""Bytes of source that a worker is given at a time."""
TOKENIZER_TEXT = 50_000_000
"""Bytes of text that the tokenizer is trained on at most; merges do not change beyond."""
AT_ONCE = 512
"""Documents that are encoded together."""


@dataclass(frozen=True)
class Kept:
    """The documents that came through, in a file of one JSON object a line."""

    path: Path
    offsets: Sequence[int]
    """Where each document's line begins."""
    sizes: Sequence[int]
    """UTF-8 bytes of each document's text."""
    splits: Sequence[Split]
    funnel: Funnel
    languages: dict[str, int]
    """Language -> bytes of text, before any language was dropped."""
    sources: dict[str, dict[str, Any]]
    """Source -> licence, documents, bytes and a hash of its kept text."""


def tasks(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """`pieces` in runs of about `TASK` bytes."""
    run: list[Piece] = []
    for piece in pieces:
        run.append(piece)
        if sum(each.size for each in run) >= TASK:
            yield run
            run = []
    if run:
        yield run


def documents(
    collection: Collection,
    pieces: Sequence[Piece],
    folder: Path,
    *,
    seed: int,
    executor: ProcessPoolExecutor | None,
    workers: int,
    advance: Callable[[float], None] = lambda amount: None,
) -> Kept:
    """Read, clean and deduplicate `pieces` into `folder`/documents.jsonl. `advance` hears of each byte that was read.

    Raises `BadInput` where less than `LEAST_TEXT` bytes are left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "candidates.jsonl"
    try:
        return _documents(collection, pieces, folder, scratch, seed, executor, workers, advance)
    finally:
        scratch.unlink(missing_ok=True)


def _documents(
    collection: Collection,
    pieces: Sequence[Piece],
    folder: Path,
    scratch: Path,
    seed: int,
    executor: ProcessPoolExecutor | None,
    workers: int,
    advance: Callable[[float], None],
) -> Kept:
    account = Batch()
    exact, by_language, near = Step("exact duplicates"), Step("language"), Step("near-duplicates")
    offsets: list[int] = []
    languages: list[str] = []
    seen: set[bytes] = set()
    bytes_by_language: Counter[str] = Counter()
    work = list(tasks(pieces))
    with scratch.open("wb") as out:
        for task, batch in zip(work, in_order(executor, clean, work, workers), strict=True):
            for total, part in (
                (account.read, batch.read),
                (account.normalise, batch.normalise),
                (account.quality, batch.quality),
            ):
                total.merge(part)
            for document, language in batch.documents:
                content = document.text.encode()
                digest = hashlib.blake2b(content, digest_size=16).digest()
                if digest in seen:
                    exact.drop("the same text again", len(content))
                    continue
                seen.add(digest)
                exact.keep(len(content))
                offsets.append(out.tell())
                languages.append(language)
                bytes_by_language[language] += len(content)
                record = {
                    "id": document.id,
                    "text": document.text,
                    "source": document.source,
                    "licence": document.licence,
                }
                out.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            advance(sum(piece.size for piece in task))
    seen.clear()

    keep = wanted(bytes_by_language, collection.only_language)
    with scratch.open("rb") as lines:
        chosen = []
        for number, language in enumerate(languages):
            size = len(_at(lines, offsets[number])["text"].encode())
            if language in keep:
                by_language.keep(size)
                chosen.append(number)
            else:
                by_language.drop(f"language: {language}", size)
    with scratch.open("rb") as lines, scratch.open("rb") as earlier:
        verdicts = near_duplicates(
            (_at(lines, offsets[number])["text"] for number in chosen),
            lambda place: str(_at(earlier, offsets[chosen[place]])["text"]),
            seed,
        )
        last: list[int] = []
        ids: list[str] = []
        sizes: list[int] = []
        for number, original in zip(chosen, verdicts, strict=True):
            record = _at(earlier, offsets[number])
            size = len(record["text"].encode())
            if original is not None:
                near.drop("nearly the same text again", size)
                continue
            near.keep(size)
            last.append(number)
            ids.append(record["id"])
            sizes.append(size)
    funnel = Funnel((account.read, account.normalise, account.quality, exact, by_language, near))
    if near.kept.bytes < LEAST_TEXT:
        raise BadInput(too_small(collection, funnel))
    splits = split(ids, sizes)
    path = folder / "documents.jsonl"
    final: list[int] = []
    sources: dict[str, dict[str, Any]] = {}
    hashes: dict[str, Any] = {}
    with replacing(path) as partial, partial.open("wb") as out, scratch.open("rb") as lines:
        for number, size, part in zip(last, sizes, splits, strict=True):
            record = _at(lines, offsets[number])
            final.append(out.tell())
            out.write(json.dumps(record | {"split": part}, ensure_ascii=False).encode() + b"\n")
            source = sources.setdefault(record["source"], {"licence": record["licence"], "documents": 0, "bytes": 0})
            source["documents"] += 1
            source["bytes"] += size
            hashes.setdefault(record["source"], hashlib.sha256()).update(record["text"].encode() + b"\0")
    for name, digest in hashes.items():
        sources[name]["sha256"] = digest.hexdigest()
    return Kept(path, final, sizes, splits, funnel, dict(bytes_by_language.most_common()), sources)


def split(ids: Sequence[str], sizes: Sequence[int]) -> list[Split]:
    """Each document's split: held back are those whose ids hash below `VALIDATION`, and the next ones where that is
    less than `LEAST_VALIDATION` bytes. A document keeps its split when others come or go."""
    places = [place(each, "validation") for each in ids]
    splits: list[Split] = ["train"] * len(ids)
    held = 0
    for index in sorted(range(len(ids)), key=places.__getitem__):
        if places[index] >= VALIDATION and held >= LEAST_VALIDATION:
            break
        splits[index] = "validation"
        held += sizes[index]
    return splits


def too_small(collection: Collection, funnel: Funnel) -> str:
    """Why there is too little text, in words: what was read and what it was lost to."""
    first, last = funnel.steps[0], funnel.steps[-1]
    losses: Counter[str] = Counter()
    for step in funnel.steps:
        losses.update({reason: amount.documents for reason, amount in step.dropped.items() if amount.documents})
    lost = "; ".join(f"{reason}: {count}" for reason, count in losses.most_common(5)) or "nothing was dropped"
    return (
        f"Too little text to train on in {collection.title}: {last.kept.bytes:,} bytes in {last.kept.documents:,} documents "
        f"are left of {first.taken.bytes:,} bytes, and {LEAST_TEXT:,} are needed. Dropped were {lost}. Give more text."
    )


def texts(kept: Kept, numbers: Sequence[int]) -> Iterator[str]:
    """The texts of the documents of these numbers, read one by one."""
    with kept.path.open("rb") as lines:
        for number in numbers:
            yield _at(lines, kept.offsets[number])["text"]


def train_tokenizer(kept: Kept, vocabulary: int | None = None) -> Tokenizer:
    """A tokenizer trained on the training split (on an even share of it where it is large)."""
    numbers = [number for number, part in enumerate(kept.splits) if part == "train"]
    size = sum(kept.sizes[number] for number in numbers)
    share = min(1.0, TOKENIZER_TEXT / size)
    if share < 1:
        numbers = [number for number in numbers if place(str(number), "tokenizer") < share]
    return bpe.train(texts(kept, numbers), vocabulary or bpe.vocabulary_for(size))


@dataclass
class Encoding:
    """What turning the documents into tokens took."""

    tokens: Counter[Split] = field(default_factory=Counter)
    """Tokens of each split's stream, separators included."""
    bytes: Counter[Split] = field(default_factory=Counter)
    rates: list[float] = field(default_factory=list)
    """UTF-8 bytes a second of each batch."""


def encode(kept: Kept, tokenizer: Tokenizer, part: Split, seed: int, account: Encoding) -> Iterator[list[int]]:
    """The token ids of each document of a split, in an order drawn from `seed`."""
    numbers = np.array([number for number, each in enumerate(kept.splits) if each == part], np.int64)
    shuffled = np.random.default_rng((seed, SPLITS.index(part))).permutation(numbers)
    account.tokens[part] += 1
    for start in range(0, len(shuffled), AT_ONCE):
        chunk = list(texts(kept, shuffled[start : start + AT_ONCE].tolist()))
        size = sum(len(text.encode()) for text in chunk)
        began = time.perf_counter()
        encoded = [each.ids for each in tokenizer.encode_batch_fast(chunk, add_special_tokens=False)]
        account.rates.append(size / (time.perf_counter() - began))
        account.bytes[part] += size
        account.tokens[part] += sum(map(len, encoded)) + len(encoded)
        yield from encoded


def shards(
    kept: Kept, tokenizer: Tokenizer, tokenizer_path: Path, folder: Path, seq_len: int, seed: int, facts: dict[str, Any]
) -> tuple[dict[str, Any], Encoding]:
    """Encode, pack and write both splits; return the manifest and what the encoding took."""
    account = Encoding()
    rows: dict[Split, Iterator[Tokens]] = {
        part: pack(encode(kept, tokenizer, part, seed, account), seq_len, separator=0) for part in SPLITS
    }
    provenance = {
        "vocab": tokenizer.get_vocab_size(),
        "tokenizer_sha256": sha256(tokenizer_path),
        "seed": seed,
        **facts,
    }
    manifest = write_shards(folder, seq_len, rows, provenance)
    return manifest, account


def _at(lines: IO[bytes], offset: int) -> dict[str, Any]:
    lines.seek(offset)
    record: dict[str, Any] = json.loads(lines.readline())
    return record
