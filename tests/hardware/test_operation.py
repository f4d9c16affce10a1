from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput, UnknownName
from aistack.hardware import feedforward
from aistack.hardware.machine import Cache, Machine, MatmulRate
from aistack.hardware.matmul import Product, fit
from aistack.hardware.operation import estimate_matmul, estimate_stream

sizes = st.integers(min_value=1, max_value=8192)
factors = st.floats(min_value=1.0, max_value=100.0)

RATE = MatmulRate(peak=4e11, operand_bandwidth=2e10, vector_bandwidth=4e10, overhead=2e-6)
MACHINE = Machine(
    name="test",
    device="cpu",
    cores=2,
    memory=16e9,
    matmul={"float32": RATE, "bfloat16": RATE},
    memory_bandwidth=3e10,
    launch_overhead=1e-6,
    caches=(Cache("L1", 64e3, 2e11), Cache("L2", 2e6, 1.5e11), Cache("L3", 32e6, 1e11)),
)


def test_flop_and_bytes_of_a_product_counted_by_hand() -> None:
    product = Product(2, 3, 4, "bfloat16")
    # each of the 2 x 3 results sums 4 products; 2x4 + 4x3 + 2x3 elements of two bytes
    assert product.flop == 2 * 2 * 3 * 4
    assert product.bytes == (8 + 12 + 6) * 2
    # a square product's intensity grows with its size: 2n^3 / (3 n^2 · 4)
    assert Product(600, 600, 600, "float32").intensity == pytest.approx(100)


@given(sizes, sizes, sizes)
def test_no_product_is_faster_than_its_parts(m: int, n: int, k: int) -> None:
    seconds = estimate_matmul(MACHINE, m, n, k, "float32")
    product = Product(m, n, k, "float32")
    assert seconds >= MACHINE.launch_overhead + RATE.overhead
    assert seconds >= product.flop / RATE.peak
    assert seconds >= product.bytes / RATE.vector_bandwidth


@given(sizes, sizes, sizes, st.sampled_from(["m", "n", "k"]))
def test_a_larger_product_is_never_faster(m: int, n: int, k: int, side: str) -> None:
    larger = {"m": m, "n": n, "k": k}
    larger[side] += 1
    assert estimate_matmul(MACHINE, **larger, dtype="float32") >= estimate_matmul(MACHINE, m, n, k, "float32")


@given(sizes, sizes, sizes, factors, st.sampled_from(["peak", "operand_bandwidth", "vector_bandwidth"]))
def test_a_better_machine_is_never_slower(m: int, n: int, k: int, factor: float, constant: str) -> None:
    better = {name: getattr(RATE, name) for name in ("peak", "operand_bandwidth", "vector_bandwidth", "overhead")}
    better[constant] *= factor
    better["vector_bandwidth"] = max(better["vector_bandwidth"], better["operand_bandwidth"])
    machine = replace(MACHINE, matmul={"float32": MatmulRate(**better)})
    assert estimate_matmul(machine, m, n, k, "float32") <= estimate_matmul(MACHINE, m, n, k, "float32")


def test_a_large_product_nears_the_peak_and_a_vector_its_bandwidth() -> None:
    large = Product(8192, 8192, 8192, "float32")
    assert large.flop / estimate_matmul(MACHINE, 8192, 8192, 8192, "float32") > 0.9 * RATE.peak
    # out of every cache a vector by a matrix cannot beat memory, however fast its arithmetic
    vector = Product(1, 8192, 8192, "float32")
    assert estimate_matmul(MACHINE, 1, 8192, 8192, "float32") >= vector.bytes / MACHINE.memory_bandwidth


@given(st.floats(min_value=1, max_value=1e11), factors)
def test_more_bytes_and_larger_working_sets_never_stream_faster(size: float, factor: float) -> None:
    assert estimate_stream(MACHINE, size * factor) >= estimate_stream(MACHINE, size)
    assert estimate_stream(MACHINE, size, size * factor) >= estimate_stream(MACHINE, size, size) * (1 - 1e-12)
    faster = replace(MACHINE, memory_bandwidth=4e10)
    assert estimate_stream(faster, size) <= estimate_stream(MACHINE, size)


def test_streams_meet_their_limits() -> None:
    assert estimate_stream(MACHINE, 0) == MACHINE.launch_overhead
    within = estimate_stream(MACHINE, 1e6, working_set=32e3) - MACHINE.launch_overhead
    assert within == pytest.approx(1e6 / 2e11)
    endless = estimate_stream(MACHINE, 1e6, working_set=1e15) - MACHINE.launch_overhead
    assert endless == pytest.approx(1e6 / 3e10, rel=1e-3)
    without_caches = replace(MACHINE, caches=())
    assert estimate_stream(without_caches, 100.0) == pytest.approx(1e-6 + 100 / 3e10)


def test_a_feedforward_layer_costs_at_least_its_flop() -> None:
    # 2 · T · D · F operations for each of three products
    assert feedforward.estimate(MACHINE, 512, 384, 1024, "bfloat16") > 6 * 512 * 384 * 1024 / RATE.peak
    one, two = (feedforward.estimate(MACHINE, tokens, 384, 1024, "bfloat16") for tokens in (256, 512))
    assert one < two < 2 * one


def test_bad_operations_are_refused() -> None:
    with pytest.raises(BadInput, match="nothing to multiply"):
        estimate_matmul(MACHINE, 0, 1, 1, "float32")
    with pytest.raises(UnknownName):
        estimate_matmul(MACHINE, 1, 1, 1, "float16")
    with pytest.raises(BadInput):
        estimate_stream(MACHINE, -1.0)


@pytest.mark.parametrize("disturbed", [0, 3])
def test_the_fit_finds_the_constants_behind_noisy_times(disturbed: int) -> None:
    import numpy as np

    random = np.random.default_rng(disturbed)
    shapes = [(1, 512, 512), (1, 1024, 1024), (1, 4096, 512), (4, 1024, 512), (8, 2048, 1024), (16, 512, 512)]
    shapes += [(16, 2048, 2048), (32, 1024, 256), *((s, s, s) for s in (64, 128, 256, 512, 768)), (2048, 1024, 256)]
    products = [Product(*shape, "float32") for shape in shapes]
    times = {each: estimate_matmul(MACHINE, each.m, each.n, each.k, "float32") for each in products}
    times = {each: seconds * random.uniform(1.0, 1.03) for each, seconds in times.items()}
    for each in random.choice(len(products), disturbed, replace=False):
        times[products[each]] *= 8  # a slow spell that fell on one shape
    found = fit(times, MACHINE.launch_overhead)
    assert found.peak == pytest.approx(RATE.peak, rel=0.1)
    assert found.operand_bandwidth == pytest.approx(RATE.operand_bandwidth, rel=0.15)
    assert found.vector_bandwidth == pytest.approx(RATE.vector_bandwidth, rel=0.15)
    assert found.overhead == pytest.approx(RATE.overhead, abs=1e-6)


def test_no_disturbance_makes_a_machine_faster_than_twice_what_it_showed() -> None:
    # every product took as long as every other: nothing that grows with FLOP or bytes can be seen
    products = [Product(*shape, "float32") for shape in ((1, 512, 512), (4, 512, 512), (64, 64, 64), (256, 256, 256))]
    products += [Product(1024, 512, 512, "float32")]
    found = fit(dict.fromkeys(products, 8e-3), 1e-6)
    assert found.peak <= 2 * max(product.flop for product in products) / 8e-3 * (1 + 1e-9)
    assert found.vector_bandwidth <= 2 * max(product.bytes for product in products) / 8e-3 * (1 + 1e-9)
