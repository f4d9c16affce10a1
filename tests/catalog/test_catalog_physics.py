"""The catalog's values against physics, arithmetic and published anchors that the data files do not contain."""

import itertools
import math

import pytest

from aistack import catalog
from aistack.catalog.accelerators import Accelerator

ACCELERATORS = [catalog.accelerator(name) for name in catalog.names("accelerator")]
IDS = [each.id for each in ACCELERATORS]

# Matrix-engine FLOP per clock and multiprocessor in 16-bit formats, dense, sums in 32 bits, as the architecture papers
# of the vendors give them: NVIDIA V100, A100 and H100 (8x64, 4x256, 4x512 FMA), Turing, GA102 and Ada (boards for data
# centres; GeForce and A10G run at half), AMD CDNA 2, 3 and 4 (1024, 2048, 4096).
FLOP_PER_CLOCK = {
    "v100-sxm2-32gb": 1024,
    "v100-pcie-16gb": 1024,
    "t4": 1024,
    "a10": 1024,
    "a10g": 512,
    "a40": 1024,
    "a30": 2048,
    "a100-sxm4-40gb": 2048,
    "a100-sxm4-80gb": 2048,
    "a100-pcie-40gb": 2048,
    "a100-pcie-80gb": 2048,
    "l4": 1024,
    "l40s": 1024,
    "h100-sxm5": 4096,
    "rtx-4090": 512,
    "rtx-6000-ada": 1024,
    "mi210": 1024,
    "mi250x": 1024,
    "mi300x": 2048,
    "mi325x": 2048,
    "mi350x": 4096,
    "mi355x": 4096,
}


@pytest.mark.parametrize(("name", "per_clock"), FLOP_PER_CLOCK.items())
def test_peak_is_units_times_clock_times_width(name: str, per_clock: int) -> None:
    each = catalog.accelerator(name)
    assert each.compute_units is not None
    assert each.boost_clock is not None
    peak = each.peak("fp16")
    # vendors round, and L4's printed peak belongs to a slightly higher clock than its boost clock
    assert each.compute_units.si * each.boost_clock.si * per_clock == pytest.approx(peak, rel=0.02)


ANCHORS = [
    ("h100-sxm5", "peaks.bf16", 989.4e12),
    ("h100-sxm5", "peaks.fp8", 1978.9e12),
    ("h100-sxm5", "memory_bandwidth", 3.35e12),
    ("h100-sxm5", "scale_up.both_directions", 900e9),
    ("a100-sxm4-80gb", "peaks.bf16", 312e12),
    ("a100-sxm4-80gb", "memory_bandwidth", 2.039e12),
    ("a100-sxm4-40gb", "memory_bandwidth", 1.555e12),
    ("h200-sxm", "memory_bandwidth", 4.8e12),
    ("h200-sxm", "memory_capacity", 143_771 * 2**20),  # as nvidia-smi prints it
    ("b200-sxm", "peaks.bf16", 2.25e15),
    ("gb200", "peaks.bf16", 2.5e15),
    ("mi300x", "peaks.bf16", 1307.4e12),
    ("mi300x", "memory_capacity", 192e9),
    ("mi300x", "scale_up.link", 64e9),
    ("tpu-v5p", "peaks.bf16", 459e12),
    ("tpu-v5e", "peaks.bf16", 197e12),
    ("tpu-v6e", "peaks.bf16", 918e12),
    ("t4", "peaks.fp16", 65e12),
    ("v100-sxm2-32gb", "peaks.fp16", 125e12),
    ("l40s", "memory_bandwidth", 864e9),
    ("rtx-4090", "memory_bandwidth", 1008e9),
    ("trainium2", "peaks.bf16", 667e12),
]


@pytest.mark.parametrize(("name", "path", "value"), ANCHORS)
def test_published_anchors(name: str, path: str, value: float) -> None:
    assert dict(catalog.accelerator(name).facts())[path].si == pytest.approx(value, rel=2e-3)


@pytest.mark.parametrize("each", ACCELERATORS, ids=IDS)
def test_peaks_are_dense_and_step_by_powers_of_two(each: Accelerator) -> None:
    assert all("dense" in fact.bases for fact in each.peaks.values())
    peaks = {name: fact.si for name, fact in each.peaks.items()}
    if {"bf16", "fp16"} <= peaks.keys() and each.id != "gaudi3":
        assert peaks["bf16"] == pytest.approx(peaks["fp16"], rel=1e-6)
    # Gaudi 3 runs fp16 and TF32 alike, AWS's fp8 is not a clean double, Blackwell Ultra gave up integers
    if each.vendor in {"NVIDIA", "AMD"} and {"tf32", "bf16"} <= peaks.keys():
        assert peaks["bf16"] / peaks["tf32"] == pytest.approx(2, rel=0.02)
    if each.vendor in {"NVIDIA", "AMD"} and {"fp8", "bf16"} <= peaks.keys() and each.id != "rubin":
        assert peaks["fp8"] / peaks["bf16"] == pytest.approx(2, rel=0.02)
    order = [peaks[name] for name in ("fp64", "fp32", "tf32", "bf16", "fp8", "fp4") if name in peaks]
    assert all(wider <= narrower * 1.001 for wider, narrower in itertools.pairwise(order)), peaks


@pytest.mark.parametrize("each", ACCELERATORS, ids=IDS)
def test_both_directions_are_twice_one(each: Accelerator) -> None:
    fabric = each.scale_up
    if fabric.bandwidth and fabric.both_directions:
        assert fabric.both_directions.si == pytest.approx(2 * fabric.bandwidth.si)
    if fabric.bandwidth:
        assert "per direction" in fabric.bandwidth.bases
    if fabric.both_directions:
        assert "both directions" in fabric.both_directions.bases


@pytest.mark.parametrize("each", ACCELERATORS, ids=IDS)
def test_memory_is_between_a_microsecond_and_a_second_deep(each: Accelerator) -> None:
    if each.memory_capacity and each.memory_bandwidth:
        assert 0.005 < each.memory_capacity.si / each.memory_bandwidth.si < 1.0


@pytest.mark.parametrize("each", ACCELERATORS, ids=IDS)
def test_density_of_transistors_fits_the_decade(each: Accelerator) -> None:
    if each.transistors and each.die_area and each.dies is None:
        per_mm2 = each.transistors.si / (each.die_area.si * 1e6)
        assert 2e7 < per_mm2 < 3e8


def test_a_superchip_is_not_an_accelerator() -> None:
    """GB200 and GB300 name superchips of two; the entries are of one of the two, with B200's numbers nearby."""
    assert catalog.accelerator("gb200").peak("bf16") < 1.3 * catalog.accelerator("b200").peak("bf16")


@pytest.mark.parametrize("name", catalog.names("link"))
def test_links_add_up(name: str) -> None:
    link = catalog.link(name)
    if link.bandwidth and link.both_directions:
        assert link.both_directions.si == pytest.approx(2 * link.bandwidth.si)
    if link.bandwidth and link.lane and link.lanes:
        assert link.lanes.si * link.lane.si == pytest.approx(link.bandwidth.si)


@pytest.mark.parametrize("name", catalog.names("node"))
def test_nodes_agree_with_what_is_in_them(name: str) -> None:
    node = catalog.node(name)
    inside = catalog.accelerator(node.accelerator)
    count = node.accelerators.si
    if node.memory_capacity and inside.memory_capacity and node.id != "dgx-b200":
        assert node.memory_capacity.si == pytest.approx(count * inside.memory_capacity.si, rel=0.08)
    for format, total in node.peaks.items():
        if format in inside.peaks:
            assert total.si == pytest.approx(count * inside.peak(format), rel=0.02)
    if node.memory_bandwidth and inside.memory_bandwidth:
        assert node.memory_bandwidth.si == pytest.approx(count * inside.memory_bandwidth.si, rel=0.01)
    if node.scale_up.bandwidth and inside.scale_up.bandwidth:
        assert node.scale_up.bandwidth.si == pytest.approx(inside.scale_up.bandwidth.si)
    if node.scale_up.domain and node.level != "node":
        assert node.scale_up.domain.si == count
    if node.network.nics and node.network.nic and node.network.bandwidth and node.level == "node":
        assert node.network.bandwidth.si == pytest.approx(node.network.nics.si * node.network.nic.si)
    if node.nodes and node.host.accelerators:
        assert node.nodes.si * node.host.accelerators.si == count


@pytest.mark.parametrize("name", catalog.names("format"))
def test_formats_follow_from_their_bits(name: str) -> None:
    """Largest and smallest normal number and epsilon, from exponent, mantissa and bias alone (IEEE 754 style)."""
    each = catalog.number_format(name)
    if each.bias is None or each.id == "e8m0":
        return
    assert each.mantissa_bits is not None
    assert each.exponent_bits is not None
    exponent, mantissa = round(each.exponent_bits.si * 8), round(each.mantissa_bits.si * 8)
    bias = each.bias.si
    fnuz = each.id.endswith("fnuz")
    assert each.min_normal.si == pytest.approx(2.0 ** (1 - bias), rel=1e-12)
    assert each.min_subnormal is not None
    assert each.min_subnormal.si == pytest.approx(2.0 ** (1 - bias - mantissa), rel=1e-6)
    assert each.epsilon is not None
    assert each.epsilon.si == 2.0**-mantissa
    if each.has_inf.value:  # the top exponent is taken by infinity and NaN
        largest = (2 - 2.0**-mantissa) * 2.0 ** (2**exponent - 2 - bias)
    elif each.has_nan.value and not fnuz:  # only the last code is NaN
        largest = (2 - 2 * 2.0**-mantissa) * 2.0 ** (2**exponent - 1 - bias)
    else:
        largest = (2 - 2.0**-mantissa) * 2.0 ** (2**exponent - 1 - bias)
    assert each.max_finite.si == pytest.approx(largest, rel=1e-12)
    if each.block_size and each.effective_bits:
        assert each.effective_bits.si * 8 == pytest.approx(each.storage_bits.si * 8 + 8 / each.block_size.si)


def test_the_two_kinds_of_e4m3_are_told_apart() -> None:
    assert catalog.number_format("fp8_e4m3fn").max_finite.si == 448
    assert catalog.number_format("fp8_e4m3fnuz").max_finite.si == 240
    assert catalog.number_format("nvfp4").bytes_per_element == pytest.approx(4.5 / 8)


def test_energy_of_arithmetic_falls_with_the_process_and_grows_with_width() -> None:
    table = {name: catalog.record("operation-energy", name).values for name in catalog.names("operation-energy")}
    for values in table.values():
        if {"45nm", "7nm"} <= values.keys():
            assert values["7nm"].si < values["45nm"].si
    assert table["int8-multiply"]["45nm"].si < table["fp16-multiply"]["45nm"].si < table["fp32-multiply"]["45nm"].si
    # Horowitz: a 32-bit read from DRAM costs 640 pJ, 20 pJ a bit
    assert table["dram-read-32-bit-horowitz-45-nm"]["45nm"].si / 4 == pytest.approx(8 * 20e-12)


def test_hbm_costs_four_times_more_at_the_board_than_at_the_device() -> None:
    device = catalog.record("memory-energy", "hbm2-access-energy").value.si
    board = catalog.record("memory-energy", "a100-hbm-total").value.si
    assert 2 < board / device < 5


def test_grids_span_the_known_range() -> None:
    grams = {name: catalog.grid(name).intensity.si * 3.6e9 for name in catalog.names("grid")}
    assert all(0 < value < 1200 for value in grams.values())
    assert grams["FRA"] < 100 < grams["DEU"] < grams["POL"]
    assert grams["coal"] > grams["wind"]
    assert catalog.grid_carbon("DEU").si == pytest.approx(0.3809 / 3.6e6, rel=1e-3)


def test_pue_is_above_one_and_google_below_the_industry() -> None:
    assert 1 < catalog.pue("google-2025").pue.si < catalog.pue("industry-2025").pue.si


def test_infiniband_doubles_each_generation() -> None:
    rates = [catalog.link(f"ib-{name}").bandwidth for name in ("edr", "hdr", "ndr", "xdr", "gdr", "ldr")]
    ratios = [after.si / before.si for before, after in itertools.pairwise(rates) if before and after]
    assert ratios == [2.0] * 5
    assert math.isclose(rates[2].si, 50e9)  # type: ignore[union-attr]
