"""The closed form against laws that every queue obeys, against itself, and against what speculation must yield."""

import numpy as np
import pytest

from aistack import catalog
from aistack.errors import BadInput
from aistack.infrastructure.cluster import cluster
from aistack.serving import steady_state
from aistack.serving.deployment import Deployment, Speculation
from aistack.serving.step_time import Server, server


def replica(model: str = "llama-3.1-8b", accelerator: str = "h100-sxm5", **plan: object) -> Server:
    return server(catalog.model(model).spec, cluster(1, accelerator), Deployment(**plan))  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_clients_are_answered_as_littles_law_says(engine):
    clients = np.array([1.0, 8.0, 64.0, 200.0])
    state = steady_state.estimate(replica(engine=engine), 1000, 300, concurrency=clients)
    assert state.throughput / 300 * state.e2e == pytest.approx(clients, rel=1e-6)
    assert state.e2e == pytest.approx(state.ttft + 299 * state.tpot, rel=1e-6)
    assert np.all(np.diff(state.throughput) > 0)
    assert np.all(np.diff(state.tpot) > 0)


def test_one_client_sees_what_a_single_stream_does():
    one = replica()
    alone = steady_state.estimate(one, 1000, 300, concurrency=1)
    stream = steady_state.static(one, 1000, 300, 1)
    assert float(alone.tpot) == pytest.approx(float(stream.tpot), rel=0.02)
    assert float(alone.throughput) == pytest.approx(float(stream.throughput), rel=0.04)


def test_a_rate_is_answered_until_the_replica_is_full_and_latencies_grow_towards_it():
    one = replica()
    full = float(steady_state.estimate(one, 500, 200).throughput) / 200
    rates = full * np.array([0.01, 0.3, 0.6, 0.9, 0.99, 1.5])
    state = steady_state.estimate(one, 500, 200, rate=rates)
    assert state.throughput[:5] == pytest.approx(rates[:5] * 200)
    assert state.saturated.tolist() == [False] * 5 + [True]
    assert float(state.throughput[5]) == pytest.approx(full * 200)
    assert np.all(np.diff(state.ttft[:5]) > 0)
    assert np.all(np.diff(state.tpot[:5]) > 0)
    assert state.batch[1] == pytest.approx(rates[1] * 199 * state.tpot[1], rel=0.01)


def test_requests_of_one_token_come_as_fast_as_prompts_are_read():
    one = replica()
    state = steady_state.estimate(one, 2000, 1, concurrency=100)
    assert float(state.throughput) == pytest.approx(1 / float(one.prefill(2000, 0, 4) / 4), rel=0.2)


def test_a_prefix_in_the_cache_shortens_the_wait():
    one = replica()
    cold, warm = (steady_state.estimate(one, 8000, 100, concurrency=16, prefix_hit=hit) for hit in (0.0, 0.9))
    assert float(warm.ttft) < 0.4 * float(cold.ttft)
    assert float(warm.throughput) > float(cold.throughput)


def test_a_model_that_does_not_fit_is_saturated_and_gives_no_nonsense():
    state = steady_state.estimate(replica("llama-3.1-70b"), 1000, 100, concurrency=4)
    assert bool(state.saturated)
    assert np.isfinite(state.ttft)
    assert np.isfinite(state.throughput)


def test_a_step_with_speculation_yields_what_chance_says():
    chance = np.random.default_rng(1)
    right = chance.random((200_000, 3)) < 0.7
    drawn = 1 + np.cumprod(right, axis=1).sum(axis=1).mean()
    assert Speculation("ngram", 3, 0.7).expected == pytest.approx(drawn, rel=0.01)


def test_good_guesses_help_few_sequences_most_and_bad_ones_never():
    plain = replica()
    clients = np.array([1.0, 128.0])

    def gain(acceptance: float) -> np.ndarray:
        fast = replica(speculative=Speculation("draft", 4, acceptance, "llama-3.2-1b"))
        with_it = steady_state.estimate(fast, 500, 500, concurrency=clients)
        return np.asarray(with_it.throughput / steady_state.estimate(plain, 500, 500, concurrency=clients).throughput)

    good = gain(0.8)
    assert good[0] > 1.3
    assert good[0] > good[1]
    assert np.all(gain(0.0) < 1)


def test_loads_that_cannot_be_are_refused():
    one = replica()
    with pytest.raises(BadInput, match="not both"):
        steady_state.estimate(one, 100, 100, concurrency=1, rate=1)
    with pytest.raises(BadInput, match="one token or more"):
        steady_state.estimate(one, 0, 100, concurrency=1)
    with pytest.raises(BadInput, match="Clients are one or more"):
        steady_state.estimate(one, 10, 100, concurrency=0)
    with pytest.raises(BadInput, match="rate above 0"):
        steady_state.estimate(one, 10, 100, rate=-1)
    with pytest.raises(BadInput, match="a prompt or an answer"):
        steady_state.static(one, 0, 0, 4)


def test_all_that_fits_is_a_number_even_where_nothing_does():
    with np.errstate(invalid="raise", divide="raise"):
        state = steady_state.estimate(replica("llama-3.1-405b"), 1000, 100)
    assert bool(state.saturated)
    assert float(state.batch) <= 1


@pytest.mark.parametrize(("prompt", "output"), [(467, 16), (2000, 100), (100, 1000)])
def test_a_full_replica_s_steps_hold_no_more_tokens_than_they_may(prompt, output):
    one = server(
        catalog.model("llama-3.1-70b").spec,
        cluster(4, "h100-sxm5"),
        Deployment(tensor_parallel=4, engine="tensorrt-llm", max_batch=2048, chunk=8192),
    )
    full = steady_state.estimate(one, prompt, output, concurrency=5000)
    read = float(full.throughput) / output * prompt * float(full.tpot)
    assert read + float(full.batch) < 1.05 * 8192
