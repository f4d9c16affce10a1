"""The pipeline: a collection into documents, a tokenizer and training shards, every step with its account.

The text passes through a file of records and is never held in memory as a whole. The result depends on the pieces and
the seed alone: not on the number of workers, nor on timing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aistack.errors import BadInput
from aistack.files import replacing, sha256, write_text
from aistack.frameworks.funnel import Funnel, Step
from aistack.frameworks.lab.data import card
from aistack.frameworks.lab.data import tokenizer as bpe
from aistack.frameworks.lab.data.collection import LEAST_TEXT, Collection
from aistack.frameworks.lab.data.duplicates import near_duplicates
from aistack.frameworks.lab.data.encode import Stream, encode, train_tokenizer
from aistack.frameworks.lab.data.gather import gather
from aistack.frameworks.lab.data.language import wanted
from aistack.frameworks.lab.data.piece import Piece
from aistack.frameworks.lab.data.records import Records
from aistack.frameworks.lab.data.split import split
from aistack.frameworks.lab.shards import SPLITS, Split, pack, write_shards


class Task(Protocol):
    """A step under way."""

    def advance(self, amount: float = 1) -> None:
        """Say that `amount` more of it is done."""


Watch = Callable[[str, float | None], AbstractContextManager[Task]]
"""Called with the name of each step and its amount of work, before the step."""


class _Unwatched:
    def advance(self, amount: float = 1) -> None:
        """Nobody looks."""


@contextmanager
def unwatched(what: str, total: float | None) -> Iterator[Task]:
    """The `Watch` of nobody."""
    del what, total
    yield _Unwatched()


@dataclass
class Source:
    """What one package, file or folder gave in the end."""

    licence: str
    documents: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Built:
    """What the pipeline made."""

    drawn: Step
    """The account of the pieces that were taken of the collection's."""
    funnel: Funnel
    languages: dict[str, int]
    """Language -> bytes of text before any was dropped."""
    sources: dict[str, Source]
    streams: dict[Split, Stream]
    manifest: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)
    """What each part took."""


def build(
    collection: Collection,
    pieces: Sequence[Piece],
    folder: Path,
    *,
    seq_len: int = 256,
    seed: int = 0,
    executor: ProcessPoolExecutor | None = None,
    workers: int = 1,
    watch: Watch = unwatched,
) -> Built:
    """Make documents.jsonl, tokenizer/, shards/ and DATA_CARD.md in `folder` from `pieces` of `collection`.

    Raises `BadInput` where less than `LEAST_TEXT` bytes of text are left.
    """
    scratch = folder / "candidates.partial"
    clock = _Clock()
    try:
        with Records(scratch) as records:
            return _build(collection, pieces, folder, records, seq_len, seed, executor, workers, watch, clock)
    finally:
        scratch.unlink(missing_ok=True)


def _build(
    collection: Collection,
    pieces: Sequence[Piece],
    folder: Path,
    records: Records,
    seq_len: int,
    seed: int,
    executor: ProcessPoolExecutor | None,
    workers: int,
    watch: Watch,
    clock: _Clock,
) -> Built:
    with watch("Read, clean and judge", sum(piece.size for piece in pieces)) as task, clock("read"):
        gathered = gather(pieces, records, executor, workers, task.advance)
    drawn = _drawn(collection, pieces)
    languages = gathered.by_language()
    keep = wanted(languages, collection.only_language)
    language, near = Step("language"), Step("near-duplicates")
    chosen = [number for number in range(len(records)) if gathered.languages[number] in keep]
    for number, size in enumerate(gathered.sizes):
        if gathered.languages[number] in keep:
            language.keep(size)
        else:
            language.drop(f"in {gathered.languages[number]}", size)
    with watch("Find near-duplicates", len(chosen)) as task, clock("compare"):
        numbers = []
        originals = near_duplicates(records.texts(chosen), lambda place: str(records[chosen[place]]["text"]))
        for number, original in zip(chosen, originals, strict=True):
            if original is None:
                near.keep(gathered.sizes[number])
                numbers.append(number)
            else:
                near.drop("nearly the same text again", gathered.sizes[number])
            task.advance()
    account = gathered.account
    funnel = Funnel((account.read, account.normalise, account.quality, gathered.exact, language, near))
    if near.kept.bytes < LEAST_TEXT:
        raise BadInput(_too_small(collection, funnel))

    sizes = [gathered.sizes[number] for number in numbers]
    with watch("Write documents", None), clock("write"):
        splits, sources = _write_documents(folder / "documents.jsonl", records, numbers, sizes)
    of_split: dict[Split, list[int]] = {each: [] for each in SPLITS}
    for number, part in zip(numbers, splits, strict=True):
        of_split[part].append(number)
    with watch("Train the tokenizer", None), clock("tokenizer"):
        training = of_split["train"]
        tokenizer = train_tokenizer(records, training, [gathered.sizes[number] for number in training])
        tokenizer_path = bpe.save(tokenizer, folder / "tokenizer", seq_len)
    streams: dict[Split, Stream] = {each: Stream() for each in SPLITS}
    with watch("Encode, shuffle and pack", None), clock("encode"):
        rows = {
            part: pack(encode(tokenizer, records, of_split[part], seed, streams[part]), seq_len, separator=0)
            for part in SPLITS
        }
        facts = {
            "vocab": tokenizer.get_vocab_size(),
            "tokenizer_sha256": sha256(tokenizer_path),
            "seed": seed,
            "collection": collection.title,
            "files": collection.files.to_json(),
            "drawn": drawn.to_json(),
            "funnel": funnel.to_json(),
            "sources": {name: asdict(source) for name, source in sources.items()},
        }
        manifest = write_shards(folder / "shards", seq_len, rows, facts)
    built = Built(drawn, funnel, dict(languages.most_common()), sources, streams, manifest, clock.seconds)
    write_text(folder / "DATA_CARD.md", card.text(collection, built))
    return built


def _drawn(collection: Collection, pieces: Sequence[Piece]) -> Step:
    drawn = Step("draw")
    taken = {piece.id for piece in pieces}
    for piece in collection.pieces:
        if piece.id in taken:
            drawn.keep(piece.size)
        else:
            drawn.drop("beyond what the time allows", piece.size)
    return drawn


def _write_documents(
    path: Path, records: Records, numbers: Sequence[int], sizes: Sequence[int]
) -> tuple[list[Split], dict[str, Source]]:
    splits = split([records[number]["id"] for number in numbers], sizes)
    sources: dict[str, Source] = {}
    hashes: dict[str, Any] = {}
    with replacing(path) as partial, partial.open("wb") as out:
        for number, size, part in zip(numbers, sizes, splits, strict=True):
            record = records[number]
            out.write(json.dumps(record | {"split": part}, ensure_ascii=False).encode() + b"\n")
            source = sources.setdefault(record["source"], Source(record["licence"]))
            source.documents += 1
            source.bytes += size
            hashes.setdefault(record["source"], hashlib.sha256()).update(record["text"].encode() + b"\0")
    for name, digest in hashes.items():
        sources[name].sha256 = digest.hexdigest()
    return splits, sources


def _too_small(collection: Collection, funnel: Funnel) -> str:
    first, last = funnel.steps[0], funnel.steps[-1]
    losses: Counter[str] = Counter()
    for step in funnel.steps:
        losses.update({reason: amount.documents for reason, amount in step.dropped.items() if amount.documents})
    lost = "; ".join(f"{reason}: {count}" for reason, count in losses.most_common(5)) or "nothing was dropped"
    return (
        f"Too little text to train on in {collection.title}: {last.kept.bytes:,} bytes in {last.kept.documents:,} "
        f"documents are left of {first.taken.bytes:,} bytes, and {LEAST_TEXT:,} are needed. Dropped: {lost}. "
        "Give more text."
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - began
