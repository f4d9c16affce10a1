import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aistack import catalog
from aistack.errors import BadInput
from aistack.hardware.number_format import encoded, estimate, grid, quantised, rounded, values

TORCH = {
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
    "fp8_e4m3fnuz": torch.float8_e4m3fnuz,
    "fp8_e5m2fnuz": torch.float8_e5m2fnuz,
}


@pytest.mark.parametrize("name", TORCH)
def test_values_are_what_torch_makes_of_all_codes(name: str) -> None:
    dtype = TORCH[name]
    whole = torch.int16 if dtype.itemsize == 2 else torch.uint8
    codes = torch.arange(-(2**15), 2**15, dtype=torch.int32) if dtype.itemsize == 2 else torch.arange(256)
    decoded = codes.to(whole).view(dtype).to(torch.float64).numpy()
    expected = np.unique(decoded[np.isfinite(decoded) & (decoded >= 0)])
    np.testing.assert_array_equal(values(name), expected)


@pytest.mark.parametrize("name", TORCH)
def test_rounding_is_torchs_also_halfway_and_beyond(name: str) -> None:
    random = np.random.default_rng(0)
    each = values(name)
    halfway = (each[1:] + each[:-1]) / 2
    scattered = random.normal(size=20_000) * 2.0 ** random.integers(-30, 20, 20_000)
    edges = np.array([0.0, grid(name).largest * 1.001, min(grid(name).largest * 1.2, 3.4e38), 1e30])
    tried = np.concatenate([each, halfway, scattered, edges]).astype(np.float32)
    tried = np.concatenate([tried, -tried])
    expected = torch.from_numpy(tried).to(TORCH[name]).to(torch.float64).numpy()
    # PyTorch saturates where a format has neither infinities nor room for them (OFP8 allows both)
    saturates = name == "fp8_e4m3fn"
    found = rounded(name, tried, saturate=saturates)
    np.testing.assert_array_equal(found, expected)
    kept, plain = rounded(name, tried), rounded(name, tried, saturate=False)
    assert np.abs(kept).max() == grid(name).largest
    assert not np.isfinite(plain[np.abs(tried).astype(float) > 1.1 * grid(name).largest]).any()
    np.testing.assert_array_equal(kept[np.isfinite(plain)], plain[np.isfinite(plain)])


@pytest.mark.parametrize("name", TORCH)
def test_bits_are_torchs(name: str) -> None:
    dtype = TORCH[name]
    numbers = [0.0, 1.0, -1.5, 0.1, 3.14159, -0.004, 2.0**-9, 100.0, -240.0]
    wide = 8 * dtype.itemsize
    for number in numbers:
        stored = torch.tensor(number, dtype=torch.float32).to(dtype).view(torch.int16 if wide == 16 else torch.uint8)
        assert "".join(encoded(name, number)) == format(int(stored) % 2**wide, f"0{wide}b"), number


def test_bits_of_whole_and_of_wide_numbers() -> None:
    assert encoded("int8", -3) == ("1", "", "1111101")
    assert encoded("fp4_e2m1", 6) == ("0", "11", "1") and encoded("fp4_e2m1", -0.5) == ("1", "00", "1")
    # IEEE 754: 0.1 in single precision is 3DCCCCCD
    assert int("".join(encoded("fp32", 0.1)), 2) == 0x3DCCCCCD
    with pytest.raises(BadInput, match="finite"):
        encoded("fp16", float("inf"))


def test_rounding_to_fp32_is_numpys() -> None:
    tried = np.random.default_rng(1).normal(size=1000) * 10.0 ** np.random.default_rng(2).integers(-44, 38, 1000)
    np.testing.assert_array_equal(rounded("fp32", tried), tried.astype(np.float32).astype(np.float64))


# OCP 8-bit Floating Point Specification (OFP8) v1.0, table 2; OCP MX Specification v1.0, tables 2 to 5:
# largest, smallest normal, smallest subnormal, finite values that are not negative
OCP = {
    "fp8_e4m3fn": (448.0, 2.0**-6, 2.0**-9, 127),
    "fp8_e5m2": (57344.0, 2.0**-14, 2.0**-16, 124),
    "fp6_e3m2": (28.0, 0.25, 0.0625, 32),
    "fp6_e2m3": (7.5, 1.0, 0.125, 32),
    "fp4_e2m1": (6.0, 1.0, 0.5, 8),
}


@pytest.mark.parametrize("name", OCP)
def test_values_are_the_standards(name: str) -> None:
    largest, normal, subnormal, count = OCP[name]
    found = values(name)
    assert (found[-1], 2.0 ** grid(name).least_exponent, found[1], len(found)) == (largest, normal, subnormal, count)


def test_four_bits_in_full() -> None:
    assert values("fp4_e2m1").tolist() == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert rounded("fp4_e2m1", [0.25, 0.75, 2.5, 3.5, 5.0, 9.0, -0.3]).tolist() == [0, 1, 2, 4, 4, 6, -0.5]
    assert rounded("int8", [0.5, 1.5, -300.0]).tolist() == [0, 2, -127]


def test_tf32_keeps_ten_bits() -> None:
    assert rounded("tf32", [1 + 2.0**-10, 1 + 2.0**-12]).tolist() == [1 + 2.0**-10, 1]


@pytest.mark.parametrize("name", ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4_e2m1", "mxint8"])
def test_microscaling_block_by_block(name: str) -> None:
    weights = np.random.default_rng(3).standard_t(3, size=(6, 64))
    weights[1, :32] = 0
    listed = values(name)
    every = np.concatenate([-listed, listed])
    found = quantised(name, weights)
    for row in range(6):
        for start in (0, 32):
            block = weights[row, start : start + 32]
            biggest = np.abs(block).max()
            # MX v1.0: the largest power of two in the block over the largest in the element's format
            scale = 2.0 ** (np.floor(np.log2(biggest)) - np.floor(np.log2(listed[-1]))) if biggest else 1.0
            nearest = np.abs(block[:, None] / scale - every).min(axis=1)
            np.testing.assert_allclose(np.abs(found[row, start : start + 32] - block) / scale, nearest, atol=1e-12)


def test_nvfp4_block_by_block() -> None:
    weights = np.random.default_rng(4).normal(size=(3, 48)).astype(np.float32).astype(float)
    tensor = np.abs(weights).max() / (6 * 448)
    found = quantised("nvfp4", weights)
    for row in range(3):
        for start in (0, 16, 32):
            block = weights[row, start : start + 16]
            wanted = torch.tensor(np.abs(block).max() / 6 / tensor, dtype=torch.float32)
            scale = float(wanted.to(torch.float8_e4m3fn).to(torch.float64)) * tensor
            codes = found[row, start : start + 16] / scale
            assert np.isclose(np.abs(codes)[:, None], values("fp4_e2m1"), atol=1e-9).any(axis=1).all()
            nearest = np.abs(np.abs(block / scale)[:, None] - values("fp4_e2m1")).min(axis=1)
            np.testing.assert_allclose(np.abs(codes - block / scale), nearest, atol=1e-9)


def test_noise_of_eight_bits_is_the_textbooks() -> None:
    # a uniform signal over the full scale of 127 steps a side: 127²/3 over 1/12 of a step's square
    even = np.random.default_rng(5).uniform(-1, 1, 400_000)
    assert estimate("int8", even) == pytest.approx(4 * 127**2, rel=0.02)
    # floating point: each bit of mantissa is worth 6 dB, whatever the scale
    normal = np.random.default_rng(6).normal(size=(100, 320))
    e2m3, e3m2 = (10 * np.log10(estimate(name, normal)) for name in ("mxfp6_e2m3", "mxfp6_e3m2"))
    assert 4 < e2m3 - e3m2 < 7
    assert estimate("bf16", normal) == pytest.approx(estimate("bf16", 1024 * normal))
    # one outlier costs a whole tensor its resolution, and a block only its own
    normal[0, 0] = 1000
    assert estimate("fp4_e2m1", normal[1:]) / estimate("nvfp4", normal[1:]) < 1
    assert estimate("int8", normal, block=32) > 10 * estimate("int8", normal)


@given(st.sampled_from([*sorted(TORCH), "fp4_e2m1", "fp6_e3m2", "int8"]), st.floats(-1e4, 1e4))
def test_rounding_twice_changes_nothing_and_keeps_order(name: str, number: float) -> None:
    once = rounded(name, number)
    np.testing.assert_array_equal(rounded(name, once), once)
    assert rounded(name, number * 1.5) >= once if number > 0 else rounded(name, number * 1.5) <= once


def test_the_catalogs_counts_and_spacings() -> None:
    for name in catalog.names("format"):
        entry = catalog.number_format(name)
        if entry.exponent_bits and entry.exponent_bits.si and entry.epsilon and entry.mantissa_bits.si:
            assert 2.0 ** -grid(name).mantissa_bits == entry.epsilon.si, name
            assert grid(name).step == pytest.approx(entry.min_subnormal.si, rel=0.02), name
        if entry.distinct_finite_values and entry.mantissa_bits and entry.exponent_bits.si and entry.mantissa_bits.si:
            assert entry.distinct_finite_values.si == 2 * len(values(name)) - 1, name


@pytest.mark.parametrize("name", ["e8m0", "posit16", "nf4"])
def test_no_grid_of_binary_fractions(name: str) -> None:
    with pytest.raises(BadInput):
        grid(name)


def test_what_does_not_fall_into_blocks() -> None:
    with pytest.raises(BadInput, match="blocks of 32"):
        quantised("mxfp4_e2m1", np.ones((4, 40)))
    with pytest.raises(BadInput, match="too many"):
        values("fp32")
