"""Serving predicted: against formulas for cases that can be worked out by hand, and laws that must hold."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack.catalog.architecture import ModelSpec, llama
from aistack.errors import BadInput, DoesNotFit
from aistack.hardware.machine import Cache, Machine, MatmulRate
from aistack.serving import cache, closed_loop, quantisation, step
from aistack.serving.closed_loop import Policy
from aistack.serving.latency import percentile
from aistack.serving.quantisation import Int8Rate
from aistack.serving.step import Host, Work
from aistack.serving.workload import Ask, draw

MACHINE = Machine(
    name="made up",
    device="cpu",
    cores=2,
    memory=16e9,
    matmul={"float32": MatmulRate(100e9, 15e9, 30e9, 2e-6)},
    memory_bandwidth=20e9,
    launch_overhead=2e-6,
    caches=(Cache("L2", 2e6, 60e9), Cache("L3", 16e6, 40e9)),
)
RATE = Int8Rate(300e9, 50e9, 2e9, 20e-6)


def spec(layers: int = 4, hidden: int = 256, vocab: int = 4096) -> ModelSpec:
    return llama("t", hidden=hidden, layers=layers, heads=8, kv_heads=4, feed_forward=704, vocab=vocab, max_context=256)


def decode(machine: Machine = MACHINE, model: ModelSpec | None = None, batch: int = 1, context: int = 100) -> float:
    return step.estimate(machine, model or spec(), Work((context,) * batch, (), batch)).total


def test_a_step_is_never_slower_on_a_better_machine() -> None:
    rate = MACHINE.rate("float32")
    better = [
        replace(MACHINE, memory_bandwidth=39e9),
        replace(MACHINE, launch_overhead=1e-6),
        replace(MACHINE, matmul={"float32": replace(rate, peak=2e11)}),
        replace(MACHINE, matmul={"float32": replace(rate, operand_bandwidth=2e10)}),
    ]
    large = spec(12, 1024, 8192)
    for batch in (1, 8):
        for machine in better:
            assert decode(machine, large, batch) <= decode(MACHINE, large, batch)


def test_decoding_one_sequence_of_a_large_model_takes_as_long_as_its_weights_take_from_memory() -> None:
    large = spec(16, 2048, 8192)
    floor = quantisation.estimate_size(large, 32) / MACHINE.memory_bandwidth
    assert floor < decode(model=large) < 1.3 * floor
    in_int8 = step.estimate(MACHINE, large, Work((100,), (), 1), RATE).total
    assert quantisation.estimate_size(large, 8) / MACHINE.memory_bandwidth < in_int8 < 0.4 * floor


@given(batch=st.integers(1, 16), context=st.integers(1, 255))
def test_batching_pays_and_context_costs(batch: int, context: int) -> None:
    assert decode(batch=batch, context=context) <= batch * decode(context=context)
    assert decode(batch=batch, context=context) <= decode(batch=batch + 1, context=context)
    assert decode(batch=batch, context=context) <= decode(batch=batch, context=context + 1)


def test_a_prompt_in_one_step_is_cheaper_than_token_by_token() -> None:
    whole = step.estimate(MACHINE, spec(), Work((), ((0, 64),), 1)).total
    assert whole < sum(decode(context=held) for held in range(1, 65)) / 4


@pytest.mark.parametrize("host", [Host(1e-4, 2e-3, 3e-4, 5e-3), Host()])
def test_the_hosts_share_is_found_again(host: Host) -> None:
    shallow, deep = spec(2, 64, 64), spec(8, 64, 64)
    layered = {model: step.estimate(MACHINE, model, Work((16,), (), 1), None, host).total for model in (shallow, deep)}
    found = step.fit_layers(MACHINE, layered, 16)
    assert found.per_layer == pytest.approx(host.per_layer, abs=1e-9)

    def seconds(work: Work, host: Host) -> float:
        return step.estimate(MACHINE, spec(), work, None, host).total

    tokens = {batch: seconds(Work((28,) * batch, (), batch), host) for batch in (1, 4)}
    first = host.per_request + seconds(Work((), ((0, 16),), 1), host)
    fitted = step.fit_server(seconds, tokens, first, 16, 28)
    whole = Host(0.0, host.per_step + spec().layers * host.per_layer, host.per_token, host.per_request)
    assert astuple(fitted) == pytest.approx(astuple(whole), abs=1e-9)


def test_int8_rates_are_found_again() -> None:
    shapes = [(m, n, k) for m in (1, 8, 64) for n, k in ((256, 512), (2048, 512), (640, 1600))]
    quiet = replace(MACHINE, caches=(), memory_bandwidth=1e15)
    seconds = {shape: quantisation.estimate_product(quiet, RATE, *shape, held=1.0) for shape in shapes}
    found = quantisation.fit(seconds)
    assert (found.peak, found.weight_bandwidth, found.activation_bandwidth, found.overhead) == pytest.approx(
        (RATE.peak, RATE.weight_bandwidth, RATE.activation_bandwidth, RATE.overhead), rel=1e-3
    )


def test_matrices_and_vectors_are_all_the_parameters() -> None:
    for tied in (True, False):
        model = replace(spec(), tied_embeddings=tied)
        elements = sum(each.count * each.rows * each.columns for each in quantisation.matrices(model))
        assert model.parameters - elements == model.hidden * (2 * model.layers + 1)


def test_one_client_waits_for_nobody() -> None:
    ask = Ask(tuple(range(40)), 11)

    def seconds(work: Work) -> float:
        return 0.5 if work.prompts else 0.1

    played = closed_loop.estimate(seconds, [ask], 1, 3.05, per_request=0.25)
    # each request: 0.25 s to the queue, 0.5 s for its prompt, then ten more tokens
    assert [request.sent for request in played.load.requests] == pytest.approx([0.0, 1.75])
    for request in played.load.requests:
        assert request.time_to_first_token == pytest.approx(0.75)
        assert request.time_per_output_token == pytest.approx(0.1)
        assert request.latency == pytest.approx(1.75)
    assert played.load.throughput == pytest.approx((11 + 6) / 3.05)
    assert played.most_blocks == 4  # 40 + 11 tokens in blocks of 16


def test_a_full_batch_makes_others_wait() -> None:
    ask = Ask((1, 2, 3), 5)
    played = closed_loop.estimate(lambda work: 1.0, [ask], 3, 1.0, Policy(max_batch=2, token_budget=64))
    assert sorted(request.time_to_first_token for request in played.load.requests) == [1.0, 1.0, 6.0]


def test_requests_sent_together_pass_through_http_one_by_one() -> None:
    played = closed_loop.estimate(lambda work: 1.0, [Ask((1, 2), 2)], 3, 1.0, per_request=10.0)
    assert [request.time_to_first_token for request in played.load.requests] == [11.0, 21.0, 31.0]


def test_a_long_prompt_is_computed_in_chunks() -> None:
    seen = list[Work]()

    def seconds(work: Work) -> float:
        seen.append(work)
        return 1.0

    closed_loop.estimate(seconds, [Ask(tuple(range(100)), 2)], 1, 1.0, Policy(token_budget=48))
    assert [work.prompts for work in seen] == [((0, 48),), ((48, 48),), ((96, 4),), ()]
    assert [work.sampled for work in seen] == [0, 0, 1, 1]


@settings(max_examples=60, deadline=None)
@given(clients=st.integers(1, 20), seed=st.integers(0, 50), budget=st.integers(16, 300))
def test_every_request_gets_all_its_tokens_in_order(clients: int, seed: int, budget: int) -> None:
    asks = draw([list(range(50)), list(range(300))], 30, 256, seed)
    policy = Policy(token_budget=budget)
    played = closed_loop.estimate(lambda work: 0.01 + 0.001 * work.tokens, asks, clients, 1.0, policy)
    assert len({request.client for request in played.load.requests}) == clients
    for request in played.load.requests:
        assert len(request.tokens_at) == request.output_tokens
        assert list(request.tokens_at) == sorted(request.tokens_at)
        assert request.tokens_at[0] > request.sent
    assert played.most_blocks <= policy.max_batch * 16


def test_requests_are_drawn_within_the_context_and_by_seed() -> None:
    texts = [list(range(3)), list(range(1000)), []]
    asks = draw(texts, 200, 256, 5)
    assert asks == draw(texts, 200, 256, 5) != draw(texts, 200, 256, 6)
    assert all(len(ask.prompt) > 0 and len(ask.prompt) + ask.output <= 256 for ask in asks)
    with pytest.raises(BadInput, match="no text"):
        draw([[]], 3, 256, 0)


def test_the_cache_of_llama_3_8b_is_128_kib_a_token() -> None:
    # 32 layers, 8 key-value heads of width 128, key and value in two bytes: the published 131,072 B
    model = llama(
        "llama-3-8b", hidden=4096, layers=32, heads=32, kv_heads=8, feed_forward=14336, vocab=128256, max_context=8192
    )
    found = cache.estimate(model, 80e9, 16.06e9, 8192, element_bytes=2)
    assert found.bytes_per_token == 131_072
    assert found.sequences == int((80e9 - 16.06e9) // (8192 * 131_072))
    with pytest.raises(DoesNotFit, match="8192"):
        cache.estimate(model, 16.5e9, 16.06e9, 8192, element_bytes=2)


@given(values=st.lists(st.floats(0, 1e3), min_size=1, max_size=30), share=st.floats(0, 1))
def test_percentiles_are_numpys(values: list[float], share: float) -> None:
    assert percentile(values, share) == pytest.approx(float(np.quantile(values, share)), rel=1e-9, abs=1e-9)
