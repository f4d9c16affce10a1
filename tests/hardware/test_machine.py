import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput, UnknownName
from aistack.hardware.machine import Cache, Machine, MatmulRate

positive = st.floats(min_value=1e3, max_value=1e18)
rates = st.builds(
    lambda peak, slow, more, overhead: MatmulRate(peak, slow, slow + more, overhead),
    positive,
    positive,
    positive,
    st.floats(min_value=0, max_value=1),
)

MACHINE = Machine(
    name="test",
    device="cpu",
    cores=2,
    memory=16e9,
    matmul={"float32": MatmulRate(1e11, 1e10, 2e10, 1e-6)},
    memory_bandwidth=2e10,
    launch_overhead=1e-6,
    caches=(Cache("L1", 64e3, 2e11), Cache("L2", 2e6, 1e11)),
)


@given(
    st.dictionaries(st.sampled_from(["float32", "bfloat16", "float16"]), rates),
    positive,
    st.floats(min_value=0, max_value=1),
)
def test_json_brings_the_same_machine_back(matmul: dict[str, MatmulRate], bandwidth: float, launch: float) -> None:
    machine = Machine("x", "cuda", 132, 80e9, matmul, bandwidth, launch, (Cache("L2", 50e6, 2 * bandwidth),))
    assert Machine.from_json(json.loads(json.dumps(machine.to_json()))) == machine


def test_unknown_and_missing_keys_are_refused() -> None:
    plain = MACHINE.to_json()
    with pytest.raises(UnknownName, match="memory_bandwidth"):
        Machine.from_json({**plain, "memory_bandwith": 1.0})
    with pytest.raises(BadInput, match="memory_bandwidth"):
        Machine.from_json({key: value for key, value in plain.items() if key != "memory_bandwidth"})
    with pytest.raises(BadInput, match="peak"):
        Machine.from_json({**plain, "matmul": {"float32": {"operand_bandwidth": 1.0, "vector_bandwidth": 1.0}}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cores", 2.5),
        ("cores", 0),
        ("memory", "16 GB"),
        ("memory", float("nan")),
        ("device", "tpu"),
        ("memory_bandwidth", -1.0),
        ("launch_overhead", -1.0),
        ("matmul", [1]),
        ("caches", {"L1": 1}),
    ],
)
def test_wrong_values_are_refused(key: str, value: object) -> None:
    with pytest.raises(BadInput):
        Machine.from_json({**MACHINE.to_json(), key: value})


def test_caches_must_grow_and_slow_down_towards_memory() -> None:
    with pytest.raises(BadInput, match="grow in size"):
        replace(MACHINE, caches=MACHINE.caches[::-1])
    with pytest.raises(BadInput, match="fall in bandwidth"):
        replace(MACHINE, memory_bandwidth=1e12)


def test_a_vector_is_a_matrix_with_one_row() -> None:
    with pytest.raises(BadInput, match="one row"):
        MatmulRate(peak=1e11, operand_bandwidth=2e10, vector_bandwidth=1e10)


def test_an_unmeasured_format_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="float32"):
        MACHINE.rate("float3")
