import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.applications.fusion import fuse
from aistack.applications.retrieval import Pilot, estimate, mean, ndcg_at, recall_at, reciprocal_rank

RANKS = np.array([1.0, 3.0, np.inf, 12.0])


def test_metrics_by_hand() -> None:
    assert recall_at(RANKS, 1).tolist() == [1, 0, 0, 0]
    assert recall_at(RANKS, 10).tolist() == [1, 1, 0, 0]
    assert reciprocal_rank(RANKS) == pytest.approx([1, 1 / 3, 0, 1 / 12])
    # log2(1 + 3) = 2
    assert ndcg_at(RANKS, 10) == pytest.approx([1, 0.5, 0, 0])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 30))
def test_metrics_by_brute_force(ranks: list[int], k: int) -> None:
    """Each ranking is written out as a list with a 1 at the right passage, and scored by the definitions."""
    lists = [[int(place == rank) for place in range(1, 31)] for rank in ranks]
    recall = sum(sum(each[:k]) for each in lists) / len(lists)
    gain = sum(sum(hit / math.log2(place + 1) for place, hit in enumerate(each[:k], 1)) for each in lists) / len(lists)
    first = sum(1 / (each.index(1) + 1) for each in lists) / len(lists)
    found = np.array(ranks, dtype=float)
    assert recall_at(found, k).mean() == pytest.approx(recall)
    assert ndcg_at(found, k).mean() == pytest.approx(gain)
    assert reciprocal_rank(found).mean() == pytest.approx(first)


def test_bootstrap_interval_is_the_binomials() -> None:
    """For shares the percentile bootstrap is binomial sampling: 0.3 +- 1.96 sqrt(0.3 x 0.7 / 400)."""
    values = np.array([1.0] * 120 + [0.0] * 280)
    found = mean(values, seed=0)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 400)
    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.006)
    assert mean(values, seed=0) == found


def _simulated(rng: np.random.Generator, questions: int, distractors: int, a: float, b: float) -> np.ndarray:
    """Ranks where each wrong passage outscores the right one with the question's own probability, drawn one by one."""
    p = rng.beta(a, b, questions)
    return 1.0 + (rng.random((questions, distractors)) < p[:, None]).sum(axis=1)


def test_estimate_recovers_what_a_simulation_does() -> None:
    rng = np.random.default_rng(1)
    pilots = [Pilot(_simulated(rng, 400, n, 0.3, 30), n, 100) for n in (200, 800)]
    (predicted,) = estimate(pilots, [6000], 5, 2000)
    measured = recall_at(_simulated(rng, 2000, 6000, 0.3, 30), 5).mean()
    assert predicted.low <= measured <= predicted.high
    assert predicted.value == pytest.approx(measured, abs=0.08)


def test_intervals_hold_as_often_as_they_say() -> None:
    """Over many worlds with different (a, b), about 95% of measurements lie in the predicted interval."""
    rng = np.random.default_rng(2)
    worlds = list(product((0.15, 0.4, 1.0), (8, 40, 300), range(4)))
    inside = 0
    for a, b, _ in worlds:
        pilots = [Pilot(_simulated(rng, 60, n, a, b), n, 100) for n in (100, 400)]
        (predicted,) = estimate(pilots, [1600], 5, 150)
        inside += predicted.low <= recall_at(_simulated(rng, 150, 1600, a, b), 5).mean() <= predicted.high
    assert inside >= 0.85 * len(worlds)


def test_recall_falls_with_more_to_search_and_rises_with_k() -> None:
    pilot = Pilot(np.array([1, 1, 2, 4, 9, 30, np.inf]), 500, 100)
    sizes = [500, 1000, 5000, 50_000]
    five = [each.value for each in estimate([pilot], sizes, 5, 100)]
    ten = [each.value for each in estimate([pilot], sizes, 10, 100)]
    assert five == sorted(five, reverse=True)
    assert all(more >= less for more, less in zip(ten, five, strict=True))
    assert all(0 <= each.low <= each.high <= 1 for each in estimate([pilot], sizes, 5, 100))


def test_with_nothing_else_to_find_the_right_passage_is_found() -> None:
    pilot = Pilot(np.array([1.0, 5.0]), 50, 50)
    (alone,) = estimate([pilot], [0], 5, 10)
    assert alone.value == pytest.approx(1)


def test_fusion_by_hand() -> None:
    """Document 2 is first and third, 1 second and first, 7 only third."""
    assert fuse([[2, 1, 7], [1, 9, 2]]) == [
        (1, pytest.approx(1 / 62 + 1 / 61)),
        (2, pytest.approx(1 / 61 + 1 / 63)),
        (9, pytest.approx(1 / 62)),
        (7, pytest.approx(1 / 63)),
    ]


@given(st.lists(st.lists(st.integers(0, 20), unique=True), max_size=4))
def test_fusion_keeps_every_id_once_and_the_order_of_one_ranking(rankings: list[list[int]]) -> None:
    fused = [each for each, _ in fuse(rankings)]
    assert sorted(fused) == sorted({each for ranking in rankings for each in ranking})
    for ranking in rankings:
        assert [each for each, _ in fuse([ranking])] == ranking
