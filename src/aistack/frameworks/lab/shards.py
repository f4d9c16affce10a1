"""Training shards: token sequences on disk that training reads in any order, each batch a pure function of its step.

A split is one long stream of tokens: a separator, then every document followed by a separator. The stream is cut into
rows of L + 1 tokens, each starting with the last token of the row before, so that every token but the first is
predicted exactly once. Rows lie in NumPy files of unsigned 16-bit integers; `manifest.json` names them with their
hashes and is written last, so a folder with a manifest is a whole folder.

N rows, L sequence length
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aistack.errors import BadInput
from aistack.files import read_json, replacing, sha256, write_json

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = get_args(Split)

FORMAT, VERSION = "aistack-shards", 1
MANIFEST = "manifest.json"
ROWS = 1 << 15

Tokens = NDArray[np.uint16]


def pack(documents: Iterable[Sequence[int]], seq_len: int, separator: int, rows: int = ROWS) -> Iterator[Tokens]:
    """Cut the stream of `documents` (token ids) into arrays [N, L+1] of at most `rows` rows.

    The tokens after the last whole row, fewer than L of them, are left out; `tail` counts them.
    """
    parts: list[Tokens] = [np.array([separator], np.uint16)]
    held = 1
    for document in documents:
        parts.append(np.array([*document, separator], np.uint16))
        held += len(document) + 1
        if held > rows * seq_len:
            stream = np.concatenate(parts)
            while len(stream) > rows * seq_len:
                yield _cut(stream[: rows * seq_len + 1], seq_len)
                stream = stream[rows * seq_len :]
            parts, held = [stream], len(stream)
    stream = np.concatenate(parts)
    last = (len(stream) - 1) // seq_len
    if last:
        yield _cut(stream[: last * seq_len + 1], seq_len)


def unpack(rows: Iterable[Tokens]) -> Tokens:
    """The stream that `pack` cut, without its tail."""
    chunks = list(rows)
    return np.concatenate([chunks[0][0, :1], *(chunk[:, 1:].ravel() for chunk in chunks)])


def tail(stream_tokens: int, seq_len: int) -> int:
    """How many of a stream's tokens, its first separator included, `pack` leaves out at the end."""
    return (stream_tokens - 1) % seq_len


def write_shards(
    folder: Path, seq_len: int, splits: Mapping[Split, Iterable[Tokens]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write each split's rows [N, L+1] into `folder` and, last of all, the manifest, which is returned.

    `facts` are kept in the manifest as they are: where the text came from, what was dropped, the tokenizer's hash.
    What an earlier attempt left in the folder is removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for stale in folder.glob("*.npy"):
        stale.unlink()
    written: dict[str, Any] = {}
    for split, arrays in splits.items():
        shards: list[dict[str, Any]] = []
        for index, rows in enumerate(arrays):
            path = folder / f"{split}-{index:05}.npy"
            with replacing(path) as partial, partial.open("wb") as handle:
                np.lib.format.write_array(handle, np.ascontiguousarray(rows, np.uint16), allow_pickle=False)
            shards.append({"file": path.name, "sequences": len(rows), "sha256": sha256(path)})
        sequences = sum(shard["sequences"] for shard in shards)
        written[split] = {"sequences": sequences, "tokens": sequences * seq_len, "shards": shards}
    manifest = {"format": FORMAT, "version": VERSION, "seq_len": seq_len, "splits": written, **facts}
    write_json(folder / MANIFEST, manifest)
    return manifest


@dataclass(frozen=True, eq=False)
class Shards:
    """One split, opened for reading; the files are mapped into memory, not loaded."""

    arrays: tuple[Tokens, ...]
    seq_len: int
    manifest: Mapping[str, Any]

    def __len__(self) -> int:
        return sum(len(array) for array in self.arrays)

    @property
    def tokens(self) -> int:
        """Tokens that one pass predicts."""
        return len(self) * self.seq_len

    def batch(self, step: int, size: int, seed: int) -> NDArray[np.int64]:
        """Sequences [size, L+1] of `step`: a pure function of its arguments, so resuming needs no state.

        Steps walk through the split in a new random order in every pass, each sequence once a pass.
        """
        count = len(self)
        places = np.arange(step * size, (step + 1) * size)
        rows = np.empty((size, self.seq_len + 1), np.int64)
        starts = np.cumsum([0, *(len(array) for array in self.arrays)])
        for slot, place in enumerate(places):
            sequence = int(_order(count, seed, int(place) // count)[place % count])
            shard = int(np.searchsorted(starts, sequence, side="right")) - 1
            rows[slot] = self.arrays[shard][sequence - starts[shard]]
        return rows


def open_shards(folder: Path, split: Split) -> Shards:
    """Open one split of a folder that `write_shards` wrote, after checking every file against its hash.

    Raises `BadInput` where the folder, its manifest or a shard is missing, from another version, cut short or altered.
    """
    manifest = _manifest(folder)
    if split not in manifest["splits"]:
        raise BadInput(f"{folder} has no split named {split!r}; it has {', '.join(manifest['splits'])}.")
    arrays = []
    for shard in manifest["splits"][split]["shards"]:
        path = folder / shard["file"]
        if not path.is_file():
            raise BadInput(f"{path} is missing: the manifest names it. Make the shards again.")
        if sha256(path) != shard["sha256"]:
            raise BadInput(f"{path} is not what the manifest says (cut short or altered). Make the shards again.")
        arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
    if not arrays:
        raise BadInput(f"The {split} split of {folder} holds no sequence: there was too little text.")
    return Shards(tuple(arrays), manifest["seq_len"], manifest)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BadInput(f"{folder} holds no shards: {MANIFEST} is missing.")
    manifest: dict[str, Any] = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInput(f"{path} is not a manifest of {FORMAT}.")
    if manifest.get("version") != VERSION:
        raise BadInput(f"{path} is of format version {manifest.get('version')}; this program reads version {VERSION}.")
    return manifest


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(count)


def _cut(stream: Tokens, seq_len: int) -> Tokens:
    rows = (len(stream) - 1) // seq_len
    return np.concatenate([stream[:-1].reshape(rows, seq_len), stream[seq_len::seq_len, None]], axis=1)
