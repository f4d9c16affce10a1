import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.hardware.online_softmax import simulate, traffic


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**16))
def test_blocks_give_the_whole_softmax(rows: int, columns: int, block_q: int, block_k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    q, k, d = rows * block_q, columns * block_k, 6
    queries, keys, values = random.normal(size=(q, d)) * 9, random.normal(size=(k, d)) * 9, random.normal(size=(k, d))
    scores = queries @ keys.T / np.sqrt(d)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    whole = weights @ values / weights.sum(axis=1, keepdims=True)
    run = simulate(queries, keys, values, block_q, block_k)
    np.testing.assert_allclose(run.output, whole, rtol=1e-9, atol=1e-12)
    assert len(run.steps) == rows * columns
    np.testing.assert_allclose(run.steps[columns - 1].largest, scores[:block_q].max(axis=1))


def test_traffic_counts_the_loop() -> None:
    # 4 blocks of 2 queries each read 12 keys and values of width 5; queries come in and outputs go out once
    assert traffic(8, 12, 5, 2) == 8 * 5 + 8 * 5 + 4 * (12 * 5 + 12 * 5)
    # with room for a block of 128 queries, 8,192 keys of width 128 move far less than their scores would
    assert 4 * 8192**2 / traffic(8192, 8192, 128, 128) > 1.9


def test_blocks_must_divide() -> None:
    with pytest.raises(BadInput, match="blocks of 2 and 3"):
        simulate(np.ones((4, 2)), np.ones((4, 2)), np.ones((4, 2)), 2, 3)
