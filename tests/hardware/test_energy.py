import numpy as np
import pytest

from aistack import catalog
from aistack.errors import UnknownName
from aistack.hardware.energy import LEVELS, estimate, per_byte, per_flop, traffic


def test_a_large_product_stays_below_what_a_board_draws() -> None:
    # an A100 (7 nm): 400 W at 312 TFLOP/s is 1.28 pJ a FLOP for everything; regressions of board power give
    # 0.70 pJ a FLOP to matrix arithmetic with its control
    a100 = catalog.accelerator("a100-sxm4-80gb")
    board = a100.tdp.si / a100.peak("bf16")
    flop = 2 * 8192.0**3
    parts = estimate(8192, 8192, 8192, "bf16")
    total = float(sum(parts.values())) / flop
    assert 0.3 * board < total < board
    matrix = catalog.record("memory-energy", "matrix-fp16-energy").values
    assert per_flop("fp16") == pytest.approx(matrix["datapath"].si, rel=0.15)
    assert parts["arithmetic"] > parts["HBM"]


def test_one_row_pays_for_memory() -> None:
    parts = estimate(1, 8192, 8192, "bf16")
    assert parts["HBM"] / sum(parts.values()) > 0.8
    # the whole memory bandwidth of an A100 draws about half of its 400 W
    a100 = catalog.accelerator("a100-sxm4-80gb")
    assert per_byte()["HBM"] * a100.memory_bandwidth.si == pytest.approx(214, rel=0.01)


def test_the_ladder_rises() -> None:
    costs = [per_byte()[level] for level in LEVELS]
    assert costs == sorted(costs) and costs[-1] > 50 * costs[0]
    assert per_flop("int8") < per_flop("bf16") < per_flop("fp16") < per_flop("fp32")
    # Horowitz, ISSCC 2014: a DRAM read of 32 bits costs about 170 times a 32-bit floating multiplication
    table = {name: catalog.record("operation-energy", name).values for name in catalog.names("operation-energy")}
    ratio = table["dram-read-32-bit-horowitz-45-nm"]["45nm"].si / table["fp32-multiply"]["45nm"].si
    assert ratio == pytest.approx(640 / 3.7)


def test_arguments_broadcast_and_unknown_formats_are_refused() -> None:
    assert estimate(np.array([1, 16, 256]), 4096, 4096)["arithmetic"].shape == (3,)
    assert traffic(128, 128, 128, "bf16")["HBM"] == 3 * 128 * 128 * 2
    with pytest.raises(UnknownName):
        per_flop("fp3")
    with pytest.raises(UnknownName):
        traffic(1, 1, 1, "fp3")
