"""A piece of a file into documents; what is broken is counted by reason and left out, never fatal."""

from __future__ import annotations

import ast
import gc
import inspect
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.document import Document, parts
from aistack.frameworks.lab.data.piece import Piece

LONGEST_LINE = 1 << 22
"""Bytes; a longer line is no text that anyone wrote, and a longer JSON record is not held in memory."""
TOLERATED_DAMAGE = 1e-3
"""The share of a text's characters that may be undecodable before the text is dropped."""
TEXT_FIELDS = ("text", "content")

_UNDECODABLE = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of bytes that are no UTF-8."""


def read(piece: Piece, step: Step) -> Iterator[Document]:
    """The documents of `piece`; `step` counts them and what was left out."""
    readers = {
        "python": _python,
        "readme": _readme,
        "lines": _lines,
        "utf-16": _utf16,
        "jsonl": _jsonl,
        "parquet": _parquet,
    }
    names: Counter[str] = Counter()
    try:
        for name, text in readers[piece.kind](piece, step):
            for part in parts(text):
                kept = _repaired(part)
                if kept is None:
                    step.drop("broken encoding", len(part.encode("utf-8", "surrogatepass")))
                    continue
                step.keep(len(kept.encode("utf-8", "surrogatepass")))
                names[name] += 1
                suffix = f"#{names[name]}" if names[name] > 1 else ""
                yield Document(f"{piece.id}{name}{suffix}", kept, piece.source, piece.licence)
    except OSError:
        step.drop("cannot be read", piece.size)


Named = Iterator[tuple[str, str]]
"""Names within the piece, and texts; undecodable bytes are lone surrogates (`surrogateescape`)."""


def _python(piece: Piece, step: Step) -> Named:
    source = piece.path.read_bytes()
    # a syntax tree holds no cycles, but collecting garbage while its nodes are made takes most of the time
    collecting = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        found = list(_docstrings(tree, ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        step.drop("Python that does not parse", len(source))
        return
    finally:
        if collecting:
            gc.enable()
    yield from found


def _docstrings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Named:
    """Documentation of `node` and of what its body defines. Bodies are walked, expressions are not: they hold none."""
    match node.body:
        case [ast.Expr(ast.Constant(str(text))), *_] if text.strip():
            yield name, inspect.cleandoc(text)
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(child, f"{name}.{child.name}" if name else f":{child.name}")


def _readme(piece: Piece, step: Step) -> Named:
    """The description in a distribution's metadata: what follows the headers."""
    del step
    _, _, body = piece.path.read_text(encoding="utf-8", errors="surrogateescape").partition("\n\n")
    if body.strip():
        yield "", body


def _lines(piece: Piece, step: Step) -> Named:
    yield "", b"".join(_own_lines(piece, step)).decode("utf-8", "surrogateescape")


def _own_lines(piece: Piece, step: Step) -> Iterator[bytes]:
    """The lines that begin in this piece, whole: the last may reach into the next piece, which then starts after it."""
    with piece.path.open("rb") as handle:
        if piece.start:
            handle.seek(piece.start - 1)
            # the rest of a line that began in an earlier piece
            if not handle.readline(piece.size + 1).endswith(b"\n"):
                return
        while handle.tell() < piece.stop and (line := handle.readline(LONGEST_LINE)):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                size = len(line)
                while (rest := handle.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    size += len(rest)
                step.drop(f"a line over {LONGEST_LINE >> 20} MiB", size + len(rest))
                continue
            yield line


def _utf16(piece: Piece, step: Step) -> Named:
    content = piece.path.read_bytes()
    try:
        yield "", content.decode("utf-16")
    except UnicodeDecodeError:
        step.drop("broken encoding", len(content))


def _jsonl(piece: Piece, step: Step) -> Named:
    for number, line in enumerate(_own_lines(piece, step), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            step.drop("broken JSON", len(line))
            continue
        text = _text_of(record)
        if text is None:
            step.drop(f"JSON without a text in {' or '.join(map(repr, TEXT_FIELDS))}", len(line))
        else:
            yield f":{number}", text


def _text_of(record: object) -> str | None:
    if not isinstance(record, dict):
        return None
    return next((record[key] for key in TEXT_FIELDS if isinstance(record.get(key), str) and record[key]), None)


def _parquet(piece: Piece, step: Step) -> Named:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(piece.path) as table:
            column = text_column(table)
            batches = table.iter_batches(1024, row_groups=[piece.start], columns=[column])
            yield from _rows((value for batch in batches for value in batch.column(0).to_pylist()), step)
    except (pa.ArrowException, ValueError):
        step.drop("Parquet that is cut short or broken", piece.size)


def _rows(values: Iterable[str | None], step: Step) -> Named:
    for number, value in enumerate(values, 1):
        if value:
            yield f":{number}", value
        else:
            step.drop("empty field", 0)


def text_column(table: Any) -> str | None:
    """The column of a Parquet file that holds its text: `text` or `content`, else the string column of most bytes."""
    import pyarrow as pa

    strings = [
        field.name
        for field in table.schema_arrow
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    sizes: Counter[str] = Counter(dict.fromkeys(strings, 0))
    for group in range(table.metadata.num_row_groups):
        row_group = table.metadata.row_group(group)
        for index in range(row_group.num_columns):
            column = row_group.column(index)
            if column.path_in_schema in sizes:
                sizes[column.path_in_schema] += column.total_uncompressed_size
    for name in TEXT_FIELDS:
        if name in sizes:
            return name
    return max(strings, key=lambda name: sizes[name], default=None)


def _repaired(text: str) -> str | None:
    """`text` with a few undecodable bytes replaced by U+FFFD; None where there are too many."""
    if text.isascii():
        return text
    repaired, damage = _UNDECODABLE.subn("\ufffd", text)
    return None if damage > TOLERATED_DAMAGE * len(text) else repaired
