"""The search over deployments, against judging each alone, and pools against their simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack import catalog
from aistack.infrastructure.cluster import cluster
from aistack.serving import breakdown, capacity, search, steady_state
from aistack.serving.capacity import Goals, Workload
from aistack.serving.deployment import Deployment
from aistack.serving.search import Points, Question
from aistack.serving.step_time import server

GOALS = Goals(ttft=0.6, tpot=0.05)


def question(model: str = "llama-3.1-70b", chips: int = 8, on: str = "h100-sxm5", goals: Goals = GOALS) -> Question:
    spec, system = catalog.model(model).spec, cluster(chips, on)
    return Question(spec, system, Deployment(precision="fp8"), Workload(1024, 256), goals, 1280)


def test_each_is_judged_as_it_would_be_alone() -> None:
    asked = question()
    judged = search.judge(asked)
    assert judged is not None
    chosen = np.random.default_rng(1).choice(len(judged.deployments), 5, replace=False)
    for place in map(int, chosen):
        alone = server(asked.spec, asked.cluster, judged.deployments[place], context=asked.context)
        assert float(capacity.estimate(alone, asked.work, GOALS).rate) == pytest.approx(judged.rate[place], rel=1e-6)


@pytest.mark.parametrize("model", ["llama-3.1-70b", "deepseek-v3", "gpt-oss-120b"])
def test_candidates_are_legal_and_all_different(model: str) -> None:
    every = search.candidates(question(model, 16))
    listed = [every[place] for place in range(len(every))]
    assert len(set(listed)) == len(listed)
    assert all(each.chips <= 16 for each in listed)
    routed = model != "llama-3.1-70b"
    assert any(each.expert_parallel > 1 for each in listed) == routed
    assert any(each.data_parallel > 1 for each in listed) == routed


def test_a_model_that_fits_nowhere() -> None:
    assert search.judge(question("llama-3.1-405b", 2)) is None
    assert search.sweep(question("llama-3.1-405b", 2)) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=40))
def test_the_frontier_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    speed, volume = (np.array(each, dtype=float) for each in zip(*pairs, strict=True))
    points = Points(np.arange(len(pairs)), np.ones(len(pairs)), speed, volume, np.zeros(len(pairs)))
    kept = search.frontier(points)
    for place in range(len(pairs)):
        beaten = any(
            speed[other] >= speed[place] and volume[other] >= volume[place] and pairs[other] != pairs[place]
            for other in range(len(pairs))
        )
        assert beaten != any(pairs[place] == pairs[chosen] for chosen in kept)
    assert list(speed[kept]) == sorted(speed[kept], reverse=True)


def test_points_are_the_steady_state() -> None:
    asked = question()
    swept = search.sweep(asked)
    assert swept is not None
    every, points = swept
    for row in map(int, search.frontier(points)[::5]):
        one = server(asked.spec, asked.cluster, every[int(points.place[row])], context=asked.context)
        seen = steady_state.estimate(one, 1024, 256, concurrency=points.clients[row])
        assert 1 / float(seen.tpot) == pytest.approx(points.interactivity[row], rel=1e-6)
        assert float(seen.per_accelerator) == pytest.approx(points.per_accelerator[row], rel=1e-6)


@pytest.mark.parametrize("tensor", [2, 4, 8])
def test_shares_of_a_token_add_up_and_none_is_negative(tensor: int) -> None:
    asked = question()
    one = server(asked.spec, asked.cluster, Deployment(tensor_parallel=tensor, precision="fp8"), context=1280)
    state = steady_state.estimate(one, 1024, 256, concurrency=16)
    shares = breakdown.tpot(one, float(state.batch), float(state.batch) * 1152, float(state.tpot))
    assert sum(shares.values()) == pytest.approx(float(state.tpot))
    assert all(seconds >= -1e-4 * float(state.tpot) for seconds in shares.values()), shares
    # reading 70 GB in eight bits over so many accelerators at the datasheet's 3.35 TB/s
    read = 69.5e9 / tensor / 3.35e12
    assert shares["weights and arithmetic at the datasheet's rates"] == pytest.approx(read, rel=0.05)
    first = breakdown.ttft(one, 1024, 0, float(state.ttft))
    assert sum(first.values()) == pytest.approx(float(state.ttft))
    # two FLOP a parameter and token at 1,979 TFLOP/s
    useful = 2 * 69.5e9 * 1024 / tensor / 1979e12
    assert first["prompt's arithmetic at peak"] == pytest.approx(useful, rel=0.05)
