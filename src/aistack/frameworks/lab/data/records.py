"""Records on disk, one JSON object a line, found again by their number: text that is not held in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Records:
    """A file of records that is written once, in order, and can be read in any order at any time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("w+b")
        self._offsets: list[int] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, number: int) -> dict[str, Any]:
        self._file.seek(self._offsets[number])
        record: dict[str, Any] = json.loads(self._file.readline())
        return record

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one more record."""
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        self._file.seek(self._end)
        self._file.write(line)
        self._offsets.append(self._end)
        self._end += len(line)

    def texts(self, numbers: Iterable[int]) -> Iterator[str]:
        """The texts of the records of these numbers, read one by one."""
        for number in numbers:
            yield self[number]["text"]
