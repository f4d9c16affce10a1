"""Real processes and real files; only what holds on any machine is demanded."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aistack.errors import AistackError
from aistack.hardware.lab.timing import Timing
from aistack.infrastructure import channel
from aistack.infrastructure.figures import collectives as collectives_figure
from aistack.infrastructure.figures import disk as disk_figure
from aistack.infrastructure.lab import disk
from aistack.infrastructure.lab.collectives import MEASURED, GroupFailed, together
from aistack.infrastructure.storage import Disk

MiB = 2**20


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_processes_exchange_messages_and_a_crash_is_reported() -> None:
    sizes = (1024, 64 * 1024, MiB)
    with together("cpu", patience=60) as group:
        assert group.ranks == 2
        assert group.backend == "gloo"
        messages = [(operation, size) for operation in MEASURED for size in sizes]
        found = group.measure(messages, budget=0.2)
        assert set(found) == set(messages)
        for timing in found.values():
            assert len(timing.seconds) >= 3
            # the loopback interface takes neither under a microsecond nor a second for a mebibyte
            assert 1e-6 < timing.best < 1
        # another request to the same processes
        again = group.measure([("all-reduce", 4096)], budget=0.05, rounds=1)
        assert list(again) == [("all-reduce", 4096)]
        pids = group.pids
        os.kill(pids[1], signal.SIGKILL)
        started = time.monotonic()
        with pytest.raises(GroupFailed, match=r"rank 1 ended with status -9") as failure:
            group.measure(messages, budget=5)
        assert time.monotonic() - started < 30
        assert "try again" in str(failure.value)
    assert all(_gone(pid) for pid in pids)


def test_a_silent_group_is_given_up_and_stopped() -> None:
    with together("cpu", patience=60) as group:
        group.measure([("all-reduce", 1024)], budget=0.0, rounds=1)
        pids = group.pids
        group._patience = 1.0
        os.kill(pids[1], signal.SIGSTOP)
        with pytest.raises(GroupFailed, match="did not answer"):
            group.measure([("all-reduce", 1024)], budget=0.0, rounds=1)
        # `together` must stop even a process that is frozen
    assert all(_gone(pid) for pid in pids)


def test_processes_end_by_themselves_when_their_starter_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from aistack.infrastructure.lab.collectives import together\n"
        "with together('cpu') as group:\n"
        "    group.measure([('all-reduce', 1024)], budget=0.0, rounds=1)\n"
        "    print(*group.pids, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # its temporary folder is all that a killed starter leaves behind
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while not all(map(_gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_files_are_written_synced_and_read(tmp_path: Path) -> None:
    found = disk.measure(tmp_path, [MiB, 5 * MiB + 3], budget=0.1, rounds=2)
    for phases in found.values():
        assert len(phases.write.seconds) == len(phases.read.seconds) >= 2
        assert phases.save.best >= phases.write.best + phases.sync.best
        assert min(phases.write.best, phases.read.best) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_explained_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(AistackError, match="full"):
        disk.measure(tmp_path, [2**60], budget=0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_explained_and_nothing_stays(tmp_path: Path) -> None:
    # /dev/full accepts no byte: a real ENOSPC from the kernel, met by the very writes that a checkpoint makes
    code = (
        "import sys, pathlib\n"
        "from aistack.infrastructure.lab import disk\n"
        "from aistack.errors import AistackError\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "path = folder / 'checkpoint'\n"
        "path.symlink_to('/dev/full')\n"
        "try:\n"
        "    disk._once(path, 1 << 20, b'x' * 4096)\n"
        "except AistackError as error:\n"
        "    print(error)\n"
        "    sys.exit(0 if not path.is_symlink() else 4)\n"
        "sys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "is full" in done.stdout


def test_other_errors_of_the_disk_are_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError) as failure:
        disk.measure(tmp_path / "absent", [MiB], budget=0.0)
    assert failure.value.errno == errno.ENOENT


def test_the_figures_draw_messages_and_files() -> None:
    link = channel.Channel(80e-6, 2.5e9)
    links = dict.fromkeys(MEASURED, link)
    messages = [
        {"operation": operation, "size": size, "best": 1e-4 + size / 2.5e9, "median": 2e-4, "fitted": size != 4096}
        for operation in MEASURED
        for size in (1024, 4096, 65536, MiB, 16 * MiB)
    ]
    figure = collectives_figure.draw(links, 2, "gloo", messages, "a remark")
    # two steps of 80 us at 2.5 GB/s over a volume of one: 400 kB
    assert "391 KiB" in figure.title
    assert "a remark" in figure.source
    assert len(figure.table) == len(messages)
    assert "All-reduce" in figure.svg
    slow = Disk(write=channel.Channel(0, 4e9), sync=channel.Channel(0, 1e9), read=link)
    files = [
        {"phase": phase, "size": size, "best": size / 1e9, "median": size / 1e9, "fitted": size != 3 * MiB}
        for phase in ("write", "sync", "read")
        for size in (MiB, 3 * MiB, 16 * MiB)
    ]
    drawn = disk_figure.draw(slow, files)
    # a quarter of a nanosecond a byte to write, one to sync
    assert "80%" in drawn.title
    assert "fsync" in drawn.svg


def test_save_adds_write_and_sync_repeat_by_repeat() -> None:
    phases = disk.Phases(Timing((1.0, 3.0)), Timing((4.0, 1.0)), Timing((1.0, 1.0)))
    assert phases.save.seconds == (5.0, 4.0)
    assert phases.save.best == 4.0
