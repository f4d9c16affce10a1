import pytest

from aistack.errors import UnknownName
from aistack.hardware.memory_levels import estimate


def test_an_h100_by_hand() -> None:
    levels = {level.name: level for level in estimate("h100-sxm5")}
    assert list(levels) == ["registers", "L1 and shared memory", "L2 cache", "HBM3"]
    # 132 multiprocessors, each 256 KiB of registers and 256 KiB of L1 and shared memory: 33 MiB of each
    assert levels["registers"].size == levels["L1 and shared memory"].size == 33 * 2**20
    assert levels["L1 and shared memory"].bandwidth == pytest.approx(132 * 128 * 1.83e9)
    bandwidths = [level.bandwidth for level in levels.values() if level.bandwidth]
    assert bandwidths == sorted(bandwidths, reverse=True)


def test_an_a100s_l2_is_2_3_times_as_fast_as_a_v100s() -> None:
    # NVIDIA, "NVIDIA Ampere Architecture In-Depth", 2020
    a100, v100 = (
        next(level.bandwidth for level in estimate(name) if level.name == "L2 cache")
        for name in ("a100-sxm4-80gb", "v100-sxm2-16gb")
    )
    assert a100 / v100 == pytest.approx(2.3, abs=0.01)


def test_what_the_catalog_does_not_know_is_left_open() -> None:
    assert [level.bandwidth for level in estimate("mi300x")] == [None, None, 5.3e12]
    assert [(level.name, level.bandwidth) for level in estimate("groq-lpu-v1")] == [("on-chip memory", 80e12)]
    with pytest.raises(UnknownName):
        estimate("h1000")
