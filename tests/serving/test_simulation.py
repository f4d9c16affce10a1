"""Simulated requests against queueing theory, small cases by hand, and the closed-form steady state."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_by_token import serve

from aistack import catalog
from aistack.errors import BadInput, DoesNotFit
from aistack.infrastructure.cluster import cluster
from aistack.serving import prefix_cache, requests, simulated_engine, simulation, steady_state
from aistack.serving.capacity import Goals
from aistack.serving.deployment import Deployment, Speculation
from aistack.serving.playing import Limits
from aistack.serving.requests import Requests
from aistack.serving.simulated_engine import SimulatedEngine
from aistack.serving.simulation import Simulated, distribution, simulate
from aistack.serving.step_table import StepTable
from aistack.serving.step_time import Server, server

ROOM = 1e9


def constant(step: float, prompt: float, max_batch: int, **limits: float | bool) -> SimulatedEngine:
    """Steps that take the same whatever is in them; with prompts, as long as `prompt`."""
    many, tokens = max_batch + 1, 10_000
    table = StepTable([step] * many, [0.0] * many, [prompt] * tokens, [0.0] * many, [0.0] * tokens, [0.0] * tokens, 0.0)
    return SimulatedEngine(table, replace(Limits(max_batch, 5000, ROOM), **limits))


@pytest.fixture(scope="module")
def llama() -> Server:
    plan = Deployment(tensor_parallel=4, precision="fp8")
    return server(catalog.model("llama-3.1-70b").spec, cluster(4, "h100-sxm5"), plan, context=1200)


def lognormal(count: int, seed: int = 1) -> tuple[requests.Ints, requests.Ints]:
    prompt = requests.lengths(800, count, spread=0.5, seed=seed)
    return prompt, requests.lengths(200, count, spread=0.7, seed=seed + 1)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
def test_one_place_and_equal_work_is_the_queue_m_d_1(load: float) -> None:
    # Pollaczek and Khinchine: the mean wait is load / (1 - load) / 2 services
    engine = constant(1.0, 0.5, 1)
    asked = requests.poisson(load / 0.5, 10, 1, 100_000, seed=3)
    waited = simulation.estimate(engine, asked).queueing.mean()
    assert waited == pytest.approx(load / (1 - load) / 2 * 0.5, rel=0.06)


def test_many_places_hold_as_many_as_little_says() -> None:
    # each request stays 101 steps of a tenth of a second, however many there are: M/D/inf
    engine = constant(0.1, 0.1, 1000)
    asked = requests.poisson(5, 10, 101, 40_000, seed=4)
    seen = simulation.estimate(engine, asked).occupancy[0]
    assert seen.mean_batch == pytest.approx(5 * 10.0, rel=0.02)


def test_clients_are_as_many_as_throughput_times_stay(llama: Server) -> None:
    played = simulate(llama, requests.closed_loop(48, *lognormal(6000)))
    settled = played.between(played.seconds / 10, 0.8 * played.seconds)
    rate = len(settled) / (0.7 * played.seconds)
    assert rate * settled.latency.mean() == pytest.approx(48, rel=0.03)


def test_a_request_alone_takes_what_the_server_says(llama: Server) -> None:
    prompt, output = 3000, 120
    played = simulate(llama, requests.closed_loop(1, prompt, output, 1))
    overhead = llama.engine.request_overhead
    assert played.ttft[0] == pytest.approx(float(llama.prefill(prompt)) + overhead, rel=0.01)
    lengths = prompt + np.arange(1, output)
    assert played.done[0] - played.first[0] == pytest.approx(float(llama.decode(1, lengths).sum()), rel=1e-6)
    halves = simulate(llama, Requests(np.zeros(1), np.array([prompt]), np.array([output]), np.array([2000])))
    assert halves.ttft[0] == pytest.approx(float(llama.prefill(1000, 2000)) + overhead, rel=0.01)


def test_steps_with_prompts_are_priced_as_the_server_prices_them(llama: Server) -> None:
    draws = np.random.default_rng(0)
    plans = [
        llama,
        server(
            catalog.model("deepseek-v3").spec,
            cluster(8, "h200-sxm"),
            Deployment(data_parallel=8, expert_parallel=8, precision="fp8", max_batch=1024),
        ),
        server(catalog.model("llama-3.1-70b").spec, cluster(8, "h100-sxm5"), Deployment(4, 2, max_batch=512)),
    ]
    for one in plans:
        parts = float(one.groups)
        engine = simulated_engine.estimate(one, requests.closed_loop(1, 1000, 400, 1))
        assert engine.parts == parts and engine.limits.max_batch * parts == one.max_batch
        batch = draws.integers(1, engine.limits.max_batch + 1, 200)
        context, new, before = (draws.integers(low, high, 200) for low, high in ((200, 4000), (16, 7000), (0, 3000)))
        held, table = batch * context, engine.table
        rows, beside, slope, own, earlier = (
            np.array(column) for column in (table.rows, table.beside, table.per_token, table.prompt, table.earlier)
        )
        found = rows[batch + new] + beside[batch] + slope[batch] * held
        found += own[new] + earlier[new] * before + table.ending
        expected = one.mixed(parts * batch, parts * held, parts * new, before, parts)
        assert np.abs(found / expected - 1).max() < 0.02
        decode = np.array(table.decode_base)[batch] + slope[batch] * held
        np.testing.assert_allclose(decode, one.decode(parts * batch, parts * held), rtol=1e-6)


@pytest.mark.parametrize("tokens", [6_000.0, 1e6])
def test_a_real_server_stepped_token_by_token_gives_the_same(llama: Server, tokens: float) -> None:
    prompt, output = lognormal(150)
    asked = requests.poisson(8, prompt, np.minimum(output, 400), seed=6)
    engine = simulated_engine.estimate(llama, asked)
    engine = replace(engine, overhead=0.0, limits=replace(engine.limits, kv_capacity=tokens, budget=512, max_batch=24))
    played = simulation.estimate(engine, asked)
    left = simulated_engine.decoding_steps(engine.limits, asked)
    columns = (asked.arrival, asked.prompt, left, asked.cached)
    stepped = serve(engine.table, engine.limits, *(column.tolist() for column in columns))
    for name in ("start", "first", "done"):
        expected = [getattr(each, name) for each in stepped.requests]
        np.testing.assert_allclose(getattr(played, name), expected, rtol=1e-9)
    assert played.preemptions.sum() == len(stepped.preempted)
    assert (tokens > 1e5) == (not stepped.preempted)


def test_parts_of_a_replica_have_queues_of_their_own() -> None:
    plan = Deployment(data_parallel=4, max_batch=64)
    one = server(catalog.model("llama-3.1-8b").spec, cluster(4, "h100-sxm5"), plan)
    played = simulate(one, requests.closed_loop(16, 500, 50, 64), replicas=2)
    assert len(played.occupancy) == 8
    for seen in played.occupancy:
        assert seen.max_batch == 16 and seen.batch.max() == 2
        assert seen.kv_capacity == float(one.kv_capacity) / 4


@pytest.mark.parametrize("clients", [4, 32, 128])
def test_the_steady_state_is_the_mean_of_a_closed_loop(llama: Server, clients: int) -> None:
    prompt, output = lognormal(40 * clients)
    played = simulate(llama, requests.closed_loop(clients, prompt, output))
    settled = played.between(0.2 * played.seconds, 0.8 * played.seconds)
    expected = steady_state.estimate(llama, prompt.mean(), output.mean(), concurrency=clients)
    through = settled.output.sum() / (0.6 * played.seconds)
    assert through == pytest.approx(float(expected.throughput), rel=0.1)
    assert (settled.done - settled.first).sum() / (settled.output - 1).sum() == pytest.approx(
        float(expected.tpot), rel=0.1
    )


def test_every_request_is_answered_in_order_of_its_times(llama: Server) -> None:
    played = simulate(llama, requests.gamma(6, 0.3, *lognormal(3000)), replicas=2, routing="least-loaded")
    assert np.all(played.sent <= played.start) and np.all(played.start < played.first)
    assert np.all((played.first < played.done) == (played.output > 1))
    assert np.isnan(played.tpot).sum() == (played.output == 1).sum()
    for seen in played.occupancy:
        assert np.all(seen.before <= seen.kv_capacity) and np.all(seen.end >= seen.begin)
        assert 0 < seen.mean_kv <= seen.most_kv and 0 < seen.utilisation <= 1
        times = np.linspace(0, seen.end[-1], 200_001)[1:]
        assert seen.kv_at(times).mean() / seen.kv_capacity == pytest.approx(seen.mean_kv, rel=0.01)
        assert seen.batch_at(times).mean() == pytest.approx(seen.mean_batch, rel=0.01)
        assert not seen.kv_at(np.array([-1.0, seen.end[-1] + 1])).any()


def test_in_turn_each_replica_sees_every_other_request(llama: Server) -> None:
    one = requests.poisson(3, *lognormal(500))
    twice = Requests(*(np.repeat(each, 2) for each in (one.arrival, one.prompt, one.output)))
    alone, both = simulate(llama, one), simulate(llama, twice, replicas=2)
    for name in ("start", "first", "done"):
        np.testing.assert_array_equal(getattr(both, name), np.repeat(getattr(alone, name), 2))


def test_the_least_loaded_replica_gets_the_request() -> None:
    engine = constant(0.125, 0.25, 8)
    asked = requests.poisson(9, *lognormal(1500))
    runs = simulation.route(engine, asked, 3, "least-loaded")
    assert sorted(np.concatenate([run.places for run in runs])) == list(range(1500))
    where, done = np.empty(1500, int), np.empty(1500)
    for index, run in enumerate(runs):
        where[run.places], done[run.places] = index, run.played.done
    for place in range(1500):
        before = np.arange(place)
        under_way = before[done[:place] > asked.arrival[place]]
        counts = np.bincount(where[under_way], minlength=3)
        assert counts[where[place]] == counts.min()


def test_a_full_cache_makes_the_youngest_give_up_its_own(llama: Server) -> None:
    asked = requests.closed_loop(64, *lognormal(1200))
    engine = simulated_engine.estimate(llama, asked)
    plenty = simulation.estimate(engine, asked)
    small = replace(engine, limits=replace(engine.limits, kv_capacity=20_000.0))
    scarce = simulation.estimate(small, asked)
    assert plenty.preemptions.sum() == 0 < scarce.preemptions.sum()
    assert scarce.throughput < plenty.throughput
    assert scarce.occupancy[0].mean_batch < plenty.occupancy[0].mean_batch
    with pytest.raises(DoesNotFit, match=r"Request \d+ holds .* room for 900"):
        simulation.estimate(replace(engine, limits=replace(engine.limits, kv_capacity=900.0)), asked)


def test_accepted_drafts_shorten_answers(llama: Server) -> None:
    spec, plan = llama.spec, llama.deployments[0]
    asked = requests.closed_loop(4, 500, 401, 100)
    tpot = {}
    for acceptance in (0.0, 0.8):
        plan = replace(plan, speculative=Speculation("ngram", 3, acceptance))
        tpot[acceptance] = np.nanmean(simulate(server(spec, cluster(4, "h100-sxm5"), plan), asked).tpot)
    expected = 1 + 0.8 + 0.8**2 + 0.8**3
    assert tpot[0.0] / tpot[0.8] == pytest.approx(expected, rel=0.05)


def test_prompts_in_the_cache_start_sooner(llama: Server) -> None:
    plain = requests.poisson(3, *lognormal(800))
    half = replace(plain, cached=plain.prompt // 2)
    assert simulate(llama, half).ttft.mean() < 0.8 * simulate(llama, plain).ttft.mean()


def test_whole_prompts_make_decoding_wait_and_chunks_take_it_along() -> None:
    asked = Requests(np.array([0.0, 1.0]), np.array([10, 10]), np.array([41, 41]))
    whole = simulation.estimate(constant(0.125, 0.5, 2, whole_prompts=True), asked)
    mixed = simulation.estimate(constant(0.125, 0.5, 2), asked)
    assert whole.done.tolist() == [0.5 + 40 * 0.125 + 0.5, 1.5 + 40 * 0.125]
    assert mixed.done.tolist() == [0.5 + 39 * 0.125 + 0.5, 1.5 + 40 * 0.125]


def test_a_long_prompt_comes_in_chunks_of_what_decoding_leaves() -> None:
    asked = Requests(np.zeros(2), np.array([1, 100]), np.array([100, 2]))
    # one token of eleven goes to the first prompt, later to its answer: ten steps for the second prompt
    played = simulation.estimate(constant(1.0, 1.0, 2, budget=11), asked)
    assert played.first.tolist() == [1.0, 10.0] and played.done.tolist() == [100.0, 11.0]


def test_goals_are_met_by_those_within_all_of_them() -> None:
    zero = np.zeros(3)
    counts = np.array([1, 2, 3])
    first, done = np.array([1.0, 2.0, 1.0]), np.array([1.0, 3.0, 5.0])
    played = Simulated(zero, zero, first, done, counts, counts, np.zeros(3, np.int64), ())
    assert played.meets(Goals(ttft=1.5)).tolist() == [True, False, True]
    assert played.meets(Goals(tpot=1.5)).tolist() == [True, True, False]
    assert played.meets(Goals(ttft=1.5, latency=4.0)).tolist() == [True, False, False]
    assert played.throughput == 6 / 5 and played.queueing.tolist() == [0, 0, 0]
    assert math.isnan(distribution(np.array([np.nan])).mean)
    assert distribution(np.array([1.0, np.nan, 3.0])).p50 == 2


@pytest.mark.parametrize("shape", [0.25, 1.0, 4.0])
def test_gaps_vary_as_much_as_asked(shape: float) -> None:
    asked = requests.gamma(8, shape, 10, 10, 60_000, seed=5)
    gaps = np.diff(asked.arrival)
    assert asked.rate == pytest.approx(8, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(1 / math.sqrt(shape), rel=0.03)
    assert asked.at_rate(2).rate == pytest.approx(2)
    np.testing.assert_allclose(np.diff(asked.at_rate(2).arrival), gaps * asked.rate / 2, atol=1e-6)


def test_lengths_have_their_mean_and_spread() -> None:
    drawn = requests.lengths(1000, 100_000, spread=0.5)
    assert drawn.mean() == pytest.approx(1000, rel=0.01) and drawn.std() == pytest.approx(500, rel=0.03)
    assert set(requests.lengths(7, 10)) == {7} and requests.lengths(1000, 1000, spread=2, most=1500).max() == 1500


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"arrival": [0.0, -1.0]}, "Request 2: arrival is -1.0"),
        ({"arrival": [2.0, 1.0]}, "Request 2: arrival is 1.0; it must be no earlier"),
        ({"arrival": [0.0, math.nan]}, "Request 2: arrival is nan"),
        ({"prompt": [0, 5]}, "Request 1: prompt is 0"),
        ({"output": [5, 0]}, "Request 2: output is 0"),
        ({"cached": [5, 0]}, "Request 1: cached is 5"),
        ({"prompt": [5]}, "1 values of prompt"),
        ({"arrival": [], "prompt": [], "output": []}, "no request"),
        ({"clients": -1}, "clients is -1"),
    ],
)
def test_requests_that_cannot_be_are_refused(wrong: dict[str, list[float] | int], words: str) -> None:
    good = {"arrival": [0.0, 1.0], "prompt": [5, 5], "output": [5, 5], **wrong}
    with pytest.raises(BadInput, match=words):
        Requests(**{name: np.array(each) if isinstance(each, list) else each for name, each in good.items()})


def test_loads_that_cannot_be_are_refused(llama: Server) -> None:
    for call in (
        lambda: requests.poisson(0, 1, 1),
        lambda: requests.gamma(1, -1, 1, 1),
        lambda: requests.closed_loop(0, 1, 1),
        lambda: requests.poisson(1, [1, 2], [1, 2, 3]),
        lambda: requests.lengths(0, 5),
        lambda: requests.poisson(1, 1, 1, 5).at_rate(math.inf),
        lambda: requests.closed_loop(1, 1, 1, 5).at_rate(1),
        lambda: simulate(llama, requests.poisson(1, 5, 5), replicas=0),
        lambda: simulate(llama, requests.poisson(1, 5, 5), routing="random"),  # type: ignore[arg-type]
    ):
        with pytest.raises(BadInput):
            call()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=8),
    st.one_of(st.none(), st.integers(0, 8)),
)
def test_a_prefix_cache_holds_what_was_used_last(choices: list[list[int]], capacity: int | None) -> None:
    # a block's name says what it and all before it say
    names: dict[tuple[int, ...], int] = {}
    blocks = [[names.setdefault(tuple(row[: i + 1]), len(names)) for i in range(len(row))] for row in choices]
    last: list[int] = []  # most recently used first
    expected = []
    for row in blocks:
        known = next((i for i, name in enumerate(row) if name not in last), len(row))
        expected.append(known)
        last = (row + [name for name in last if name not in row])[:capacity]
    assert prefix_cache.estimate(blocks, capacity).tolist() == expected
