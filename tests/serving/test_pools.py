"""Pools that read prompts and decode apart: their closed form, their search and their simulation say the same."""

import itertools

import numpy as np
import pytest

from aistack import catalog
from aistack.errors import BadInput
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.cluster import cluster
from aistack.serving import capacity, disaggregated, pool_capacity, requests, search, steady_pools, steady_state
from aistack.serving.capacity import Goals, Workload
from aistack.serving.deployment import Deployment
from aistack.serving.pools import Pools, held, moving, reading
from aistack.serving.search import Question
from aistack.serving.step_time import Server, server

PROMPT, OUTPUT = 2000, 200
GOALS = Goals(ttft=0.6, tpot=0.03)
WORK = Workload(PROMPT, OUTPUT)
AT_ONCE = Channel(0.0, 1e30)
NETWORK = Channel(1e-5, 40e9)


def replica(model: str = "llama-3.1-8b", accelerator: str = "h100-sxm5", **plan: object) -> Server:
    one = Deployment(**plan)  # type: ignore[arg-type]
    return server(catalog.model(model).spec, cluster(one.chips, accelerator), one, context=PROMPT + OUTPUT)


def pools(readers: int = 1, decoders: int = 1, channel: Channel = NETWORK, **plan: object) -> Pools:
    one = replica(**plan)
    return Pools(one, one, readers, decoders, channel)


def question(model: str = "llama-3.1-70b", chips: int = 16, goals: Goals = GOALS) -> Question:
    spec, system = catalog.model(model).spec, cluster(chips, "h100-sxm5")
    return Question(spec, system, Deployment(precision="fp8"), Workload(1024, 256), goals, 1280)


def test_moving_takes_what_the_fuller_side_holds() -> None:
    # 32 layers, keys and values of 8 heads of 128, in 16 bits; with tensor parallelism each accelerator has a part
    whole = PROMPT * 32 * 2 * 8 * 128 * 2
    assert float(pools().transfer(PROMPT)) == pytest.approx(1e-5 + whole / 40e9)
    half = Pools(replica(tensor_parallel=2), replica(tensor_parallel=4), 1, 1, NETWORK)
    assert float(half.transfer(PROMPT)) == pytest.approx(1e-5 + whole / 2 / 40e9)
    back = Pools(half.decode, half.prefill, 1, 1, NETWORK)
    assert float(back.transfer(PROMPT)) == pytest.approx(float(half.transfer(PROMPT)))
    assert float(pools(channel=AT_ONCE).transfer(PROMPT)) < 1e-12


@pytest.mark.parametrize("tensor", [1, 2])
def test_a_request_alone_sees_its_prompt_the_way_and_undisturbed_steps(tensor: int) -> None:
    both = pools(tensor_parallel=tensor)
    seen = disaggregated.simulate(both, requests.poisson(1e-3, PROMPT, OUTPUT, 3))
    one = both.prefill
    first = float(one.engine.request_overhead + one.prefill(PROMPT) + both.transfer(PROMPT))
    steps = [float(one.decode(1, PROMPT + 1 + token)) for token in range(OUTPUT - 1)]
    assert seen.ttft == pytest.approx([first] * 3, rel=0.01)
    assert seen.tpot == pytest.approx([np.mean(steps)] * 3, rel=0.01)
    idle = steady_pools.estimate(both, PROMPT, OUTPUT, rate=1e-3)
    assert float(idle.ttft) == pytest.approx(first, rel=1e-3)
    # the closed form's context is half way, and its batch is a little below one
    assert float(idle.tpot) == pytest.approx(np.mean(steps), rel=0.02)


def test_over_a_link_without_end_pools_carry_what_reading_and_decoding_alone_do() -> None:
    one = replica()
    both = steady_pools.most(pools(3, 2, AT_ONCE), PROMPT, OUTPUT)
    alone = steady_state.estimate(one, PROMPT, 1)
    assert both[0] == pytest.approx(3 * float(alone.throughput), rel=0.1)
    room = float(steady_state.room(one, PROMPT, OUTPUT))
    step = float(one.decode(room, room * (PROMPT + OUTPUT / 2)))
    assert both[1] == pytest.approx(2 * room / step / (OUTPUT - 1), rel=1e-6)


def test_a_narrow_link_bounds_what_is_read() -> None:
    narrow = pools(channel=Channel(0.0, 1e9))
    sending = float(narrow.transfer(PROMPT))
    assert sending > float(reading(narrow.prefill, PROMPT).alone)
    assert float(steady_pools.most(narrow, PROMPT, OUTPUT)[0]) == pytest.approx(1 / sending)
    assert pool_capacity.estimate(narrow, WORK, Goals()).binding == "transfer"
    # more than it carries queues before the link, whatever the readers do
    seen = disaggregated.simulate(narrow, requests.poisson(2 / sending, PROMPT, OUTPUT, 400, seed=1))
    assert len(seen) / (seen.first.max() - seen.sent.min()) == pytest.approx(1 / sending, rel=0.02)


@pytest.mark.parametrize(("readers", "decoders"), [(1, 1), (3, 2)])
def test_the_closed_form_is_near_the_simulation(readers: int, decoders: int) -> None:
    both = pools(readers, decoders)
    most = float(steady_pools.most(both, PROMPT, OUTPUT).min())
    for share in (0.2, 0.5, 0.8):
        rate = share * most
        there = steady_pools.estimate(both, PROMPT, OUTPUT, rate=rate)
        run = disaggregated.simulate(both, requests.poisson(rate, PROMPT, OUTPUT, 4000, seed=5))
        settled = run.between(float(np.quantile(run.sent, 0.25)))
        assert float(there.tpot) == pytest.approx(settled.tpot.mean(), rel=0.06)
        # in turn is steadier than at random
        assert settled.ttft.mean() < float(there.ttft) * 1.05
        if readers == 1:
            assert float(there.ttft) == pytest.approx(settled.ttft.mean(), rel=0.1)
        assert float(there.batch) == pytest.approx(sum(each.mean_batch for each in run.occupancy) / decoders, rel=0.08)


def test_every_request_is_answered_once_and_in_order() -> None:
    asked = requests.gamma(20, 0.25, requests.lengths(900, 800, spread=1), requests.lengths(60, 800, spread=1, seed=2))
    run = disaggregated.simulate(pools(2, 3), asked)
    assert len(run) == len(asked) and np.array_equal(run.output, asked.output)
    assert np.all(run.sent <= run.start) and np.all(run.start < run.first) and np.all(run.first <= run.done)
    assert np.all((run.done > run.first) == (asked.output > 1))
    assert run.throughput == pytest.approx(asked.output.sum() / run.seconds)
    # one client's requests, one after the other, wait for nothing
    alone = disaggregated.simulate(pools(), requests.poisson(1e-3, asked.prompt[:5], asked.output[:5]))
    assert alone.queueing == pytest.approx([pools().prefill.engine.request_overhead] * 5)


def test_prompts_read_elsewhere_leave_decoding_alone() -> None:
    both = pools()
    clients = np.array([1.0, 32.0])
    apart = steady_pools.estimate(both, 4000, 200, concurrency=clients)
    together = steady_state.estimate(both.decode, 4000, 200, concurrency=clients)
    assert np.all(apart.tpot <= together.tpot) and apart.tpot[1] < 0.8 * together.tpot[1]
    assert apart.throughput / 200 * apart.e2e == pytest.approx(clients, rel=0.02)
    assert apart.per_accelerator == pytest.approx(apart.throughput / 2)
    assert float(steady_pools.estimate(both, 4000, 200, rate=1.0).throughput) == pytest.approx(200)
    assert bool(steady_pools.estimate(both, 4000, 200, rate=1000.0).saturated)


@pytest.mark.parametrize("goals", [Goals(ttft=0.6, tpot=0.03), Goals(ttft=2.0, tpot=0.05, latency=5.0)])
@pytest.mark.parametrize("rate", [None, 12.0])
def test_what_the_search_finds_is_what_one_answer_says(goals: Goals, rate: float | None) -> None:
    asked = question(goals=goals)
    found = search.pools(asked, rate)
    assert found is not None and found.chips <= 16
    said = pool_capacity.estimate(found, asked.work, goals)
    assert said.ttft <= goals.ttft and said.tpot <= goals.tpot
    assert said.ttft + 255 * said.tpot <= goals.latency
    assert rate is None or said.rate >= rate
    # by hand: each half alone, priced one at a time
    priced, _ = search.fitting(asked)
    assert priced is not None
    best, fewest = 0.0, np.inf
    some = [priced.deployments[place] for place in range(0, len(priced.deployments), 6)]
    ones = [server(asked.spec, asked.cluster, each, context=asked.context) for each in some if each.chips <= 4]
    for reader, decoder in itertools.product(ones[::2], ones[::2]):
        for count in (1, 2, 4):
            left = int((16 - count * float(reader.chips)) // float(decoder.chips))
            if left < 1:
                continue
            other = Pools(reader, decoder, count, left, found.channel)
            carried = pool_capacity.estimate(other, asked.work, goals).rate
            best = max(best, carried)
            if rate is not None and carried >= rate:
                fewest = min(fewest, float(other.chips))
    assert best <= said.rate * (1 + 1e-6) or rate is not None
    assert float(found.chips) <= fewest


def test_pools_meet_their_goals_in_the_simulation() -> None:
    asked = question()
    found = search.pools(asked)
    assert found is not None
    rate = 0.95 * pool_capacity.estimate(found, asked.work, asked.goals).rate
    seen = disaggregated.simulate(found, requests.poisson(rate, 1024, 256, 6000, seed=3))
    settled = seen.between(float(np.quantile(seen.sent, 0.25)))
    assert np.percentile(settled.ttft, 95) <= 0.6
    assert np.percentile(settled.tpot, 95) <= 0.03 * 1.05


def test_a_faster_goal_costs_more_of_each_accelerator() -> None:
    rates = []
    for tpot in (0.1, 0.05, 0.025, 0.0125):
        asked = question(goals=Goals(ttft=2.0, tpot=tpot))
        found = search.pools(asked)
        rates.append(pool_capacity.estimate(found, asked.work, asked.goals).rate / found.chips if found else 0.0)
    assert rates == sorted(rates, reverse=True) and rates[0] > rates[-1]


def test_a_model_that_fits_nowhere_and_goals_that_nothing_meets() -> None:
    assert search.pools(question("llama-3.1-405b", 2)) is None
    assert search.pools(question(goals=Goals(tpot=1e-4))) is None
    assert search.pools(question(), rate=1e6) is None


def test_pools_that_cannot_be_are_refused() -> None:
    one = replica()
    for wrong in (
        lambda: Pools(one, one, 0, 1, NETWORK),
        lambda: Pools(one, replica(kv_precision="fp8"), 1, 1, NETWORK),
        lambda: disaggregated.simulate(pools(), requests.closed_loop(2, 10, 10)),
        lambda: steady_pools.estimate(pools(), 10, 10),
        lambda: steady_pools.estimate(pools(), 10, 10, rate=0),
        lambda: steady_pools.estimate(pools(), 0, 10, rate=1),
    ):
        with pytest.raises(BadInput):
            wrong()


def test_published_halves_of_opt_13b() -> None:
    """DistServe (arXiv:2401.09670, figure 1): prompts of 512 tokens and answers of 64 on one A100 each, 90% within
    0.4 s and 0.04 s a token: 1.6 requests/s together, 5.6 that are read alone and 10 decoded alone; two readers and a
    decoder carry 3.3 for each accelerator, 2.1 times as many."""
    plan = Deployment(precision="fp16", kv_precision="fp16", chunk=0, engine="vllm-v0")
    one = server(catalog.model("opt-13b").spec, cluster(1, "a100-sxm-80gb"), plan, context=576)
    work, goals = Workload(512, 64), Goals(ttft=0.4, tpot=0.04, percentile=90)
    together = float(capacity.estimate(one, work, goals).rate)
    read = float(pool_capacity.reads(one, work, goals, 0.0).rate)
    decoded = float(pool_capacity.decodes(one, work, goals).rate)
    three = pool_capacity.estimate(Pools(one, one, 2, 1, AT_ONCE), work, goals)
    assert three.rate == pytest.approx(min(2 * read, decoded))
    # the paper's engines run twice as slow as ours of the same year; what they have in common is the proportion
    assert decoded / read == pytest.approx(10 / 5.6, rel=0.5)
    assert 1.2 < three.rate / 3 / together < 3


def test_published_size_of_a_cache_on_its_way() -> None:
    """DistServe, section 3.3: 512 tokens of OPT-66B are 1.13 GB (2^30 bytes), so 10 requests/s take 90 Gbit/s."""
    plan = Deployment(tensor_parallel=4, precision="fp16", kv_precision="fp16")
    one = server(catalog.model("opt-66b").spec, cluster(4, "a100-sxm-80gb"), plan)
    whole = 4 * float(held(one, 512))
    assert whole == pytest.approx(1.13 * 2**30, rel=0.01)
    assert float(moving(Channel(0.0, 90e9 / 8 / 4), held(one, 512), 0.0)) == pytest.approx(0.1, rel=0.08)
