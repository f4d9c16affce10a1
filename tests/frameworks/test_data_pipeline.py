"""The whole pipeline over real files: out comes what went in, less what is accounted for, the same every time."""

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from aistack.errors import BadInput
from aistack.frameworks.lab.data import pilot
from aistack.frameworks.lab.data.collection import Collection, collect
from aistack.frameworks.lab.data.given import given
from aistack.frameworks.lab.data.piece import sample
from aistack.frameworks.lab.data.pipeline import Built, build
from aistack.frameworks.lab.data.workers import pool
from aistack.frameworks.lab.shards import SPLITS, open_shards, unpack
from aistack.frameworks.yields import estimate, source_for

Prose = Callable[[int, int], str]


@pytest.fixture(scope="module")
def notes(prose: Prose, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 150 files of prose, with repeats, near-repeats, stubs, another language and broken records."""
    folder = tmp_path_factory.mktemp("text") / "notes"
    folder.mkdir()
    for number in range(150):
        (folder / f"{number:03}.txt").write_text(prose(number, 10))
    (folder / "again.txt").write_text(prose(7, 10))
    (folder / "nearly.txt").write_text(prose(8, 10).replace("function", "procedure", 1) + " And so on.")
    (folder / "stub.md").write_text("Too short.")
    german = "Die Eigenwerte einer symmetrischen Matrix sind reell, und ihre Eigenvektoren bilden eine Basis. "
    (folder / "german.md").write_text(german + "Man findet sie, indem man die Gleichung nach und nach aufstellt. " * 2)
    records = [json.dumps({"text": prose(1000 + number, 10)}) for number in range(20)]
    (folder / "records.jsonl").write_text("\n".join([*records, '{"text": "cut']))
    (folder / "literal.txt").write_text("The token <|endoftext|> is spelled in this text. " + prose(2000, 10))
    return folder


@pytest.fixture(scope="module")
def collection(notes: Path) -> Collection:
    return collect([notes])


@pytest.fixture(scope="module")
def built(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    folder = tmp_path_factory.mktemp("built")
    return folder, build(collection, collection.pieces, folder, seq_len=64, seed=3)


def documents(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "documents.jsonl").read_text().splitlines()]


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_was_dropped_is_what_was_planted(built: tuple[Path, Built]) -> None:
    folder, result = built
    dropped = {
        reason: amount.documents
        for step in result.funnel.steps
        for reason, amount in step.dropped.items()
        if amount.documents
    }
    assert dropped == {
        "broken JSON": 1,
        "shorter than 200 characters": 1,
        "the same text again": 1,
        "nearly the same text again": 1,
        "in de": 1,
    }
    kept = documents(folder)
    assert len(kept) == result.funnel.steps[-1].kept.documents == 171
    assert result.funnel.steps[0].taken.documents == 171 + 5
    assert sum(len(each["text"].encode()) for each in kept) == result.funnel.steps[-1].kept.bytes


def test_the_shards_hold_the_documents_and_nothing_else(built: tuple[Path, Built]) -> None:
    folder, result = built
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    for part in SPLITS:
        stream = unpack(open_shards(folder / "shards", part).arrays)
        ends = np.flatnonzero(stream == 0)
        assert ends[0] == 0
        texts = [tokenizer.decode(stream[a + 1 : b].tolist()) for a, b in pairwise(ends)]
        expected = {each["text"] for each in documents(folder) if each["split"] == part}
        # the last document may be cut by the end of the last sequence
        assert set(texts) <= expected and len(expected) - len(texts) <= 1
        counted = sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
        assert counted <= result.streams[part].tokens
    validation = result.streams["validation"]
    assert validation.bytes == sum(len(each["text"].encode()) for each in documents(folder) if each["split"] != "train")
    assert validation.bytes_per_token == validation.bytes / validation.tokens


def test_the_same_input_and_seed_give_the_same_bytes(
    collection: Collection, built: tuple[Path, Built], tmp_path: Path
) -> None:
    folder, _ = built
    with pool(2) as executor:
        build(collection, collection.pieces, tmp_path / "two", seq_len=64, seed=3, executor=executor, workers=2)
    assert hashes(tmp_path / "two") == hashes(folder)
    build(collection, collection.pieces, tmp_path / "other", seq_len=64, seed=4)
    other = hashes(tmp_path / "other")
    assert other["documents.jsonl"] == hashes(folder)["documents.jsonl"]
    assert other["shards/train-00000.npy"] != hashes(folder)["shards/train-00000.npy"]


def test_a_second_run_in_the_same_folder_replaces_the_first(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "train-00007.npy").write_bytes(b"left by a killed attempt")
    (tmp_path / "candidates.partial").write_text("half a rec")
    build(collection, collection.pieces, tmp_path, seq_len=64)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "DATA_CARD.md",
        "documents.jsonl",
        "shards",
        "tokenizer",
    ]
    assert not (tmp_path / "shards" / "train-00007.npy").exists()


def test_the_card_and_the_manifest_say_what_happened(built: tuple[Path, Built]) -> None:
    folder, _ = built
    card = (folder / "DATA_CARD.md").read_text()
    for words in ("the same text again", "in de", "broken JSON", "Licence", "notes/records.jsonl", "171 documents"):
        assert words in card
    manifest = json.loads((folder / "shards" / "manifest.json").read_text())
    tokenizer = hashlib.sha256((folder / "tokenizer" / "tokenizer.json").read_bytes()).hexdigest()
    assert manifest["tokenizer_sha256"] == tokenizer
    assert sum(source["documents"] for source in manifest["sources"].values()) == 171
    assert {source["licence"] for source in manifest["sources"].values()} == {"unknown"}
    texts = [each["text"] for each in documents(folder) if each["source"] == "notes/000.txt"]
    digest = hashlib.sha256(b"".join(text.encode() + b"\0" for text in texts)).hexdigest()
    assert manifest["sources"]["notes/000.txt"]["sha256"] == digest


def test_too_little_text_says_what_was_found_and_needed(prose: Prose, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(prose(1, 30))
    (tmp_path / "b.txt").write_text("short")
    with pytest.raises(BadInput, match=r"Too little text.*100,000 are needed"):
        collect([tmp_path])
    # enough on the disk, but not of what can be learned from
    (tmp_path / "c.txt").write_text("".join(f"{number} {number * number}\n" for number in range(10_000)))
    small = collect([tmp_path])
    with pytest.raises(BadInput, match=r"100,000 are needed.*shorter than 200 characters: 1") as caught:
        build(small, small.pieces, tmp_path / "out")
    assert caught.value.exit_status == 2
    assert not (tmp_path / "out" / "shards").exists() and not list((tmp_path / "out").iterdir())


def test_one_large_file_is_enough(prose: Prose, tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("\n\n".join(prose(number, 20) for number in range(100)))
    book = collect([path])
    result = build(book, book.pieces, tmp_path / "out", seq_len=64)
    assert result.funnel.steps[-1].kept.documents > 10
    assert len(open_shards(tmp_path / "out" / "shards", "validation")) > 10


def test_a_sample_represents_every_source(collection: Collection) -> None:
    assert sample(collection.pieces, 1e12, "x") == list(collection.pieces)
    assert len(sample(collection.pieces, 1, "x")) == 1
    half = sample(collection.pieces, collection.size / 2, "x")
    assert half == sample(collection.pieces, collection.size / 2, "x")
    assert len({tuple(sample(collection.pieces, collection.size / 5, salt)) for salt in "abcdef"}) > 1
    assert 0.35 < sum(piece.size for piece in half) / collection.size < 0.65
    assert [piece for piece in collection.pieces if piece in half] == half


def test_a_pilot_predicts_even_text_well(prose: Prose, tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.txt").write_text(prose(number, 10))
    even = collect([tmp_path])
    tried = pilot.measure(even.pieces, 1e6, 1e9, "pilot")
    assert tried is not None and tried.read_bytes < 0.3 * even.size
    expected = estimate(tried, even.size, workers=1, held_back=0.04)
    result = build(even, even.pieces, tmp_path / "out")
    assert expected.documents == pytest.approx(result.funnel.steps[-1].kept.documents, rel=0.1)
    assert expected.bytes == pytest.approx(result.funnel.steps[-1].kept.bytes, rel=0.1)
    assert expected.bytes_per_token == pytest.approx(result.streams["validation"].bytes_per_token, rel=0.15)
    assert source_for(tried, expected.bytes) == pytest.approx(even.size)


def test_a_pilot_of_next_to_nothing_predicts_nothing(prose: Prose, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(prose(1, 10))
    pieces, _ = given([tmp_path])
    assert pilot.measure(pieces, 1e6, 1e6, "pilot") is None
