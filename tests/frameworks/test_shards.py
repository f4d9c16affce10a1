"""Shards: what goes in comes out, in an order that is a pure function of the step; altered files are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.frameworks.lab.shards import Shards, open_shards, pack, tail, unpack, write_shards

DOCUMENTS = st.lists(st.lists(st.integers(1, 65535), max_size=40), max_size=30)


@given(DOCUMENTS, st.integers(1, 9), st.integers(1, 5))
def test_packing_and_unpacking_gives_the_stream_back(documents: list[list[int]], seq_len: int, rows: int) -> None:
    stream = [0, *(token for document in documents for token in [*document, 0])]
    packed = list(pack(documents, seq_len, separator=0, rows=rows))
    left_out = tail(len(stream), seq_len)
    assert left_out < seq_len
    assert all(chunk.shape[1] == seq_len + 1 and len(chunk) <= rows for chunk in packed)
    kept = list(unpack(packed)) if packed else [0]
    assert kept + stream[len(stream) - left_out :] == stream


def shards_of(folder: Path, sequences: int = 23, seq_len: int = 4) -> Shards:
    documents = [list(range(1, sequences * seq_len))]
    write_shards(folder, seq_len, {"train": pack(documents, seq_len, 0, rows=5)}, {"seed": 0})
    return open_shards(folder, "train")


def test_each_pass_reads_every_sequence_once_in_another_order(tmp_path: Path) -> None:
    shards = shards_of(tmp_path)
    count = len(shards)
    assert len(shards.arrays) > 1
    batches = np.concatenate([shards.batch(step, 3, seed=7) for step in range(2 * count // 3 + 1)])
    firsts = batches[:, 1]
    assert sorted(firsts[:count]) == sorted(firsts[count : 2 * count]) == sorted(shards_firsts(shards))
    assert list(firsts[:count]) != list(firsts[count : 2 * count])
    assert np.array_equal(shards.batch(5, 3, seed=7), shards.batch(5, 3, seed=7))
    assert not np.array_equal(shards.batch(5, 3, seed=7), shards.batch(5, 3, seed=8))


def shards_firsts(shards: Shards) -> list[int]:
    return [int(row[1]) for array in shards.arrays for row in array]


def test_targets_are_the_inputs_moved_by_one(tmp_path: Path) -> None:
    batch = shards_of(tmp_path).batch(0, 4, seed=0)
    assert batch.dtype == np.int64
    assert (np.diff(batch, axis=1)[:, 1:-1] == 1).all()


@pytest.mark.parametrize("damage", ["cut", "altered", "gone", "manifest", "version", "not json"])
def test_a_damaged_folder_is_refused(tmp_path: Path, damage: str) -> None:
    shards_of(tmp_path)
    shard, manifest = tmp_path / "train-00001.npy", tmp_path / "manifest.json"
    content = shard.read_bytes()
    if damage == "cut":
        shard.write_bytes(content[:-3])
    elif damage == "altered":
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "gone":
        shard.unlink()
    elif damage == "manifest":
        manifest.unlink()
    elif damage == "version":
        manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 99'))
    else:
        manifest.write_text(manifest.read_text()[:-20])
    with pytest.raises(BadInput, match=r"shards|manifest|JSON|version"):
        open_shards(tmp_path, "train")


def test_an_unknown_or_empty_split_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, 8, {"train": pack([[1, 2]], 8, 0)}, {})
    with pytest.raises(BadInput, match="too little text"):
        open_shards(tmp_path, "train")
    with pytest.raises(BadInput, match="no split"):
        open_shards(tmp_path, "validation")
