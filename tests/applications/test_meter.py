import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aistack import catalog
from aistack.applications import economics, energy
from aistack.applications.lab.meter import Meter


def _package(root: Path, name: str, label: str, microjoules: int, span: int = 1_000_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(label + "\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    return folder / "energy_uj"


def test_rapl_counts_packages_once_and_over_the_end_of_the_counter(tmp_path: Path) -> None:
    first = _package(tmp_path, "intel-rapl:0", "package-0", 10_000_000)
    core = _package(tmp_path, "intel-rapl:0:0", "core", 0)
    second = _package(tmp_path, "intel-rapl:1", "package-1", 999_000_000)
    whole = _package(tmp_path, "intel-rapl:2", "psys", 0)
    meter = Meter(tmp_path, nvidia_smi="/nonexistent/nvidia-smi")
    assert meter.counts_energy
    with meter:
        first.write_text("14000000\n")
        core.write_text("3000000\n")
        second.write_text("1500000\n")
        whole.write_text("9000000\n")
    # 4 J, and 1 J up to the counter's end plus 1.5 J after it
    assert meter.reading.processor_joules == pytest.approx(4 + 2.5)
    assert meter.reading.gpu_joules is None
    assert meter.reading.joules == meter.reading.processor_joules


def test_without_a_readable_counter_there_are_no_joules(tmp_path: Path) -> None:
    for root in (tmp_path / "none", tmp_path / "odd"):
        if root.name == "odd":
            _package(root, "intel-rapl:0", "package-0", 1).write_text("garbage")
        meter = Meter(root, nvidia_smi="/nonexistent/nvidia-smi")
        assert not meter.counts_energy
        with meter:
            pass
        assert meter.reading.joules is None and meter.reading.seconds >= 0


def test_processor_time_includes_children(tmp_path: Path) -> None:
    code = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    with Meter(tmp_path) as meter:
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert meter.reading.cpu_seconds >= 0.3


def test_gpu_power_is_summed_over_time(tmp_path: Path) -> None:
    """Two GPUs at 100 W and 50 W, as nvidia-smi prints them."""
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\necho 100.00\necho 50.00\n")
    script.chmod(0o755)
    with Meter(tmp_path, nvidia_smi=os.fspath(script)) as meter:
        time.sleep(0.3)
    assert meter.reading.gpu_joules is not None
    assert 0.3 * 150 * 0.9 <= meter.reading.gpu_joules <= 150 * meter.reading.seconds * 1.1
    # the processors have no meter here, so the whole is not known
    assert meter.reading.joules is None


def test_energy_from_processor_time() -> None:
    """A core for an hour at 3.7 W is 3.7 Wh; always assumed, never measured."""
    found = energy.estimate(3600, catalog.record("power", "server-thread-full-load"))
    assert found.joules == pytest.approx(3.7 * 3600)
    assert found.low < found.joules < found.high and found.kind == "assumed"
    assert energy.metered(5.0).kind == "measured"


def test_the_assumed_power_is_its_sources_median() -> None:
    """Full-load watts a thread by processor family, from the file that the source names."""
    watts = [
        3.685, 4.063, 5.422, 2.604, 1.693, 1.957, 2.282, 8.961, 4.482, 2.527, 1.693, 1.693, 1.693, 1.693, 5.595,
        3.758, 5.557, 8.631, 4.160, 4.104,
    ]  # fmt: skip
    ordered, core = sorted(watts), catalog.record("power", "server-thread-full-load").values
    assert (ordered[9] + ordered[10]) / 2 == pytest.approx(core["value"].si, abs=0.05)
    assert pytest.approx((ordered[0], ordered[-1]), abs=0.05) == (core["low"].si, core["high"].si)


def test_price_of_tokens() -> None:
    """A machine at 3.60 USD an hour that makes 1,000 tokens a second makes a million in 1,000 s, for 1 USD."""
    assert economics.estimate(1000, 3.6 / 3600) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="makes no tokens"):
        economics.estimate(0, 1)
