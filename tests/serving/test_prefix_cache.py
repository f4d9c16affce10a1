"""What prompts find of those before them: traces against published ratios, caches in closed form, load and capacity."""

from dataclasses import replace

import numpy as np
import pytest

from aistack import catalog
from aistack.errors import BadInput
from aistack.infrastructure.cluster import cluster
from aistack.scenario import ServingScenario, answer_serving, serving_play, traces
from aistack.scenario import serving_deployment as deployments
from aistack.serving import prefix_cache, requests, simulated_engine, simulation
from aistack.serving.deployment import Deployment
from aistack.serving.requests import Requests
from aistack.serving.step_time import Server, server


@pytest.fixture(scope="module")
def llama() -> Server:
    plan = Deployment(tensor_parallel=8, precision="fp8")
    return server(catalog.model("llama-3.1-70b").spec, cluster(8, "h100-sxm5"), plan, context=12_000)


@pytest.fixture(scope="module")
def mooncake() -> traces.Trace:
    return traces.trace("mooncake-conversation")


def test_the_trace_is_as_reusable_as_published(mooncake: traces.Trace) -> None:
    # Mooncake (FAST 2025), table 2: a cache ratio of 40% of this trace's tokens with no limit
    assert mooncake.with_prefix_cache().cached.sum() / mooncake.requests.prompt.sum() == pytest.approx(0.40, abs=0.03)
    # as others counted block by block, of all blocks, caches of so many of the 182,790 different ones
    assert mooncake.blocks is not None
    sizes = {None: 0.366, 0.01: 0.052, 0.05: 0.195, 0.1: 0.278, 0.25: 0.353, 0.5: 0.363}
    for share, published in sizes.items():
        capacity = None if share is None else round(share * 182_790)
        found = prefix_cache.estimate(mooncake.blocks, capacity).sum() / 288_500
        assert found == pytest.approx(published, abs=0.006), share


def test_the_working_set_says_what_a_cache_of_any_size_finds(mooncake: traces.Trace) -> None:
    assert mooncake.blocks is not None
    sizes = [1000, 10_000, 30_000, 100_000, 10**9]
    exact = [prefix_cache.estimate(mooncake.blocks, size).sum() / 288_500 for size in sizes]
    np.testing.assert_allclose(prefix_cache.recent(mooncake.blocks, sizes), exact, atol=0.005)
    # turns of a conversation follow one another, which independent look-ups do not know
    independent = prefix_cache.independent(mooncake.blocks, sizes)
    assert independent[1] < 0.6 * exact[1] and independent[-1] == pytest.approx(exact[-1])
    assert np.all(np.diff(independent) >= 0)


def test_independent_look_ups_are_found_as_che_says() -> None:
    draws = np.random.default_rng(2)
    popularity = 1 / np.arange(1, 3001) ** 0.8
    blocks = [(int(each),) for each in draws.choice(3000, 60_000, p=popularity / popularity.sum())]
    sizes = [30, 300, 1000, 2000]
    exact = [prefix_cache.estimate(blocks, size).mean() for size in sizes]
    np.testing.assert_allclose(prefix_cache.independent(blocks, sizes), exact, atol=0.01)
    np.testing.assert_allclose(prefix_cache.recent(blocks, sizes), exact, atol=0.01)


def test_a_block_after_others_is_another_block() -> None:
    named = prefix_cache.chained([(1, 2, 3), (1, 2), (4, 2), (4, 4)])
    assert named[0][:2] == named[1] and named[2][0] == named[3][0]
    assert len({name for names in named for name in names}) == 6


def test_hits_depend_on_what_the_cache_has_room_for(llama: Server, mooncake: traces.Trace) -> None:
    asked = mooncake.sharing().take(np.arange(3000))
    engine = simulated_engine.estimate(llama, asked)
    ratios = [
        simulation.estimate(
            replace(engine, limits=replace(engine.limits, kv_capacity=tokens)), asked.at_rate(1.0)
        ).hit_ratio
        for tokens in (3e5, 1e6, 4e6, 1e9)
    ]
    assert ratios[0] < 0.7 * ratios[-1] and np.all(np.diff(ratios) > 0)
    # with room for everything each finds what came before it, but for parts of blocks
    found = prefix_cache.estimate(asked.blocks) * traces.BLOCK
    ideal = np.minimum(found, asked.prompt - 1).sum() / asked.prompt.sum()
    assert ratios[-1] == pytest.approx(ideal)
    # nearly idle, running requests take little and the cache is one of its whole size
    idle = replace(engine, limits=replace(engine.limits, kv_capacity=4e6))
    alone = simulation.estimate(idle, asked.at_rate(0.05)).hit_ratio
    exact = prefix_cache.estimate(asked.blocks, int(4e6 // traces.BLOCK)) * traces.BLOCK
    assert alone == pytest.approx(np.minimum(exact, asked.prompt - 1).sum() / asked.prompt.sum(), abs=0.02)


@pytest.mark.parametrize(("prefixes", "tokens"), [(20, 60_000.0), (40, 110_000.0), (80, 200_000.0)])
def test_load_by_itself_changes_little(llama: Server, prefixes: int, tokens: float) -> None:
    # what running requests hold is what was used last, so that a block stays for as many requests, fast or slow
    prompts, answers = requests.lengths(2000, 3000, spread=0.3, seed=1), requests.lengths(300, 3000, seed=2)
    ratios, full = [], []
    for rate in (0.3, 9.0):
        asked = requests.sharing(requests.poisson(rate, prompts, answers), prefixes, 1000, seed=3)
        engine = simulated_engine.estimate(llama, asked)
        small = replace(engine, limits=replace(engine.limits, kv_capacity=tokens))
        played = simulation.estimate(small, asked)
        ratios.append(played.hit_ratio)
        full.append(played.occupancy[0].mean_kv)
    assert full[0] < 0.1 and full[1] > 0.6
    assert ratios[1] == pytest.approx(ratios[0], rel=0.08)
    # and in closed form
    expected = float(prefix_cache.beginnings(prefixes, 1000, 1300, tokens)) * 1000 / prompts.mean()
    assert np.mean(ratios) == pytest.approx(expected, rel=0.06)


def test_beginnings_stay_as_long_as_there_is_room() -> None:
    shares = prefix_cache.beginnings([10, 10, 10, 1], 1000, 500, [1e3, 1e4, 1e6, 5e3])
    assert (
        np.all(np.diff(shares[:3]) > 0) and shares[2] == pytest.approx(1) and shares[3] == pytest.approx(1, abs=0.001)
    )
    # where a prompt brings nothing else, as many are there as have room
    assert float(prefix_cache.beginnings(100, 500, 1e-6, 25_000)) == pytest.approx(0.5, abs=0.01)


def test_a_plan_knows_what_its_cache_has_room_for() -> None:
    asked = {"model": "llama-3.1-8b", "on": "1xh100-sxm5", "prompt": 4000, "output": 100, "rate": "2/s",
             "cached": 0.75, "precision": "fp8"}  # fmt: skip
    ttft = {
        count: answer_serving(ServingScenario.from_mapping({**asked, "prefixes": count})).ttft.mean
        for count in (0, 10, 200, 100_000)
    }
    assert ttft[0] == pytest.approx(ttft[10], rel=0.02)
    assert ttft[10] < ttft[200] < ttft[100_000]
    none = answer_serving(ServingScenario.from_mapping({**asked, "cached": 0})).ttft.mean
    assert ttft[100_000] == pytest.approx(none, rel=0.02)
    scenario = ServingScenario.from_mapping({**asked, "prefixes": 200})
    played = serving_play.play(scenario, count=4000)
    held = deployments.hit(scenario, deployments.server(scenario))
    # once each has come for the first time
    run = played.simulated
    assert 0.1 < held < 0.7 and run.cached[1000:].sum() / run.prompt[1000:].sum() == pytest.approx(held, rel=0.05)
    with pytest.raises(BadInput, match="prefixes are what prompts share"):
        ServingScenario.from_mapping({**asked, "cached": 0, "prefixes": 5})


def test_shared_beginnings_are_found_after_the_first(llama: Server) -> None:
    asked = requests.sharing(requests.poisson(2.0, 1500, 50, 600), 4, 1024, seed=1)
    played = simulation.simulate(llama, asked)
    assert (played.cached == 0).sum() == 4 and set(played.cached.tolist()) == {0, 1024}
    plain = simulation.simulate(llama, requests.poisson(2.0, 1500, 50, 600))
    assert played.ttft.mean() < plain.ttft.mean() and plain.hit_ratio == 0
    # each replica has a cache of its own
    assert (simulation.simulate(llama, asked, replicas=3).cached == 0).sum() == 12
    least = simulation.simulate(llama, asked, replicas=3, routing="least-loaded")
    assert 4 <= (least.cached == 0).sum() <= 12


def test_blocks_that_cannot_be_are_refused() -> None:
    two = (np.zeros(2), np.array([100, 20]), np.array([5, 5]))
    assert len(Requests(*two, blocks=((1, 2), ()), block=50).take(np.array([False, True])).blocks) == 1
    with pytest.raises(BadInput, match="Request 2: prompt is 20; it must be as long as its blocks"):
        Requests(*two, blocks=((1,), (1,)), block=50)
    with pytest.raises(BadInput, match="one tuple a request"):
        Requests(*two, blocks=((1,),), block=50)
    with pytest.raises(BadInput, match="one prefix or more"):
        requests.sharing(requests.poisson(1, 10, 10, 5), 0, 5)
