"""Scaling a pilot up: what is proportional stays so, repeats and tokenizers follow their laws."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.frameworks.yields import Pilot, estimate, extrapolate, source_for

PILOT = Pilot(
    source_bytes=1e6,
    documents=100,
    bytes=100_000,
    distinct=100,
    distinct_bytes=100_000,
    single=100,
    curve=[(12_500.0, 3.0), (25_000.0, 3.2), (50_000.0, 3.3)],
    read_seconds=1.0,
    read_bytes=1e6,
    compare_seconds=0.1,
    train_seconds=0.2,
    encode_rate=1e6,
    error=0.1,
)


@given(st.floats(1, 1e4))
def test_without_repeats_everything_is_proportional(scale: float) -> None:
    whole = estimate(PILOT, 1e6 * scale, workers=1, held_back=0)
    assert whole.documents == pytest.approx(100 * scale)
    assert whole.bytes == pytest.approx(1e5 * scale)
    assert whole.repeated == pytest.approx(0, abs=1e-9)
    assert whole.tokens * whole.bytes_per_token == pytest.approx(whole.bytes)


def test_draws_from_a_heavy_tail_repeat_as_heaps_law_says() -> None:
    import numpy as np

    # Zipf's law with exponent a gives Heaps' law with exponent 1 / a
    draws = np.random.default_rng(0).zipf(1.4, 200_000)
    few = draws[:2000]
    kinds, counts = np.unique(few, return_counts=True)
    pilot = replace(PILOT, documents=2000, distinct=len(kinds), single=int((counts == 1).sum()))
    whole = estimate(pilot, 100e6, workers=1, held_back=0)
    assert whole.documents == pytest.approx(len(np.unique(draws)), rel=0.25)


@given(st.integers(50, 100), st.floats(1e5, 1e9))
def test_the_source_for_a_text_yields_that_text(single: int, text_bytes: float) -> None:
    pilot = replace(PILOT, single=single)
    assert estimate(pilot, source_for(pilot, text_bytes), 1, 0).bytes == pytest.approx(text_bytes)


def test_more_workers_are_never_slower() -> None:
    seconds = [estimate(PILOT, 1e9, workers, 0.04).seconds for workers in (1, 2, 4)]
    assert seconds == sorted(seconds, reverse=True)


@given(st.floats(0.2, 0.89), st.integers(0, 20))
def test_a_geometric_curve_is_continued_exactly(fraction: float, doublings: int) -> None:
    def value(step: int) -> float:
        return 4 - fraction**step

    curve = [(2.0**step, value(step)) for step in range(3)]
    assert extrapolate(curve, 4.0 * 2**doublings) == pytest.approx(value(2 + doublings))


@given(st.lists(st.floats(2, 4), min_size=3, max_size=3), st.floats(1, 1e12))
def test_an_extrapolation_stays_finite(values: list[float], size: float) -> None:
    curve = [(2.0**step, value) for step, value in enumerate(values)]
    assert math.isfinite(extrapolate(curve, size))
    assert extrapolate(curve, 4.0) == values[-1]
