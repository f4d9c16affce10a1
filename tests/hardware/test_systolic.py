import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.hardware.systolic import estimate, simulate


@pytest.mark.parametrize("double_buffered", [True, False])
@pytest.mark.parametrize("shape", list(itertools.product((1, 2, 5), (1, 2, 3), (1, 2, 3))))
def test_every_clock_of_small_products(shape: tuple[int, int, int], double_buffered: bool) -> None:
    # all sizes around arrays of 1 x 1 to 3 x 2: exactly NumPy's product, exactly the closed form's cycles
    m, rows, columns = shape
    random = np.random.default_rng(m + 10 * rows + 100 * columns)
    for n, k in itertools.product((1, 2, 5), repeat=2):
        a, b = random.integers(-9, 10, (m, k)).astype(float), random.integers(-9, 10, (k, n)).astype(float)
        run = simulate(a, b, rows, columns, double_buffered)
        closed = estimate(m, n, k, rows, columns, double_buffered)
        np.testing.assert_array_equal(run.product, a @ b)
        assert run.cycles == closed.total
        assert run.utilisation == pytest.approx(float(closed.utilisation))


def test_one_tile_takes_what_scale_sim_says() -> None:
    # Samajdar et al., ISPASS 2020: 2 R + C + T - 2 a fold of a weight-stationary array
    for rows, columns, m in ((8, 8, 8), (32, 16, 1000), (256, 256, 64)):
        assert estimate(m, columns, rows, rows, columns).total == 2 * rows + columns + m - 2
    folds = 3 * 5
    several = estimate(64, 5 * 16, 3 * 32, 32, 16, double_buffered=False)
    assert several.total == folds * (2 * 32 + 16 + 64 - 2)


def test_tpu_v1() -> None:
    # Jouppi et al., ISCA 2017: 65,536 multiply-accumulators at 700 MHz peak at 92 TeraOps/second; a B x 256 input takes
    # B pipelined cycles
    clock, side = 700e6, 256
    many = estimate(200_000, 4096, 4096, side, side)
    rate = 2 * 200_000 * 4096 * 4096 / (float(many.total) / clock)
    assert rate == pytest.approx(92e12, rel=0.01)
    one_more = estimate([512, 513], 256, 256, side, side).total
    assert one_more[1] - one_more[0] == 1
    # one row keeps one cell row busy at a time: weights take 256 cycles to load for one cycle of work
    assert float(estimate(1, 65536, 65536, side, side).utilisation) == pytest.approx(1 / 256, rel=0.01)


sizes = st.integers(1, 3000)


@given(sizes, sizes, sizes, st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=100)
def test_the_array_is_never_busier_than_it_can_be(m: int, n: int, k: int, rows: int, columns: int) -> None:
    plain, double = (estimate(m, n, k, rows, columns, double_buffered=each) for each in (False, True))
    assert 0 < plain.utilisation <= double.utilisation <= 1
    assert estimate(m + 1, n, k, rows, columns).utilisation >= double.utilisation
    padded = estimate(m, n, k, rows, columns).total
    assert estimate(m, n + 1, k, rows, columns).total >= padded


def test_what_cannot_be_multiplied() -> None:
    with pytest.raises(BadInput):
        estimate(0, 1, 1)
    with pytest.raises(BadInput, match="cannot be multiplied"):
        simulate(np.zeros((2, 3)), np.zeros((2, 3)), 2, 2)
