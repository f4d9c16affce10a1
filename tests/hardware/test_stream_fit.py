import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.hardware.fit import fit_times, interval
from aistack.hardware.machine import Cache
from aistack.hardware.stream import bandwidth, fit, shares

KiB, MiB = 2**10, 2**20
SIZES = {"L1": 64.0 * KiB, "L2": 2.0 * MiB, "L3": 32.0 * MiB}


@given(st.floats(min_value=1, max_value=1e12))
def test_shares_add_up_and_favour_the_nearest(working_set: float) -> None:
    parts = shares(list(SIZES.values()), working_set)
    assert sum(parts) == pytest.approx(1)
    assert parts[0] == pytest.approx(min(1, SIZES["L1"] / working_set))
    assert min(parts) >= 0


@given(st.lists(st.floats(min_value=1e9, max_value=1e13), min_size=4, max_size=4))
def test_bandwidth_lies_between_the_levels_and_never_rises(rates: list[float]) -> None:
    *levels, memory = sorted(rates, reverse=True)
    caches = [Cache(name, size, rate) for (name, size), rate in zip(SIZES.items(), levels, strict=True)]
    over = [bandwidth(caches, memory, 2.0**power) for power in range(10, 40)]
    assert all(a >= b * (1 - 1e-12) for a, b in itertools.pairwise(over))
    assert over[0] == pytest.approx(levels[0])
    assert over[-1] == pytest.approx(memory, rel=0.1) or levels[0] > 100 * memory


def test_the_fit_finds_the_levels_behind_noisy_sweeps() -> None:
    truth = [Cache("L1", 64 * KiB, 2e11), Cache("L2", 2 * MiB, 1.6e11), Cache("L3", 24 * MiB, 1.2e11)]
    random = np.random.default_rng(0)
    sweeps = {
        2.0 ** (power / 2): random.uniform(1, 1.05) / bandwidth(truth, 4e10, 2 ** (power / 2))
        for power in range(30, 56)
    }
    caches, memory = fit(SIZES, sweeps)
    assert [cache.name for cache in caches] == ["L1", "L2", "L3"]
    assert [cache.bandwidth for cache in caches] == pytest.approx([2e11, 1.6e11, 1.2e11], rel=0.1)
    assert memory == pytest.approx(4e10, rel=0.1)
    # the kernel says 32 MiB, the sweeps behave as if a stream kept 24
    assert caches[-1].size == 24 * MiB


def test_levels_that_no_sweep_saw_are_as_fast_as_the_next() -> None:
    caches, memory = fit(SIZES, {size * MiB: 1 / 3e10 for size in (64, 128, 256, 512)})
    assert [cache.bandwidth for cache in caches] == pytest.approx([3e10] * 3, rel=1e-6)
    assert memory == pytest.approx(3e10, rel=1e-6)


def test_a_machine_without_known_caches_has_only_memory() -> None:
    caches, memory = fit({}, {1e6: 1 / 2e10, 1e8: 1 / 2e10})
    assert caches == ()
    assert memory == pytest.approx(2e10)


def test_nothing_cannot_be_streamed_over() -> None:
    with pytest.raises(BadInput):
        shares([], 0)


@given(st.lists(st.floats(min_value=1e-9, max_value=1e3), min_size=2, max_size=2))
def test_a_line_is_found_exactly(constants: list[float]) -> None:
    sizes = [1.0, 10.0, 1e3, 1e5, 1e7]
    seconds = [constants[0] + constants[1] * size for size in sizes]
    found = fit_times([[1.0] * 5, sizes], seconds)
    again = [found[0] + found[1] * size for size in sizes]
    assert again == pytest.approx(seconds, rel=1e-3)


def test_constants_are_never_negative() -> None:
    assert fit_times([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], [3.0, 2.0, 1.0])[1] == 0


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot settle"):
        fit_times([[1.0], [2.0]], [1.0])


def test_an_interval_holds_its_prediction() -> None:
    low, high = interval(10.0, [1.1, 1.2, 1.3])
    assert low == 10.0
    assert 12.5 < high <= 13.0


def test_a_constant_keeps_its_least_value() -> None:
    # the best line through these falls; held at a least slope, the rest is left to the level
    level, slope = fit_times([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], [3.0, 3.0, 3.0], least=(0.0, 0.5))
    assert slope == pytest.approx(0.5)
    assert 1.0 < level < 3.0
