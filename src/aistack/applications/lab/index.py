"""The index: one SQLite file with the passages, their words (FTS5, BM25) and the vectors of those that have one."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aistack.applications.fusion import fuse
from aistack.applications.passages import Passage
from aistack.applications.prompt import plain
from aistack.errors import AistackError, BadInput
from aistack.files import replacing

Mode = Literal["lexical", "dense", "hybrid"]
Vectors = NDArray[np.float32]

# "AIst": what SQLite keeps in a file's header to say whose it is
_APPLICATION_ID = 0x41497374
_HEADER = b"SQLite format 3\x00"
# How deep each ranking goes that a hybrid search fuses.
_DEPTH = 100

TOKENIZE = 'tokenize = "porter unicode61 remove_diacritics 2"'
"""How FTS5 makes terms of words: Porter stems of letters and digits, without accents."""

_SCHEMA = f"""
PRAGMA page_size = 4096;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = 1;
CREATE TABLE passages (number INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, licence TEXT NOT NULL,
                       text TEXT NOT NULL);
CREATE TABLE vectors (number INTEGER PRIMARY KEY REFERENCES passages, vector BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (text, content = 'passages', content_rowid = 'number',
                                       {TOKENIZE});
"""

# Words so frequent that they cost time and say nothing about which passage is wanted.
_STOP_WORDS = """
a an and are as at be by can do does for from has have how i if in is it its may not of on or should so such that the
their them then there these they this to was what when where which who why will with would you your
"""
_STOP = frozenset(_STOP_WORDS.split())


class Encoder(Protocol):
    """Turns texts into vectors of length 1."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors [len(texts), width]."""


@dataclass(frozen=True)
class Found:
    """A passage that a search found, its number in the index, and its score: higher is better within one search."""

    passage: Passage
    number: int
    score: float


def build(path: Path, passages: Sequence[Passage], vectors: Mapping[int, NDArray[np.float32]] | None = None) -> None:
    """Write the index of `passages` to `path`, whole or not at all.

    `vectors` holds unit vectors by the passage's position in `passages`; passages without one are found by their words
    alone. Raises `BadInput` where there is nothing to index, and `OSError` where the disk is full.
    """
    if not passages:
        raise BadInput("There are no passages to index: the text is empty.")
    with replacing(path) as partial:
        connection = sqlite3.connect(partial)
        try:
            connection.executescript(_SCHEMA)
            with connection:
                connection.executemany(
                    "INSERT INTO passages VALUES (?, ?, ?, ?, ?)",
                    ((n, each.id, each.source, each.licence, _storable(each.text)) for n, each in enumerate(passages)),
                )
                connection.executemany(
                    "INSERT INTO vectors VALUES (?, ?)",
                    ((n, vector.astype("<f2").tobytes()) for n, vector in sorted((vectors or {}).items())),
                )
                connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
                connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            # merging left pages unused
            connection.execute("VACUUM")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise AistackError(
                f"The index cannot be written to {path}: {error}. SQLite needs its FTS5 part."
            ) from error
        finally:
            connection.close()


def match_expression(text: str) -> str:
    """What a user wrote as an FTS5 expression that finds passages with any of its words; empty where it has no words.

    Every word is quoted, so nothing in `text` can be taken for FTS5 syntax. A word that FTS5 splits, such as
    `max_iter`, becomes a phrase.
    """
    words = list(dict.fromkeys(re.findall(r"\w+", text.casefold())))[:64]
    telling = [word for word in words if word not in _STOP] or words
    return " OR ".join(f'"{word}"' for word in telling)


class Index:
    """An index opened for reading. Use `Index.open`, and close it or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection, encoder: Encoder | None) -> None:
        self.path = path
        self._connection = connection
        self._encoder = encoder
        with self._reading():
            (self.passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()
            rows = connection.execute("SELECT number, vector FROM vectors ORDER BY number").fetchall()
        self._numbers = np.array([number for number, _ in rows], dtype=np.int64)
        widths = {len(vector) for _, vector in rows}
        if len(widths) > 1:
            raise _damaged(path)
        self._vectors: Vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f2").astype(np.float32)
        if rows:
            self._vectors = self._vectors.reshape(len(rows), -1)

    @classmethod
    def open(cls, path: Path, encoder: Encoder | None = None) -> Index:
        """Open the index at `path`. `encoder` must be the one its vectors were made with; without it, words only.

        Raises `BadInput` where the file is missing, is no index, was cut short or is damaged.
        """
        try:
            with path.open("rb") as handle:
                header = handle.read(100)
        except OSError as error:
            raise BadInput(
                f"There is no index at {path} ({error.strerror}). A dive's applications stage builds one."
            ) from None
        if len(header) < 100 or not header.startswith(_HEADER):
            raise _damaged(path)
        page_size, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
        if (65536 if page_size == 1 else page_size) * pages != path.stat().st_size:
            raise _damaged(path)
        if int.from_bytes(header[68:72], "big") != _APPLICATION_ID:
            raise BadInput(f"{path} is an SQLite file, but no index of aistack.")
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            return cls(path, connection, encoder)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def vectors(self) -> int:
        """How many of the passages have a vector."""
        return len(self._numbers)

    @property
    def best_mode(self) -> Mode:
        """Hybrid where every passage has a vector and there is an encoder for questions, else lexical.

        With vectors for a part, a hybrid search would put that part's nearest passages, however far they are, level
        with the best of all.
        """
        return "hybrid" if self.vectors == self.passages and self._encoder is not None else "lexical"

    def search(self, query: str, k: int = 10, mode: Mode | None = None) -> list[Found]:
        """The `k` passages that suit `query` best, best first, ties by number; `mode` None is `best_mode`.

        - lexical: BM25 as SQLite computes it (k1 = 1.2, b = 0.75) over Porter stems, any word matching.
        - dense: cosine of the query's vector with every vector, exactly; passages without a vector cannot be found.
        - hybrid: reciprocal rank fusion of the first 100 (or `k`) of both.

        Raises `BadInput` where dense or hybrid is asked of an index without vectors, or without an encoder.
        """
        mode = mode or self.best_mode
        if mode == "lexical":
            scored = self._lexical(query, k)
        elif mode == "dense":
            scored = self._dense(query, k)
        else:
            depth = max(k, _DEPTH)
            scored = fuse([[n for n, _ in ranking(query, depth)] for ranking in (self._lexical, self._dense)])[:k]
        return [Found(self._passage(number), number, score) for number, score in scored]

    def _lexical(self, query: str, k: int) -> list[tuple[int, float]]:
        expression = match_expression(query)
        if not expression:
            return []
        with self._reading():
            rows = self._connection.execute(
                "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT ?", (expression, k)
            ).fetchall()
        return [(int(number), float(score)) for number, score in rows]

    def _dense(self, query: str, k: int) -> list[tuple[int, float]]:
        if self._encoder is None or not self.vectors:
            what = "was built without vectors" if not self.vectors else "was opened without an encoder"
            raise BadInput(f"{self.path} {what}, so it answers only lexical searches.")
        vector = self._encoder.encode([query])[0]
        if len(vector) != self._vectors.shape[1]:
            raise BadInput(f"The vectors of {self.path} were made with another encoder. Build the index again.")
        cosine = self._vectors @ vector
        best = np.argsort(-cosine, kind="stable")[:k]
        return [(int(self._numbers[each]), float(cosine[each])) for each in best]

    def _passage(self, number: int) -> Passage:
        with self._reading():
            row = self._connection.execute(
                "SELECT id, text, source, licence FROM passages WHERE number = ?", (number,)
            ).fetchone()
        if row is None:
            raise _damaged(self.path)
        # documents are strangers: what they hold must not reach a terminal or a prompt as a command
        return Passage(*map(plain, row))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path) from error


def _storable(text: str) -> str:
    """`text` without what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _damaged(path: Path) -> BadInput:
    return BadInput(f"The index {path} is damaged or cut short. Delete it and run the applications stage again.")
