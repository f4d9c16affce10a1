import numpy as np
import pytest

from aistack.hardware.trend import estimate


def test_an_exact_doubling() -> None:
    years = np.arange(2010, 2020)
    trend = estimate(years, 5 * 2.0 ** ((years - 2010) / 2))
    assert trend.doubling == pytest.approx(2)
    assert trend.at(2030) == pytest.approx(5 * 2**10)
    assert trend.low == pytest.approx(trend.high)


def test_the_interval_holds_the_truth_nine_times_in_ten() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        years = random.uniform(2012, 2026, 40)
        trend = estimate(years, 1.3 ** (years - 2012) * np.exp(random.normal(0, 0.5, 40)))
        held += trend.low < 1.3 < trend.high
    assert held / 400 == pytest.approx(0.9, abs=0.04)


def test_the_slope_is_numpys() -> None:
    random = np.random.default_rng(1)
    years, values = random.uniform(2000, 2020, 30), random.lognormal(size=30)
    assert np.log(estimate(years, values).growth) == pytest.approx(np.polyfit(years, np.log(values), 1)[0])


@pytest.mark.parametrize(("years", "values"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 0, 2])])
def test_no_trend(years: list[int], values: list[int]) -> None:
    with pytest.raises(ValueError, match="three positive values"):
        estimate(years, values)
