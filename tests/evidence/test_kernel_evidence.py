"""Measured kernels and the errors of their predictions."""

import numpy as np
import pytest

from aistack import catalog
from aistack.book.parts.hardware import challenges
from aistack.catalog.fitted import constants
from aistack.evidence import fit_kernels
from aistack.evidence.kernels import CLASSES, KernelRow, evaluate, predict, rows, unpredictable
from aistack.hardware.chip import chip


def test_rows_are_complete_and_in_si() -> None:
    assert len(rows()) > 9343
    assert len({row.id for row in rows()}) == len(rows())
    for row in rows():
        assert row.source.where and row.source.group and row.tier in "ABC"
        assert not row.accelerator or row.accelerator in catalog.names("accelerator")
        assert row.seconds is None or 1e-7 < row.seconds < 100
        assert row.flop_rate is None or 1e11 < row.flop_rate < 2e16
        assert row.byte_rate is None or 1e3 < row.byte_rate < 1e14
        assert row.seconds or row.flop_rate or row.byte_rate


def test_a_row_is_what_its_source_prints() -> None:
    """The best product of the MI300X in the ml-engineering book, and one of NVIDIA's kernel database."""
    by_id = {row.id: row for row in rows("gemm")}
    a100 = by_id["STAS-00002"]
    assert (a100.accelerator, a100.m, a100.n, a100.k) == ("a100-sxm4-80gb", 1024, 10240, 5120)
    assert a100.flop_rate == pytest.approx(271.2e12)
    assert by_id["AICK-00169"].seconds == pytest.approx(33.7658e-3)


def test_no_rate_beats_the_datasheet_by_more_than_clocks_do() -> None:
    """Products and attention as measured stay below the dense peak, which holds shapes, formats and units in place."""
    for each in predict(row for name in CLASSES for row in rows(name)):
        row = each.row
        if row.kernel_class != "gemm" or row.dtype.endswith("weight"):
            continue
        flop = 2.0 * row.m * row.n * row.k * (row.groups or 1)  # type: ignore[operator]
        assert flop / each.measured < 1.25 * chip(row.accelerator).peak[row.dtype], row.id


def test_the_errors_of_layer_one_are_within_their_bounds() -> None:
    """The bar for products is 12 % in the median; every row is predicted or skipped with a reason."""
    report = evaluate()
    median = {line.of: line.median for line in report.classes}
    assert median["gemm"] < 0.12
    assert median["attention_prefill"] < 0.15
    assert median["attention_decode"] < 0.18
    total = sum(len(rows(name)) for name in CLASSES)
    assert sum(line.rows for line in report.classes) + sum(report.skipped.values()) == total
    assert sum(line.rows for line in report.accelerators) == sum(line.rows for line in report.classes)


def test_an_accelerator_of_a_known_family_is_predicted_unseen() -> None:
    """Constants fitted without H200, whose memory is half as fast again as H100's, predict its products."""
    hopper = [row for row in fit_kernels.fit_rows() if row.accelerator.startswith("h") and row.kernel_class == "gemm"]
    values = fit_kernels.fit(row for row in hopper if row.accelerator != "h200-sxm")
    unseen = [row for row in hopper if row.accelerator == "h200-sxm"]
    errors = [abs(each.error) for each in predict(unseen, lambda name: fit_kernels.build(name, values))]
    assert np.median(errors) < 0.12


def test_the_fit_finds_constants_that_made_the_rows() -> None:
    """Rows of H100 timed by the model itself under other constants give these constants back."""
    import dataclasses

    made = {name: dict(each) for name, each in fit_kernels.START.items()}
    made |= {"matmul": {"all": 0.6}, "bandwidth": {"all": 0.7}, "launch": {"all": 6e-6}}
    chosen = [
        row
        for row in fit_kernels.fit_rows(rows("gemm"))
        if row.accelerator == "h100-sxm5" and row.dtype in ("fp16", "fp8")
    ]
    synthetic = [
        dataclasses.replace(each.row, seconds=each.predicted)
        for each in predict(chosen, lambda name: fit_kernels.build(name, made))
    ]
    found = fit_kernels.fit(synthetic)
    assert found["matmul"]["hopper"] == pytest.approx(0.6, rel=0.03)
    assert found["bandwidth"]["hopper"] == pytest.approx(0.7, rel=0.03)
    assert found["launch"]["all"] == pytest.approx(6e-6, rel=0.05)


@pytest.mark.slow
def test_refitting_gives_the_constants_that_ship() -> None:
    shipped = constants("kernels")
    for name, values in fit_kernels.fit(fit_kernels.fit_rows()).items():
        assert set(values) == set(shipped[name].values)
        for key, value in values.items():
            assert value == pytest.approx(shipped[name][key], rel=0.03), (name, key)


def by_accelerator(row: KernelRow) -> str:
    return row.accelerator


def by_source(row: KernelRow) -> str:
    return row.source.group


@pytest.mark.slow
@pytest.mark.parametrize("by", [by_accelerator, by_source])
def test_left_out_errors(by: object) -> None:
    """Products of accelerators, and of sources, that the fit has not seen: at most 12 % in the median.

    One source holds all engines' attention, another all bare kernels: without the one, the other tells less of it.
    """
    report = evaluate(fit_kernels.left_out(fit_kernels.fit_rows(), by))  # type: ignore[arg-type]
    median = {line.of: line.median for line in report.classes}
    assert median["gemm"] < 0.12
    assert median["attention_prefill"] < 0.25
    if by is by_accelerator:
        gemm = next(line for line in report.classes if line.of == "gemm")
        said, tenth = challenges.LEFT_OUT["gemm"]
        assert (gemm.median, gemm.ninetieth) == pytest.approx((said, tenth), rel=0.05), "the book says otherwise"


def test_reasons_for_skipping_are_said() -> None:
    reasons = {unpredictable(row) for name in CLASSES for row in rows(name)}
    assert "" in reasons and len(reasons) >= 5
