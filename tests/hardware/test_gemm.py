"""Matrix products: limits that physics sets, and published rates."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput, UnknownName
from aistack.hardware import gemm, quantise, streaming
from aistack.hardware.chip import ELEMENT_BYTES, chip

CHIPS = (
    "v100-sxm2-32gb",
    "a100-sxm4-80gb",
    "l40s",
    "h100-sxm5",
    "h20",
    "b200-sxm",
    "mi300x",
    "tpu-v5p",
    "trainium2",
    "gaudi2",
)
SIZES = st.integers(1, 16384)


def bytes_moved(m: int, n: int, k: int) -> float:
    return 2.0 * (m * k + k * n + m * n)


@given(st.sampled_from(CHIPS), SIZES, SIZES, SIZES)
def test_no_product_beats_the_sustained_rates(name: str, m: int, n: int, k: int) -> None:
    on = chip(name)
    precision = "fp16" if "fp16" in on.peak else "bf16"
    seconds = float(gemm.estimate(on, m, n, k, precision))
    assert seconds >= 2 * m * n * k / (on.peak[precision] * on.kernels.matmul[precision])
    assert seconds >= float(streaming.memory_time(on, bytes_moved(m, n, k)))
    assert seconds >= on.kernels.launch


@given(st.sampled_from(CHIPS), SIZES, SIZES, SIZES, st.integers(1, 64))
def test_more_work_never_takes_less(name: str, m: int, n: int, k: int, groups: int) -> None:
    on = chip(name)
    precision = "fp16" if "fp16" in on.peak else "bf16"
    seconds = gemm.estimate(on, [m, m + 1, m, m], [n, n, n + 1, n], [k, k, k, k + 1], precision)
    assert (seconds >= seconds[0] * (1 - 1e-12)).all()
    assert gemm.estimate(on, m, n, k, precision, groups + 1) >= gemm.estimate(on, m, n, k, precision, groups)


@given(SIZES, SIZES, SIZES)
def test_the_operands_may_change_places(m: int, n: int, k: int) -> None:
    on = chip("h100-sxm5")
    assert float(gemm.estimate(on, m, n, k)) == pytest.approx(float(gemm.estimate(on, n, m, k)))


def test_a_large_product_approaches_the_sustained_rate() -> None:
    for name in CHIPS:
        on = chip(name)
        precision = "fp16" if "fp16" in on.peak else "bf16"
        rate = 2 * 32768.0**3 / float(gemm.estimate(on, 32768, 32768, 32768, precision))
        assert rate == pytest.approx(on.peak[precision] * on.kernels.matmul[precision], rel=0.06)


def test_one_row_is_bound_by_memory() -> None:
    """A vector times a matrix reads the matrix once: FLOP do not matter, the bytes of its format do."""
    on = chip("h100-sxm5")
    seconds = float(gemm.estimate(on, 1, 16384, 16384))
    memory = float(streaming.memory_time(on, bytes_moved(1, 16384, 16384)))
    assert seconds == pytest.approx(memory + on.kernels.launch, rel=0.1)
    stored = float(gemm.estimate(on, 1, 16384, 16384, stored="int4"))
    assert stored < seconds / 2


def test_a_wave_more_costs_a_step() -> None:
    """132 units, tiles of 128 x 256: one column of tiles beyond a full wave takes a second wave."""
    on = chip("h100-sxm5")
    full, over = gemm.estimate(on, 128 * 12, [256 * 11, 256 * 11 + 1], 8192)
    assert over > 1.15 * full


def test_published_rates() -> None:
    """Rates of cuBLAS at 8192 cubed that several have printed: about 260 of A100's 312, 700 to 800 of H100's 989."""
    a100, h100 = (
        2 * 8192.0**3 / float(gemm.estimate(chip(name), 8192, 8192, 8192)) / 1e12
        for name in ("a100-sxm4-80gb", "h100-sxm5")
    )
    assert 230 < a100 < 280
    assert 680 < h100 < 830


def test_fast_over_a_million_shapes() -> None:
    shapes = np.random.default_rng(1).integers(1, 16384, (3, 1_000_000))
    begin = time.perf_counter()
    seconds = gemm.estimate(chip("h100-sxm5"), *shapes)
    assert seconds.shape == (1_000_000,)
    assert time.perf_counter() - begin < 3


def test_wrong_formats_are_refused() -> None:
    with pytest.raises(BadInput, match="a100-sxm4-80gb has no fp8"):
        gemm.estimate(chip("a100-sxm4-80gb"), 1, 1, 1, "fp8")
    with pytest.raises(UnknownName):
        gemm.estimate(chip("a100-sxm4-80gb"), 1, 1, 1, stored="int3")
    with pytest.raises(BadInput, match="Nothing is quantised into bf16"):
        quantise.estimate(chip("h100-sxm5"), 1, "bf16")


def test_quantising_reads_and_writes_every_value() -> None:
    on = chip("h100-sxm5")
    for precision in quantise.READS:
        seconds = float(quantise.estimate(on, 2**30, precision))
        assert seconds > float(streaming.memory_time(on, 2**30 * (2 + ELEMENT_BYTES[precision])))


@given(st.floats(0, 1e12), st.floats(0, 1e12), st.integers(1, 1000))
def test_streams_add_up(first: float, second: float, launches: int) -> None:
    on = chip("mi300x")
    both = float(streaming.estimate(on, first + second, 2 * launches))
    parts = float(streaming.estimate(on, first, launches) + streaming.estimate(on, second, launches))
    assert both == pytest.approx(parts)


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 40), st.sampled_from([(16, 16), (32, 64), (128, 256)]))
def test_places_are_counted_one_by_one(m: int, n: int, units: int, tile: tuple[int, int]) -> None:
    # every tile is handed to the next unit; a wave ends when each has had one
    tiles = [(row, column) for row in range(0, m, tile[0]) for column in range(0, n, tile[1])]
    waves = len(range(0, len(tiles), units))
    elements = sum(min(tile[0], m - row) * min(tile[1], n - column) for row, column in tiles)
    share = float(gemm.filled(m, n, units, tile))
    assert share == pytest.approx(elements / (waves * units * tile[0] * tile[1]))
    assert 0 < share <= 1
