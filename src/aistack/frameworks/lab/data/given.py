"""The user's own text: files and folders, looked at before anything is read, so that every problem has its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aistack.errors import BadInput, nearest
from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.licences import UNKNOWN
from aistack.frameworks.lab.data.piece import Kind, Piece
from aistack.frameworks.lab.data.read import text_column

KINDS: dict[str, Kind] = {
    ".txt": "lines",
    ".text": "lines",
    ".md": "lines",
    ".rst": "lines",
    ".py": "python",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
}
PIECE = 1 << 17
"""Bytes of a big file that one worker reads at a time."""
SNIFFED = 8192
FEW_FILES = 200


def given(paths: Sequence[Path]) -> tuple[list[Piece], Step]:
    """The pieces of all readable files in `paths`, and the account of the files.

    Raises `BadInput` for a path that does not exist.
    """
    files = Step("find files")
    found: list[tuple[Path, tuple[str, ...]]] = []
    for path, name in zip(paths, _names(paths), strict=True):
        if not path.exists():
            raise BadInput(_missing(path))
        inside = _walk(path, files) if path.is_dir() else iter((path,))
        found.extend((file, (name, *file.relative_to(path).parts)) for file in inside)
    pieces = []
    for file, parts in found:
        # a source is what a person would name: a file while they are few, else the folder they lie in
        source = parts[:2] if len(found) <= FEW_FILES else parts[: min(2, max(1, len(parts) - 1))]
        pieces.extend(_pieces(file, _printable("/".join(parts)), _printable("/".join(source)), files))
    return pieces, files


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name for each path: its last part, or all of it where two would be the same."""
    short = [path.resolve().name or str(path) for path in paths]
    return [name if short.count(name) == 1 else str(path) for path, name in zip(paths, short, strict=True)]


def _printable(name: str) -> str:
    """`name` with the bytes that are no UTF-8 replaced: a file's name may hold any."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _missing(path: Path) -> str:
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), Path("/"))
    wanted = path.absolute().relative_to(folder).parts[0]
    try:
        near = nearest(wanted, (entry.name for entry in folder.iterdir()))
    except OSError:
        near = ()
    hint = f" Nearest in {folder}: {', '.join(near)}." if near else f" {folder} holds nothing of a similar name."
    return f"There is no file or folder {path}.{hint}"


def _walk(folder: Path, files: Step) -> Iterator[Path]:
    seen = {_identity(folder)}

    def unreadable(error: OSError) -> None:
        del error
        files.drop("folder that cannot be opened", 0)

    for parent, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        kept = []
        for name in sorted(folders):
            identity = _identity(Path(parent, name))
            if identity in seen:
                files.drop("folder reached before, through a link", 0)
            elif name.startswith("."):
                files.drop("hidden folder", 0)
            else:
                seen.add(identity)
                kept.append(name)
        folders[:] = kept
        yield from (Path(parent, name) for name in sorted(names))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _pieces(path: Path, name: str, source: str, files: Step) -> list[Piece]:
    kind = KINDS.get(path.suffix.lower())
    try:
        if not path.is_file():
            files.drop("broken link or no plain file", 0)
            return []
        size = path.stat().st_size
        if kind is None:
            files.drop("kind that is not read (" + (path.suffix.lower() or "no suffix") + ")", size)
            return []
        if size == 0:
            files.drop("empty", 0)
            return []
        with path.open("rb") as handle:
            head = handle.read(SNIFFED)
    except OSError:
        files.drop("cannot be opened", 0)
        return []
    if kind == "parquet":
        return _row_groups(path, name, source, size, files)
    if kind == "lines" and head.startswith((b"\xff\xfe", b"\xfe\xff")):
        kind = "utf-16"
    elif b"\0" in head:
        files.drop("binary", size)
        return []
    files.keep(size)
    step = PIECE if kind in ("lines", "jsonl") else size
    starts = range(0, size, step)
    return [
        Piece(path, kind, name if size <= step else f"{name}@{start}", source, UNKNOWN, start, stop, stop - start)
        for start in starts
        for stop in (min(start + step, size),)
    ]


def _row_groups(path: Path, name: str, source: str, size: int, files: Step) -> list[Piece]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            column = text_column(table)
            groups = table.metadata.num_row_groups
    except (pa.ArrowException, OSError):
        files.drop("Parquet that is cut short or broken", size)
        return []
    if column is None:
        files.drop("Parquet without a column of text", size)
        return []
    if groups == 0:
        files.drop("empty", size)
        return []
    files.keep(size)
    return [
        Piece(path, "parquet", f"{name}@{group}", source, UNKNOWN, group, group + 1, size // groups)
        for group in range(groups)
    ]
