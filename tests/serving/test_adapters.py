"""LoRA adapters served from one model: sizes by hand, costs against what Punica and S-LoRA report."""

from dataclasses import replace

import numpy as np
import pytest
from token_by_token import serve

from aistack import catalog
from aistack.errors import BadInput
from aistack.frameworks.adapters import ATTENTION
from aistack.infrastructure.cluster import cluster
from aistack.scenario import ServingScenario, answer_serving
from aistack.serving import adapters, requests, simulated_engine, simulation, steady_state
from aistack.serving.deployment import Adapters, Deployment, Deployments, Speculation
from aistack.serving.step_time import Server, server


def replica(count: int, rank: int = 16, *, tensor: int = 1, chip: str = "a100-sxm4-80gb", model: str = "llama-2-7b",
            targets: tuple[str, ...] | None = None, **plan: int) -> Server:  # fmt: skip
    lora = None
    if count:
        lora = Adapters(count, rank) if targets is None else Adapters(count, rank, targets)
    deployment = Deployment(tensor_parallel=tensor, adapters=lora, **plan)  # type: ignore[arg-type]
    return server(catalog.model(model).spec, cluster(tensor, chip), deployment, context=1000)


def test_an_adapter_is_as_large_as_its_matrices() -> None:
    # Llama 2 7B, rank 16 beside all seven matrices of 32 layers: 39,976,960 parameters, as PEFT counts them
    assert float(replica(1).adapter_bytes) == 2 * 39_976_960
    assert 32 * 16 * (4 * (4096 + 4096) + 3 * (4096 + 11008)) == 39_976_960
    # four ranks: of q, k, v, gate and up all of A and a quarter of B, of o and down a quarter of A and all of B
    whole, split = 32 * 16 * (5 * 4096 + 2 * 4096), 32 * 16 * (3 * 4096 + 2 * 11008 + 4096 + 11008) / 4
    assert float(replica(1, tensor=4).adapter_bytes) == 2 * (whole + split)
    assert float(replica(1, 8, targets=ATTENTION).adapter_bytes) == 2 * 32 * 8 * 4 * (4096 + 4096)


def test_memory_for_adapters_is_taken_from_the_cache() -> None:
    plain, many = replica(0), replica(40)
    before, after = plain.memory(), many.memory()
    assert float(after["adapters"]) == 40 * float(many.adapter_bytes)
    assert float(before["cache"] - after["cache"]) == pytest.approx(float(after["adapters"]))
    assert sum(map(float, after.values())) == pytest.approx(many.chip.memory)
    assert float(plain.kv_capacity) > float(many.kv_capacity)
    # more than there is room for: some stay in the host's memory
    crowd = replica(5000)
    assert 100 < float(crowd.adapters) < 256
    assert float(crowd.memory()["adapters"]) < 0.25 * crowd.chip.memory


@pytest.mark.parametrize(("count", "sequences"), [(1, 9), (10, 10), (64, 32), (1000, 32)])
def test_a_batch_touches_as_many_as_chance_says(count: int, sequences: int) -> None:
    drawn = np.random.default_rng(1).integers(0, count, (4000, sequences))
    seen = np.mean([len(set(each)) for each in drawn.tolist()])
    assert float(adapters.touched(count, sequences)) == pytest.approx(seen, rel=0.02)
    if count > sequences:
        kept = adapters.touched(count, sequences)
        assert float(adapters.places(count, kept)) == pytest.approx(sequences, abs=1)


def test_a_token_takes_two_milliseconds_more_as_punica_says() -> None:
    # arXiv:2310.18547, abstract: "only adding 2ms latency per token"; rank 16 beside all seven matrices, batches of 32,
    # A100 80 GB, every request with an adapter of its own; one that all share costs less
    base = float(replica(0).decode(32, 32 * 512))
    distinct, identical = (float(replica(count).decode(32, 32 * 512)) - base for count in (1000, 1))
    assert 1.3e-3 < distinct < 3e-3
    assert 0 < identical < 0.6 * distinct
    # the distinct ones' bytes alone take this long
    assert distinct > 31.5 * 80e6 / 2.04e12


def test_thousands_of_adapters_cost_little_as_s_lora_says() -> None:
    # arXiv:2311.03285, abstract: thousands of adapters on a single accelerator "with a small overhead"; its adapters
    # lie beside attention's matrices
    found = {
        count: float(steady_state.estimate(replica(count, 8, targets=ATTENTION), 260, 260, concurrency=100).throughput)
        for count in (0, 5, 2000)
    }
    assert found[0] > found[5] > found[2000] > 0.8 * found[5]


def test_what_is_not_resident_is_fetched_over_the_host_link() -> None:
    one = replica(10_000)
    missed = 1 - float(one.adapters) / 10_000
    # 80 MB over PCIe 4.0 x16 at 25 GB/s
    added = float(one.mixed(0, 0, 500, 0, 1) - one.mixed(0, 0, 500, 0, 0))
    base = replica(0)
    plain = float(base.mixed(0, 0, 500, 0, 1) - base.mixed(0, 0, 500, 0, 0))
    assert added - plain == pytest.approx(missed * 79.95e6 / 25e9, rel=0.03)
    few = replica(10)
    assert float(few.mixed(0, 0, 500, 0, 1) - few.mixed(0, 0, 500, 0, 0)) == pytest.approx(plain)


def test_few_places_for_adapters_leave_few_for_sequences() -> None:
    large = replica(100, 512)
    assert 1 <= float(large.adapters) < 20
    assert float(large.max_batch) < 25 < float(large.limit)
    engine = simulated_engine.estimate(large, requests.closed_loop(1, 500, 50, 1))
    assert engine.limits.max_batch == float(large.max_batch)


def test_many_deployments_at_once_are_each_alone() -> None:
    plans = [Deployment(tensor_parallel=size, adapters=Adapters(300)) for size in (1, 2, 4)]
    spec, where = catalog.model("llama-3.1-8b").spec, cluster(4, "h100-sxm5")
    together = server(spec, where, Deployments.of(plans))
    for place, plan in enumerate(plans):
        alone = server(spec, where, plan)
        for name in ("adapters", "adapter_bytes", "max_batch", "kv_capacity"):
            assert float(np.broadcast_to(getattr(together, name), 3)[place]) == float(getattr(alone, name))
        assert float(together.mixed(30, 9000, 500, 0, 1)[place]) == float(alone.mixed(30, 9000, 500, 0, 1))


def test_more_adapters_or_a_larger_rank_are_never_faster() -> None:
    times = [[float(replica(count, rank).decode(64, 30_000)) for count in (1, 4, 50, 2000)] for rank in (8, 64)]
    assert np.all(np.diff(times, axis=1) > 0) and np.all(np.diff(times, axis=0) > 0)
    # rows of one sequence share its adapter: with drafts fewer are touched than there are rows
    drafting = replica(2000, speculative=Speculation("ngram", 3, 0.6))  # type: ignore[arg-type]
    plain = replica(0, speculative=Speculation("ngram", 3, 0.6))  # type: ignore[arg-type]
    speculation = Speculation("ngram", 3, 0.6)
    added = float(drafting.verify(16, 8000, speculation) - plain.verify(16, 8000, speculation))
    single = float(replica(2000).decode(16, 8000) - replica(0).decode(16, 8000))
    assert 0.9 * single < added < 1.5 * single


def test_the_simulation_with_adapters_is_the_one_token_by_token() -> None:
    one = replica(600, max_batch=24)
    prompt, output = requests.lengths(300, 80, spread=0.5, seed=1), requests.lengths(60, 80, spread=0.7, seed=2)
    asked = requests.poisson(8, prompt, output, seed=3)
    engine = replace(simulated_engine.estimate(one, asked), overhead=0.0)
    played = simulation.estimate(engine, asked)
    left = simulated_engine.decoding_steps(engine.limits, asked)
    columns = (asked.arrival, asked.prompt, left, asked.cached)
    stepped = serve(engine.table, engine.limits, *(column.tolist() for column in columns))
    np.testing.assert_allclose(played.done, [each.done for each in stepped.requests], rtol=1e-9)
    assert simulation.simulate(replica(0, max_batch=24), asked).latency.mean() < played.latency.mean()


def test_the_steady_state_with_adapters_is_the_mean_of_a_closed_loop() -> None:
    one = replica(2000)
    prompt, output = requests.lengths(400, 1200, spread=0.5, seed=1), requests.lengths(120, 1200, spread=0.5, seed=2)
    played = simulation.simulate(one, requests.closed_loop(32, prompt, output))
    settled = played.between(0.2 * played.seconds, 0.8 * played.seconds)
    expected = steady_state.estimate(one, prompt.mean(), output.mean(), concurrency=32)
    assert settled.output.sum() / (0.6 * played.seconds) == pytest.approx(float(expected.throughput), rel=0.1)


def test_scenarios_speak_of_them() -> None:
    asked = {"model": "llama-3.1-8b", "on": "1xh100-sxm5", "prompt": 512, "output": 64, "rate": "2/s"}
    with_them = answer_serving(ServingScenario.from_mapping({**asked, "adapters": 200, "adapter_rank": 32}))
    without = answer_serving(ServingScenario.from_mapping(asked))
    assert "200 adapters of rank 32" in str(with_them.deployment)
    for answer in (with_them, without):
        assert sum(part.bytes for part in answer.memory) == pytest.approx(answer.capacity)
        assert sum(share.seconds for share in answer.tpot_waterfall) == pytest.approx(answer.tpot.mean)
    assert [part.name for part in with_them.memory].count("adapters") == 1
    assert "adapters" not in [part.name for part in without.memory]
    shares = {share.name: share.seconds for share in with_them.tpot_waterfall}
    assert shares["adapters"] > 0
    assert {share.name: share.seconds for share in without.tpot_waterfall}["adapters"] == 0
    for wrong in ({"engine": "llama.cpp"}, {"engine": "aistack"}):
        with pytest.raises(BadInput, match="different adapters"):
            answer_serving(ServingScenario.from_mapping({**asked, "adapters": 2, **wrong}))
    with pytest.raises(BadInput, match="adapter_rank"):
        ServingScenario.from_mapping({**asked, "adapter_rank": 0})
    with pytest.raises(BadInput, match="adapters"):
        Adapters(0)
