"""Traces of requests: public ones by name, and users' own files.

A table (CSV) has one request a row, an object a line does as well (JSONL); columns go by the names of the public traces
and simulators, in upper or lower case:

- arrival: `arrival`, `arrived_at`, `arrival_timestamp` in seconds; `timestamp` as date and time or in seconds, in JSONL
  in milliseconds (as Mooncake writes it)
- prompt's tokens: `prompt`, `prompt_tokens`, `prompt_size`, `ContextTokens`, `input_length`, `num_prefill_tokens`,
  `Request tokens`
- answer's tokens: `output`, `output_tokens`, `token_size`, `GeneratedTokens`, `output_length`, `num_decode_tokens`,
  `Response tokens`
- optional, in JSONL: `hash_ids`, the names of the prompt's blocks of 512 tokens, first to last
"""

from __future__ import annotations

import csv
import functools
import gzip
import json
import lzma
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from aistack.errors import BadInput, UnknownName
from aistack.serving import prefix_cache
from aistack.serving.requests import Requests

ARRIVAL = ("arrival", "arrived_at", "arrival_timestamp", "timestamp")
PROMPT = ("prompt", "prompt_tokens", "prompt_size", "contexttokens", "input_length", "num_prefill_tokens",
          "request tokens")  # fmt: skip
OUTPUT = ("output", "output_tokens", "token_size", "generatedtokens", "output_length", "num_decode_tokens",
          "response tokens")  # fmt: skip
BLOCK = 512
"""Tokens of a block that `hash_ids` names."""

_LARGEST = 512 * 1024 * 1024
_MOST_TOKENS = 10**9
_DATA = files("aistack.serving") / "data" / "traces"


@dataclass(frozen=True)
class Source:
    """Where a public trace comes from."""

    name: str
    file: str
    title: str
    publisher: str
    paper: str
    source: str
    date: str
    licence: str
    sha256: str
    """Of the file as published, uncompressed."""
    about: str


@dataclass(frozen=True)
class Trace:
    """A trace as it was read."""

    requests: Requests
    """None of them cached; the first arrives at 0 s."""
    blocks: tuple[tuple[int, ...], ...] | None = None
    """Names of each prompt's blocks of `BLOCK` tokens, where the trace has them."""
    source: Source | None = None
    """Of a public trace."""

    def with_prefix_cache(self, tokens: float = math.inf) -> Requests:
        """The requests with what a prefix cache of so many tokens holds of each, whatever else it has to hold.

        Raises `BadInput` without blocks.
        """
        capacity = None if math.isinf(tokens) else int(tokens // BLOCK)
        found = prefix_cache.estimate(self._named(), capacity) * BLOCK
        asked = self.requests
        return Requests(asked.arrival, asked.prompt, asked.output, np.minimum(found, asked.prompt - 1))

    def sharing(self) -> Requests:
        """The requests with their whole blocks, of which engines find what their caches still hold.

        Raises `BadInput` without blocks.
        """
        whole = (self.requests.prompt // BLOCK).tolist()
        named = prefix_cache.chained(self._named())
        blocks = tuple(names[:count] for names, count in zip(named, whole, strict=True))
        return replace(self.requests, blocks=blocks, block=BLOCK)

    def _named(self) -> tuple[tuple[int, ...], ...]:
        if self.blocks is None:
            raise BadInput("This trace does not say what its prompts share (hash_ids), so no prefix cache can hold it.")
        return self.blocks


@functools.cache
def sources() -> Mapping[str, Source]:
    """The public traces by name."""
    listed: dict[str, dict[str, Any]] = yaml.safe_load((_DATA / "sources.yaml").read_text(encoding="utf-8"))
    return {name: Source(name=name, **{**entry, "date": str(entry["date"])}) for name, entry in listed.items()}


@functools.cache
def public(name: str) -> Trace:
    """The public trace called `name`. Raises `UnknownName`."""
    if name not in sources():
        raise UnknownName("trace", name, sources())
    source = sources()[name]
    requests, blocks = _read((_DATA / source.file).read_bytes(), source.file)
    return Trace(requests, blocks, source)


def trace(name: str) -> Trace:
    """A public trace by its name, or a file by its path.

    Raises `UnknownName` for what is neither, and `BadInput` for a file that is no trace, with line and column.
    """
    path = Path(name)
    if name in sources():
        return public(name)
    if not path.suffix and not path.exists():
        raise UnknownName("trace (nor a file)", name, sources())
    return read(path)


def read(path: Path) -> Trace:
    """The trace in a file: CSV or JSONL, perhaps compressed (.gz, .xz). Raises `BadInput` with line and column."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadInput(f"{path} is larger than {_LARGEST // 2**20} MiB; give a part of it.")
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"Cannot read the trace {path}: {error.strerror or error}.") from None
    return Trace(*_read(content, str(path)))


def _read(content: bytes, name: str) -> tuple[Requests, tuple[tuple[int, ...], ...] | None]:
    text = _text(content, name)
    stem = name.removesuffix(".gz").removesuffix(".xz")
    lines = stem.endswith((".jsonl", ".ndjson"))
    rows = _objects(text, name) if lines else _table(text, name)
    arrival, prompt, output = list[float](), list[int](), list[int]()
    blocks = list[tuple[int, ...]]()
    for line, row in rows:
        place = f"{name}, line {line}"
        arrival.append(_time(row, place, 1e-3 if lines else 1.0))
        if len(arrival) > 1 and arrival[-1] < arrival[-2]:
            raise BadInput(f"{place}: the request arrives before the one above it; sort the rows by time.")
        prompt.append(_tokens(row, PROMPT, place))
        output.append(_tokens(row, OUTPUT, place))
        if "hash_ids" in row:
            blocks.append(_names(row["hash_ids"], place))
    if not arrival:
        raise BadInput(f"{name} has no request in it.")
    if blocks and len(blocks) != len(arrival):
        raise BadInput(
            f"{name}: {len(arrival) - len(blocks)} of {len(arrival)} requests have no hash_ids; all or none."
        )
    times = np.array(arrival) - arrival[0]
    requests = Requests(times, np.array(prompt, np.int64), np.array(output, np.int64))
    return requests, tuple(blocks) or None


def _text(content: bytes, name: str) -> str:
    try:
        if name.endswith(".xz"):
            content = lzma.decompress(content)
        elif name.endswith(".gz"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (lzma.LZMAError, OSError, EOFError, zlib.error):
        raise BadInput(f"{name} is not a whole compressed file.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not text in UTF-8: byte {error.start} cannot be read.") from None


def _table(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv.reader(text.splitlines())
    header = [column.strip().casefold() for column in next(rows, [])]
    _columns(header, f"{name}, line 1")
    try:
        for cells in rows:
            if not cells:
                continue
            if len(cells) != len(header):
                raise BadInput(f"{name}, line {rows.line_num}: {len(cells)} values under {len(header)} columns.")
            yield rows.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise BadInput(f"{name}, line {rows.line_num}: {error}.") from None


def _objects(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, each in enumerate(text.splitlines(), 1):
        if not each.strip():
            continue
        try:
            row = json.loads(each)
        except (json.JSONDecodeError, RecursionError):
            raise BadInput(f"{name}, line {line} is not valid JSON.") from None
        if not isinstance(row, dict):
            raise BadInput(f"{name}, line {line} is not a JSON object.")
        found = {key.casefold(): value for key, value in row.items()}
        _columns(list(found), f"{name}, line {line}")
        yield line, found


def _columns(found: Sequence[str], place: str) -> None:
    for what, known in (("arrival", ARRIVAL), ("prompt", PROMPT), ("output", OUTPUT)):
        if not any(column in found for column in known):
            shown = ", ".join(found) or "none"
            raise BadInput(
                f"{place}: there is no column for the {what}. It is called one of {', '.join(known)}; found: {shown}."
            )


def _cell(row: Mapping[str, Any], known: Sequence[str]) -> tuple[str, Any]:
    column = next(column for column in known if column in row)
    return column, row[column]


def _time(row: Mapping[str, Any], place: str, unit: float) -> float:
    column, value = _cell(row, ARRIVAL)
    seconds = _number(value)
    if seconds is None and isinstance(value, str) and column == "timestamp":
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            pass
        else:
            return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)).total_seconds()
    if seconds is None:
        raise BadInput(f"{place}: {column} is {value!r}; it must be a time.")
    if seconds < 0:
        raise BadInput(f"{place}: {column} is {value}; a time cannot be negative.")
    return seconds * (unit if column == "timestamp" else 1.0)


def _tokens(row: Mapping[str, Any], known: Sequence[str], place: str) -> int:
    column, value = _cell(row, known)
    number = _number(value)
    if number is None or number != int(number) or not 0 <= number <= _MOST_TOKENS:
        raise BadInput(f"{place}: {column} is {value!r}; it must be a whole number of tokens.")
    if number == 0:
        raise BadInput(f"{place}: {column} is 0; a request has 1 token or more. Leave out requests that failed.")
    return int(number)


def _number(value: object) -> float | None:
    """A finite number, from text as well; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _names(value: object, place: str) -> tuple[int, ...]:
    if not isinstance(value, list) or any(isinstance(each, bool) or not isinstance(each, int) for each in value):
        raise BadInput(f"{place}: hash_ids must be a list of whole numbers.")
    return tuple(value)
