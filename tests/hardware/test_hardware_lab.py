"""What the labs measure on whatever machine runs the tests; only what holds on any machine is demanded."""

import datetime
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aistack.catalog.contributions import examine
from aistack.hardware.figures import bandwidth as bandwidth_figure
from aistack.hardware.figures import roofline as roofline_figure
from aistack.hardware.lab import launch, others, stream, timing
from aistack.hardware.lab.entry import describe
from aistack.hardware.lab.identity import identify
from aistack.hardware.lab.machine import Measurements, measure
from aistack.hardware.machine import Machine
from aistack.hardware.matmul import Product
from aistack.hardware.operation import estimate_matmul


@pytest.fixture(scope="module")
def measured() -> Measurements:
    return measure("cpu", ("float32", "bfloat16"), budget=2.0)


def test_a_known_duration_is_measured() -> None:
    found = timing.measure({"nap": lambda: time.sleep(0.004), "long nap": lambda: time.sleep(0.008)}, budget=0.1)
    assert 0.004 <= found["nap"].best <= found["nap"].median
    assert found["long nap"].best >= 0.008
    assert len(found["nap"].seconds) == len(found["long nap"].seconds) >= 3


def test_the_machine_says_who_it_is() -> None:
    identity = identify("cpu")
    assert identity.name
    assert identity.cores >= 1
    assert identity.threads >= 1
    assert identity.memory > 1e8
    sizes = list(identity.caches.values())
    assert sizes == sorted(sizes)


def test_a_launch_takes_between_a_tenth_of_a_microsecond_and_a_millisecond() -> None:
    assert 1e-7 < launch.measure("cpu", 0.05).best < 1e-3


def test_streams_are_plausible_at_every_size() -> None:
    found = stream.measure([2**16, 2**22, 2**26], "cpu", threads=1, budget=0.2)
    for timings in found.values():
        # no machine's core moves more than 10 TB/s or less than 10 MB/s
        assert 1e-13 < timings.best < 1e-7


def test_the_constants_explain_the_times_they_were_fitted_to(measured: Measurements) -> None:
    machine = measured.machine
    assert set(machine.matmul) == {"float32", "bfloat16"}
    ratios = sorted(
        timed.best / estimate_matmul(machine, each.m, each.n, each.k, each.dtype)
        for each, timed in measured.products.items()
    )
    # half of the shapes within a factor of two even where others use the machine, too
    assert 0.5 < ratios[len(ratios) // 2] < 2
    assert machine == Machine.from_json(machine.to_json())


def test_every_measured_shape_is_there_in_every_format(measured: Measurements) -> None:
    shapes = {
        dtype: {(p.m, p.n, p.k) for p in measured.products if p.dtype == dtype} for dtype in measured.machine.matmul
    }
    assert (1, 512, 512) in shapes["float32"]
    assert (256, 256, 256) in shapes["bfloat16"]
    assert Product(256, 256, 256, "float32") in measured.products


def test_the_entry_is_one_the_catalog_takes(measured: Measurements, tmp_path: Path) -> None:
    path = tmp_path / "this-machine.yaml"
    path.write_text(describe(measured, datetime.date(2026, 1, 31)), encoding="utf-8")
    examination = examine(path)
    assert examination.problems == ()
    assert [addition.what for addition in examination.additions] == ["source THIS_RUN", "accelerator this-machine"]


def test_the_figures_draw_what_was_measured(measured: Measurements) -> None:
    streams = [
        {"working_set": size, "best": 1 / timed.best, "median": 1 / timed.median, "fitted": number % 5 != 2}
        for number, (size, timed) in enumerate(measured.streams.items())
    ]
    figure = bandwidth_figure.draw(measured.machine, streams, measured.identity.caches)
    assert len(figure.table) == len(streams)
    assert "GB/s" in figure.alt
    assert all(name in figure.svg for name in measured.identity.caches)
    products = [
        {"m": p.m, "n": p.n, "k": p.k, "dtype": p.dtype, "best": t.best, "median": t.median, "fitted": p.m != 4}
        for p, t in measured.products.items()
    ]
    roofline = roofline_figure.draw(measured.machine, products, "a remark")
    assert len(roofline.table) == len(products)
    assert "one row" in roofline.title
    assert "a remark" in roofline.source
    assert "bfloat16" in roofline.svg


def test_another_program_is_noticed() -> None:
    # a child counts as another program until it has been waited for
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            time.sleep(0.3)
            with others.watch() as seen:
                time.sleep(0.5)
        finally:
            busy.kill()
    assert seen.cores > 0.1
    assert "of 4 cores" in others.Others(3.0).words(4)
    assert others.Others(0.0).words(4) == ""
