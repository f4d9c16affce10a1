"""The block manager keeps its promises whatever happens to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.serving.lab.blocks import BlockManager


@given(
    count=st.integers(1, 40),
    size=st.integers(1, 8),
    actions=st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 60))), max_size=60),
)
def test_every_block_is_free_or_in_one_table(count: int, size: int, actions: list[tuple[int, int | None]]) -> None:
    manager, tables = BlockManager(count, size), [list[int]() for _ in range(5)]
    for owner, tokens in actions:
        table = tables[owner]
        if tokens is None:
            manager.release(table)
            assert table == []
        elif manager.missing(table, tokens) <= manager.free:
            before = list(table)
            manager.grow(table, tokens)
            assert table[: len(before)] == before
            assert len(table) * size >= tokens
            assert len(table) == len(before) or (len(table) - 1) * size < tokens
        held = [block for each in tables for block in each]
        assert len(set(held)) == len(held)
        assert set(held) <= set(range(count))
        assert manager.free == count - len(held)
        assert manager.usage == pytest.approx(len(held) / count)


def test_misuse_is_caught_where_it_happens() -> None:
    manager, table = BlockManager(2, 4), list[int]()
    with pytest.raises(AssertionError, match="2 are free"):
        manager.grow(table, 9)
    manager.grow(table, 8)
    stolen = list(table)
    manager.release(table)
    with pytest.raises(AssertionError, match="not taken"):
        manager.release(stolen)
    with pytest.raises(ValueError, match="no cache"):
        BlockManager(0, 4)
