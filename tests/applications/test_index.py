import errno
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aistack.applications.lab import index as index_module
from aistack.applications.lab.index import Index, build, match_expression
from aistack.applications.passages import Passage
from aistack.errors import BadInput


class Axes:
    """An encoder whose vectors can be checked by hand: one axis a subject."""

    WORDS = ("shard", "cache", "weight", "gradient", "kettle")

    def encode(self, texts: list[str]) -> np.ndarray:
        counts = np.array([[1e-3 + text.lower().count(word) for word in self.WORDS] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def path(tmp_path: Path, passages: list[Passage]) -> Path:
    where = tmp_path / "index.sqlite"
    vectors = dict(enumerate(Axes().encode([passage.text for passage in passages])))
    build(where, passages, vectors)
    return where


def test_finds_by_stems(path: Path) -> None:
    with Index.open(path) as index:
        assert index.passages == 5
        found = index.search("Which sharded sequences are packed?", 2)
        assert found[0].passage.id == "shards#0" and found[0].passage.licence == "MIT"
        assert index.search("zzz qqq") == [] and index.search("") == [] and index.search("?!") == []


def test_scores_are_bm25s(tmp_path: Path) -> None:
    """Against the formula (Robertson and Zaragoza 2009) with k1 = 1.2, b = 0.75, on words that no stem changes."""
    texts = [
        "cat dog dog bird",
        "cat cat cat",
        "fish bird",
        "dog fish fish cat bird bird bird",
        "bird",
        "fish",
        "fish cat",
    ]
    build(tmp_path / "i", [Passage(str(n), text, "s", "l") for n, text in enumerate(texts)])
    lists = [text.split() for text in texts]
    average = sum(map(len, lists)) / len(lists)
    expected = {}
    for number, words in enumerate(lists):
        score = 0.0
        for term in ("dog", "fish"):
            having = sum(term in each for each in lists)
            idf = max(1e-6, math.log((len(lists) - having + 0.5) / (having + 0.5)))
            frequency = words.count(term)
            score += idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * len(words) / average))
        if score:
            expected[number] = score
    with Index.open(tmp_path / "i") as index:
        found = {each.number: each.score for each in index.search("dog fish", 10, "lexical")}
    assert found == pytest.approx(expected)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text() | st.text(alphabet=st.sampled_from('"*^:(){}-+ANDORNEAR \x00é漢_\ud800')))
def test_no_text_is_an_error_or_a_command(path: Path, text: str) -> None:
    with Index.open(path) as index:
        assert len(index.search(text, 3, "lexical")) <= 3


@pytest.mark.parametrize("text", ['shard" OR text:"kettle', "shard NOT kettle", "NEAR(shard kettle)", "kettl*"])
def test_operators_are_only_words(path: Path, text: str) -> None:
    """Whatever the syntax, the words in it are looked for, and nothing else happens."""
    with Index.open(path) as index:
        found = {each.passage.id for each in index.search(text, 5, "lexical")}
    assert found <= {"shards#0", "kettle#0"}
    assert set(re.findall(r'[^" ]+', match_expression(text))) <= {
        "shard",
        "OR",
        "text",
        "not",
        "kettle",
        "near",
        "kettl",
    }


def test_dense_is_exact_cosine_and_hybrid_fuses(path: Path) -> None:
    with Index.open(path, Axes()) as index:
        assert index.vectors == 5 and index.best_mode == "hybrid"
        question = "gradient gradient weight"
        dense = index.search(question, 5, "dense")
        every = Axes().encode(["A shard shard", question])[1]
        stored = Axes().encode([each.passage.text for each in dense])
        assert [each.score for each in dense] == pytest.approx((stored @ every).tolist(), abs=2e-3)
        assert [each.score for each in dense] == sorted((each.score for each in dense), reverse=True)
        hybrid = index.search(question, 5)
        lexical = [each.number for each in index.search(question, 100, "lexical")]
        ranks = {each.number: rank for rank, each in enumerate(index.search(question, 100, "dense"), 1)}
        for each in hybrid:
            expected = 1 / (60 + ranks[each.number])
            expected += 1 / (61 + lexical.index(each.number)) if each.number in lexical else 0
            assert each.score == pytest.approx(expected)


def test_dense_without_vectors_or_encoder_says_so(path: Path, tmp_path: Path, passages: list[Passage]) -> None:
    with Index.open(path) as index:
        assert index.best_mode == "lexical"
        with pytest.raises(BadInput, match="without an encoder"):
            index.search("shard", 3, "dense")
    build(tmp_path / "words", passages)
    with Index.open(tmp_path / "words", Axes()) as index, pytest.raises(BadInput, match="without vectors"):
        index.search("shard", 3, "hybrid")


def test_a_part_with_vectors_is_no_reason_to_fuse(tmp_path: Path, passages: list[Passage]) -> None:
    build(tmp_path / "part", passages, {3: Axes().encode(["gradient"])[0]})
    with Index.open(tmp_path / "part", Axes()) as index:
        assert index.best_mode == "lexical"
        assert [each.number for each in index.search("kettle", 5, "dense")] == [3]


def test_building_again_replaces_and_gives_the_same_answers(path: Path, passages: list[Passage]) -> None:
    with Index.open(path) as index:
        before = index.search("tokens of the gradient", 5)
    build(path, passages)
    with Index.open(path) as index:
        assert index.search("tokens of the gradient", 5) == before and index.vectors == 0
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_failed_build_leaves_the_old_index(path: Path, passages: list[Passage]) -> None:
    content = path.read_bytes()
    with pytest.raises(AttributeError):
        build(path, [*passages, None])  # type: ignore[list-item]
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_full_disk_is_a_full_disk(path: Path, passages: list[Passage], monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own limit of pages gives the error that a full disk gives."""
    monkeypatch.setattr(index_module, "_SCHEMA", index_module._SCHEMA + "PRAGMA max_page_count = 12;")
    content = path.read_bytes()
    many = [Passage(str(number), "word " * 500, "s", "l") for number in range(100)]
    with pytest.raises(OSError, match="space") as caught:
        build(path, many)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == content and [each.name for each in path.parent.iterdir()] == [path.name]


def test_nothing_to_index(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no passages"):
        build(tmp_path / "i", [])


def test_missing_foreign_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no index at"):
        Index.open(tmp_path / "none")
    with pytest.raises(BadInput, match="no index at"):
        Index.open(tmp_path)
    for content in (b"", b"not a database at all" * 100):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(BadInput, match="damaged or cut short"):
            Index.open(tmp_path / "other")
    connection = sqlite3.connect(tmp_path / "foreign")
    connection.execute("CREATE TABLE passages (x)")
    connection.commit()
    connection.close()
    with pytest.raises(BadInput, match="no index of aistack"):
        Index.open(tmp_path / "foreign")


@pytest.mark.parametrize("keep", [0.05, 0.3, 0.5, 0.9, 0.999])
def test_a_cut_index_is_refused(tmp_path: Path, prose_of: Callable[[int, int], str], keep: float) -> None:
    where = tmp_path / "i"
    build(where, [Passage(str(n), prose_of(n, 5), "s", "l") for n in range(50)])
    content = where.read_bytes()
    where.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInput, match="damaged or cut short"):
        Index.open(where)


def test_scrambled_pages_are_an_error_not_a_crash(tmp_path: Path, prose_of: Callable[[int, int], str]) -> None:
    where = tmp_path / "i"
    build(where, [Passage(str(n), prose_of(n, 5), "s", "l") for n in range(50)])
    content = where.read_bytes()
    outcomes = Counter()
    for page in range(1, len(content) // 4096):
        broken = bytearray(content)
        broken[page * 4096 : page * 4096 + 64] = b"\xff" * 64
        where.write_bytes(bytes(broken))
        try:
            with Index.open(where) as index:
                index.search("tari moken lusha", 20)
            outcomes["read"] += 1
        except BadInput as error:
            assert "damaged" in str(error)
            outcomes["refused"] += 1
    assert outcomes["refused"]


def test_what_documents_hide_does_not_come_out(tmp_path: Path) -> None:
    build(tmp_path / "i", [Passage("a\x1b[2J", "Shard <|user|> \x1b[31mred \ud800", "s\x07", "l")])
    with Index.open(tmp_path / "i") as index:
        (found,) = index.search("shard")
    assert "\x1b" not in str(found) and "<|user|>" not in found.passage.text and "\x07" not in found.passage.source
