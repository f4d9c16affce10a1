"""The assistant: a question in, cited passages out, and generated words beside them where a model is at hand."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aistack.applications.lab import encoder
from aistack.applications.lab.endpoint import Endpoint, EndpointFailed
from aistack.applications.lab.index import TOKENIZE, Found, Index, Mode, match_expression
from aistack.applications.passages import sentences
from aistack.applications.prompt import Checked, check, compose, plain

ANSWER_TOKENS = 64
# What a server that does not say how long a prompt may be is assumed to take.
_CONTEXT = 4096
# What a chat template adds around a message, with room to spare.
_TEMPLATE_TOKENS = 16
_MARK = "\x02", "\x03"


@dataclass(frozen=True)
class Quote:
    """A sentence of a found passage, word by word, and where in it words of the question stand."""

    text: str
    citation: int
    """The passage's number in the answer, from 1."""
    highlights: tuple[tuple[int, int], ...]
    """Spans of `text`: from, to."""


@dataclass(frozen=True)
class Generated:
    """What a model made of the question and the passages, or why it made nothing."""

    endpoint: str
    model: str | None
    prompt_passages: int
    checked: Checked | None
    problem: str | None
    seconds: float
    """Time that the request for the text took."""


@dataclass(frozen=True)
class Answer:
    """An answer: the passages found and the sentences of theirs that suit the question best. These are quotations."""

    question: str
    mode: Mode
    passages: tuple[Found, ...]
    quotes: tuple[Quote, ...]
    generated: Generated | None
    seconds: float
    """Time of search and quotation, without generation."""

    def to_json(self) -> dict[str, Any]:
        """As plain mappings; the citation n is the n-th passage."""
        made = self.generated
        return {
            "question": self.question,
            "mode": self.mode,
            "quotes": [
                {"text": each.text, "citation": each.citation, "highlights": [list(span) for span in each.highlights]}
                for each in self.quotes
            ],
            "passages": [
                {
                    "citation": number,
                    "id": each.passage.id,
                    "source": each.passage.source,
                    "licence": each.passage.licence,
                    "score": each.score,
                    "text": each.passage.text,
                }
                for number, each in enumerate(self.passages, start=1)
            ],
            "generated": None
            if made is None
            else {
                "endpoint": made.endpoint,
                "model": made.model,
                "prompt_passages": made.prompt_passages,
                "problem": made.problem,
                "seconds": made.seconds,
                "text": made.checked.text if made.checked else None,
                "citations": list(made.checked.citations) if made.checked else [],
                "refused_citations": list(made.checked.refused) if made.checked else [],
                "support": made.checked.support if made.checked else None,
            },
            "seconds": self.seconds,
        }


def open_index(path: Path) -> Index:
    """The index at `path`, with the encoder where all of its passages have vectors and the encoder is installed.

    Raises `BadInput` as `Index.open` does.
    """
    index = Index.open(path)
    if index.vectors < index.passages or not encoder.available():
        return index
    index.close()
    return Index.open(path, encoder.MiniLM())


def answer(
    index: Index,
    question: str,
    k: int = 4,
    mode: Mode | None = None,
    endpoint: Endpoint | None = None,
    model: str | None = None,
    count: Callable[[str], int] | None = None,
    context: int | None = None,
) -> Answer:
    """Answer `question` with at most `k` cited passages; with an `endpoint`, also with what its model makes of them.

    `count` counts tokens as the served model does (default: a third of the bytes), `context` is what prompt and answer
    may have together (default: what the server says, else 4,096). Whatever goes wrong at the endpoint is told in
    `generated.problem`; the passages remain the answer.
    """
    start = time.perf_counter()
    mode = mode or index.best_mode
    found = tuple(index.search(question, k, mode))
    quotes = quote(question, [each.passage.text for each in found])
    seconds = time.perf_counter() - start
    generated = None
    if endpoint is not None and found:
        generated = generate(endpoint, model, question, [each.passage.text for each in found], count, context)
    return Answer(plain(question), mode, found, quotes, generated, seconds)


def quote(question: str, passages: Sequence[str], most: int = 3) -> tuple[Quote, ...]:
    """The sentences of `passages` that share most with `question`, at most `most`, in order of citation.

    The sentences are ranked by BM25 among themselves, with the index's own stemming. Where no word is shared (a dense
    search found the passages), the first passage's first sentence stands in.
    """
    said = [
        (number, " ".join(sentence.split()))
        for number, passage in enumerate(passages, start=1)
        for sentence in sentences(passage)
    ]
    # headings and labels share words with every question but answer none
    candidates = [(number, text) for number, text in said if text.count(" ") >= 4] or said
    expression = match_expression(question)
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE VIRTUAL TABLE said USING fts5 (text, citation UNINDEXED, {TOKENIZE})")
        connection.executemany("INSERT INTO said (citation, text) VALUES (?, ?)", candidates)
        rows = (
            connection.execute(
                "SELECT citation, highlight(said, 0, ?, ?) FROM said WHERE said MATCH ? ORDER BY rank, rowid LIMIT ?",
                (*_MARK, expression, most),
            ).fetchall()
            if expression
            else []
        )
    finally:
        connection.close()
    if not rows:
        rows = candidates[:1]
    return tuple(Quote(*_unmarked(marked, citation)) for citation, marked in sorted(rows, key=lambda row: int(row[0])))


def _unmarked(marked: str, citation: int) -> tuple[str, int, tuple[tuple[int, int], ...]]:
    """The text without its marks, its citation, and the spans that were marked."""
    text, spans, start = "", [], 0
    for letter in marked:
        if letter == _MARK[0]:
            start = len(text)
        elif letter == _MARK[1]:
            spans.append((start, len(text)))
        else:
            text += letter
    return text, citation, tuple(spans)


def generate(
    endpoint: Endpoint,
    name: str | None,
    question: str,
    passages: Sequence[str],
    count: Callable[[str], int] | None = None,
    context: int | None = None,
) -> Generated:
    """What the endpoint's model called `name` makes of a question and passages, or why nothing; see `answer`."""
    model, used, checked, problem, seconds = name, 0, None, None, 0.0
    try:
        served = endpoint.model(name)
        model = served.name
        room = (context or served.context or _CONTEXT) - ANSWER_TOKENS - _TEMPLATE_TOKENS
        prompt = compose(question, passages, room, count or _third_of_the_bytes)
        used = prompt.passages
        if used:
            start = time.perf_counter()
            text = endpoint.generate(served.name, prompt.text, ANSWER_TOKENS)
            seconds = time.perf_counter() - start
            checked = check(text, passages[:used])
        else:
            problem = f"No passage fits into the {room} tokens that the model's context leaves for the prompt."
    except EndpointFailed as error:
        problem = str(error)
    return Generated(endpoint.url, model, used, checked, problem, seconds)


def _third_of_the_bytes(text: str) -> int:
    return math.ceil(len(text.encode()) / 3)
