import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.hardware.blocking import estimate, largest_tile, least


def _counted(m: int, n: int, k: int, tile_m: int, tile_n: int) -> int:
    """Elements loaded and stored by the loop itself, one by one."""
    moved = 0
    for top in range(0, m, tile_m):
        for left in range(0, n, tile_n):
            rows, columns = min(tile_m, m - top), min(tile_n, n - left)
            moved += sum(rows + columns for _ in range(k)) + rows * columns
    return moved


@given(*[st.integers(1, 12)] * 5)
def test_tiles_move_what_their_loop_moves(m: int, n: int, k: int, tile_m: int, tile_n: int) -> None:
    assert estimate(m, n, k, tile_m, tile_n) == _counted(m, n, k, tile_m, tile_n)


@given(*[st.integers(1, 4000)] * 3, st.integers(4, 100_000))
def test_no_tile_beats_the_bound(m: int, n: int, k: int, fast: int) -> None:
    side = largest_tile(fast)
    assert side**2 + 2 * side <= fast < (side + 1) ** 2 + 2 * (side + 1)
    assert estimate(m, n, k, side, side) >= least(m, n, k, fast) * (1 - 1e-12)


def test_large_tiles_come_close_to_the_bound() -> None:
    # a cube of 16,384 with 256 KiB of 2-byte elements: two thirds of a percent of what three nested loops would move
    size, fast = 16384, 131072
    side = float(largest_tile(fast))
    assert estimate(size, size, size, side, side) == pytest.approx(least(size, size, size, fast), rel=0.05)
    # four times the memory halves the traffic
    assert least(size, size, size, 4 * fast) == pytest.approx(least(size, size, size, fast) / 2, rel=0.01)
    assert least(4, 4, 4, 1e9) == 48


def test_broadcasting_and_refusing() -> None:
    assert estimate(64, 64, 64, np.array([8, 16, 32]), 8).shape == (3,)
    with pytest.raises(BadInput):
        estimate(0, 1, 1, 1, 1)
