import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput, UnknownName
from aistack.infrastructure import channel, power, storage
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.collective import OPERATIONS, bus_bandwidth, estimate, work
from aistack.infrastructure.storage import Disk

LINK = Channel(latency=5e-6, bandwidth=5e10)

sizes = st.floats(min_value=0, max_value=1e12)
ranks = st.integers(min_value=1, max_value=4096)
operations = st.sampled_from(OPERATIONS)
algorithms = st.sampled_from(["ring", "tree"])


def _ring_all_reduce(size: float, n: int) -> tuple[int, float]:
    """Steps and bytes a rank sends, counted by playing the ring: n parts, reduced going round, then gathered."""
    parts = [np.array([float(rank == part) for part in range(n)]) for rank in range(n)]  # who has added what
    steps, sent = 0, 0.0
    for phase in range(2):
        for step in range(n - 1):
            moving = [(rank - step + phase) % n for rank in range(n)]
            values = [parts[rank][moving[rank]] for rank in range(n)]
            for rank in range(n):
                to = (rank + 1) % n
                parts[to][moving[rank]] = parts[to][moving[rank]] + values[rank] if phase == 0 else values[rank]
            steps += 1
            sent += size / n
    assert n == 1 or all((own == parts[0]).all() for own in parts)
    return steps, sent


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_ring_all_reduce_is_what_playing_it_costs(n: int) -> None:
    steps, sent = _ring_all_reduce(1e6, n)
    assert work("all-reduce", n).steps == steps
    assert work("all-reduce", n).volume * 1e6 == pytest.approx(sent)


def test_the_limits_of_large_rings() -> None:
    # 2 (n - 1) / n goes to 2: an all-reduce costs at most twice its bytes, however many take part
    assert work("all-reduce", 2).volume == 1
    assert work("all-reduce", 1_000_000).volume == pytest.approx(2, rel=1e-5)
    assert work("all-gather", 1_000_000).volume == pytest.approx(1, rel=1e-5)


@given(ranks, sizes, algorithms)
def test_an_all_reduce_is_a_reduce_scatter_and_an_all_gather(n: int, size: float, algorithm: str) -> None:
    parts = sum(estimate(each, size, n, LINK, algorithm) for each in ("reduce-scatter", "all-gather"))
    assert estimate("all-reduce", size, n, LINK, algorithm) == pytest.approx(parts)


@given(operations, ranks, sizes, st.floats(min_value=1, max_value=100), algorithms)
def test_more_bytes_and_slower_links_never_help(
    operation: str, n: int, size: float, factor: float, algorithm: str
) -> None:
    seconds = estimate(operation, size, n, LINK, algorithm)
    assert estimate(operation, size * factor, n, LINK, algorithm) >= seconds
    assert estimate(operation, size, n, Channel(LINK.latency * factor, LINK.bandwidth), algorithm) >= seconds
    assert estimate(operation, size, n, Channel(LINK.latency, LINK.bandwidth * factor), algorithm) <= seconds


@given(st.sampled_from([each for each in OPERATIONS if each != "point-to-point"]), ranks, algorithms)
def test_more_ranks_never_cost_fewer_steps_or_bytes(operation: str, n: int, algorithm: str) -> None:
    fewer, more = work(operation, n, algorithm), work(operation, n + 1, algorithm)
    assert more.steps >= fewer.steps
    assert more.volume >= fewer.volume


@given(ranks)
def test_nobody_talks_to_themselves(n: int) -> None:
    assert estimate("all-reduce", 1e9, 1, LINK) == 0
    assert work("broadcast", n, "tree").steps == (0 if n == 1 else int(np.ceil(np.log2(n))))


def test_bus_bandwidth_is_the_links_rate_whatever_the_operation() -> None:
    for operation in ("all-reduce", "all-gather", "reduce-scatter"):
        seconds = estimate(operation, 1e12, 8, LINK)
        assert bus_bandwidth(operation, 1e12, 8, seconds) == pytest.approx(LINK.bandwidth, rel=1e-3)


def test_a_published_all_reduce() -> None:
    # nccl-tests, doc/PERFORMANCE.md: the all-reduce's factor is 2 (n - 1) / n, so 8 ranks at 437 GB/s of algorithm
    # bandwidth are 765 GB/s on the bus
    assert bus_bandwidth("all-reduce", 437e9, 8, 1.0) == pytest.approx(764.75e9)


@pytest.mark.parametrize("disturbed", [0, 2])
def test_the_fit_finds_the_channel_behind_noisy_times(disturbed: int) -> None:
    random = np.random.default_rng(1)
    truth = Channel(80e-6, 2.5e9)
    asked = work("all-reduce", 2)
    transfers = []
    for number, size in enumerate([2**10, 2**12, 2**14, 2**16, 2**18, 2**20, 2**22, 2**24]):
        seconds = estimate("all-reduce", size, 2, truth) * random.uniform(1, 1.05)
        transfers.append((asked.steps, asked.volume * size, seconds * (10 if number in (1, 6)[:disturbed] else 1)))
    found = channel.fit(transfers)
    assert found.latency == pytest.approx(truth.latency, rel=0.08)
    assert found.bandwidth == pytest.approx(truth.bandwidth, rel=0.08)


def test_half_the_bandwidth_at_the_half_size() -> None:
    assert LINK.half_size / channel.estimate(LINK, LINK.half_size) == pytest.approx(LINK.bandwidth / 2)


@given(st.floats(min_value=0, max_value=10), st.floats(min_value=1, max_value=1e15))
def test_json_brings_the_same_disk_back(latency: float, bandwidth: float) -> None:
    disk = Disk(LINK, Channel(latency, bandwidth), LINK)
    assert Disk.from_json(json.loads(json.dumps(disk.to_json()))) == disk


def test_a_checkpoint_is_its_phases() -> None:
    disk = Disk(write=Channel(0.0, 4e9), sync=Channel(1e-3, 2e9), read=Channel(0.0, 1e9))
    checkpoint = storage.estimate(disk, 8e9)
    assert checkpoint.save == pytest.approx(2 + 4 + 1e-3)
    assert checkpoint.read == pytest.approx(8)


def test_wrong_channels_disks_and_operations_are_refused() -> None:
    for latency, bandwidth in ((-1.0, 1.0), (0.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(BadInput):
            Channel(latency, bandwidth)
    with pytest.raises(BadInput):
        Channel.from_json({"latency": 1.0})
    with pytest.raises(BadInput):
        Channel.from_json({"latency": "1", "bandwidth": 1.0})
    with pytest.raises(BadInput):
        Disk.from_json({"write": {}})
    with pytest.raises(UnknownName, match="all-reduce"):
        estimate("allreduce", 1.0, 2, LINK)  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        estimate("all-reduce", 1.0, 2, LINK, "rings")  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        estimate("all-reduce", 1.0, 0, LINK)
    with pytest.raises(BadInput):
        estimate("all-reduce", -1.0, 2, LINK)


def test_the_footprint_of_a_kilowatt_hour() -> None:
    joules = 3.6e6
    footprint = power.estimate(joules, pue=1.5, grid_kg_per_joule=0.4 / joules, usd_per_joule=0.1 / joules)
    assert footprint.energy == pytest.approx(1.5 * joules)
    assert footprint.carbon == pytest.approx(0.6)
    assert footprint.cost == pytest.approx(0.15)
    with pytest.raises(BadInput, match="at least what its computers"):
        power.estimate(joules, 0.9, 0.0, 0.0)
    with pytest.raises(BadInput):
        power.estimate(-1.0, 1.1, 0.0, 0.0)


def test_no_disturbance_makes_a_channel_faster_than_twice_what_it_showed() -> None:
    found = channel.fit([(1, size, 4e-3) for size in (1e3, 1e4, 1e5, 1e6)])
    assert found.bandwidth == pytest.approx(2 * 1e6 / 4e-3)
