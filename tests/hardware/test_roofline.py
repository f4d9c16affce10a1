import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.hardware.roofline import attainable, estimate, ridge

positive = st.floats(min_value=1e-3, max_value=1e20)


def test_the_ridge_of_an_h100() -> None:
    # datasheet of the H100 SXM5: 989.4 TFLOP/s dense bf16, 3.35 TB/s
    assert ridge(989.4e12, 3.35e12) == pytest.approx(295, abs=1)


def test_both_sides_of_the_ridge() -> None:
    # one row of decode: 2 FLOP a weight of two bytes; far below the ridge
    decode = estimate(flop=2 * 8e9, bytes_moved=2 * 8e9, peak=989.4e12, bandwidth=3.35e12)
    assert decode.bound == "memory"
    assert decode.seconds == pytest.approx(16e9 / 3.35e12)
    prefill = estimate(flop=2 * 8e9 * 4096, bytes_moved=2 * 8e9, peak=989.4e12, bandwidth=3.35e12)
    assert prefill.bound == "compute"
    assert prefill.rate == pytest.approx(989.4e12)


@given(positive, positive, positive, positive)
def test_the_rate_is_the_lower_roof(flop: float, moved: float, peak: float, bandwidth: float) -> None:
    under = estimate(flop, moved, peak, bandwidth)
    assert under.rate == pytest.approx(attainable(under.intensity, peak, bandwidth))
    assert under.rate <= peak * (1 + 1e-9)
    assert (under.bound == "compute") == (flop / peak >= moved / bandwidth)


@pytest.mark.parametrize("numbers", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, -1)])
def test_nothing_has_no_roofline(numbers: tuple[float, ...]) -> None:
    with pytest.raises(BadInput):
        estimate(*numbers)
