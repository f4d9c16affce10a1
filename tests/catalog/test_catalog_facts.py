"""What a fact demands, and what an entry refuses."""

import pytest
from pydantic import ValidationError

from aistack.catalog.accelerators import Accelerator
from aistack.catalog.facts import BASES, Fact
from aistack.catalog.links import Link
from aistack.catalog.number_formats import NumberFormat

GOOD = {
    "value": 3.35,
    "unit": "TB/s",
    "basis": "per package",
    "source": "TRTLLM",
    "kind": "vendor",
    "confidence": "datasheet",
}
LABELS = {
    "id": "x1",
    "name": "X1",
    "vendor": "X",
    "architecture": "X",
    "year": 2026,
    "status": "shipping",
    "type": "gpu",
}


def test_a_fact_knows_its_si_value_and_its_date() -> None:
    fact = Fact.model_validate(GOOD)
    assert (fact.si, fact.si_unit) == (3.35e12, "B/s")
    assert fact.text == "3.35 TB/s"
    # TRTLLM states no date of its own: the month in which it was read
    assert fact.dated == ("2026-11", "retrieved")
    assert Fact.model_validate({**GOOD, "date": "2023-03"}).dated == ("2023-03", "stated")


@pytest.mark.parametrize(
    ("value", "unit", "si", "si_unit", "text"),
    [
        (80, "GB", 80e9, "B", "80 GB"),
        (80, "GiB", 80 * 2**30, "B", "80 GiB"),
        (400, "Gb/s", 50e9, "B/s", "400 Gb/s"),
        (1830, "MHz", 1.83e9, "Hz", "1,830 MHz"),
        (80.0, "billion", 80e9, "1", "80 billion"),
        (814, "mm2", 814e-6, "m2", "814 mm2"),
        (3.9, "pJ/bit", 31.2e-12, "J/B", "3.9 pJ/bit"),
        (132, "SM", 132, "SM", "132 SM"),
        (8, 1, 8, "1", "8"),
        (0.0004, "USD/krequest", 4e-7, "USD/request", "0.0004 USD/krequest"),
    ],
)
def test_units_as_sources_print_them(value, unit, si, si_unit, text) -> None:
    fact = Fact.model_validate({**GOOD, "value": value, "unit": unit})
    assert fact.si == pytest.approx(si)
    assert fact.si_unit == si_unit
    assert fact.text == text


@pytest.mark.parametrize("missing", ["value", "source", "kind", "confidence"])
def test_a_value_without_a_source_or_provenance_does_not_load(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        Fact.model_validate({key: value for key, value in GOOD.items() if key != missing})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "TRTLM"}, "Nearest: TRTLLM"),
        ({"unit": "parsecs"}, "not a unit"),
        ({"unit": None}, "a number needs a unit"),
        ({"value": "3.35"}, "must not stand in quotes"),
        ({"value": "HBM3"}, "has no unit"),
        ({"value": float("nan")}, "finite"),
        ({"value": 10**400}, "too large"),
        ({"basis": "dense, sparse"}, "two things"),
        ({"basis": "per packet"}, "Nearest: per package"),
        ({"kind": "rumour"}, "Input should be"),
        ({"confidence": "high"}, "Input should be"),
        ({"date": "last spring"}, "pattern"),
        ({"remark": "x"}, "Extra inputs"),
    ],
)
def test_what_a_fact_refuses(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Fact.model_validate({**GOOD, **change})


def test_a_word_has_no_si_value() -> None:
    fact = Fact.model_validate({**GOOD, "value": "HBM3", "unit": None})
    assert fact.si_unit == ""
    with pytest.raises(TypeError):
        _ = fact.si


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("memory_bandwidth", {"unit": "TB"}, "is in B, but this field is in B/s"),
        ("memory_bandwidth", {"value": 3350}, "out of the sane range"),
        ("memory_bandwidth", {"basis": ""}, "the basis must say one of: .*per package"),
        ("tdp", {"unit": "kW", "value": 1200}, "out of the sane range"),
        ("memory_typ", {}, "Extra inputs"),
    ],
)
def test_a_field_refuses_the_wrong_dimension_range_and_basis(field: str, change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Accelerator.model_validate({**LABELS, field: {**GOOD, **change}})


def test_a_peak_says_whether_it_is_dense() -> None:
    peak = {**GOOD, "value": 989, "unit": "TFLOP/s"}
    with pytest.raises(ValidationError, match="dense, sparse"):
        Accelerator.model_validate({**LABELS, "peaks": {"bf16": peak}})
    with pytest.raises(ValidationError, match="bf61"):
        Accelerator.model_validate({**LABELS, "peaks": {"bf61": {**peak, "basis": "dense, per package"}}})


def test_a_link_says_which_direction() -> None:
    link = {"id": "x", "name": "X", "category": "nic", "scope": "port", "status": "shipping"}
    with pytest.raises(ValidationError, match="per direction, both directions"):
        Link.model_validate({**link, "bandwidth": {**GOOD, "basis": "per port"}})


def test_cite_stands_in_for_facts_without_a_source_only() -> None:
    own = {"value": 8, "unit": "bit", "source": "NUMPY", "kind": "derived", "confidence": "docs"}
    raw = {
        "id": "x",
        "name": "x",
        "cite": {"source": "MLDTYPES", "kind": "derived", "confidence": "docs", "quote": "finfo"},
        "storage_bits": {"value": 8, "unit": "bit"},
        "sign_bits": own,
        "max_finite": {"value": 448, "unit": "1"},
        "min_normal": {"value": 1, "unit": "1"},
        "has_inf": {"value": False},
        "has_nan": {"value": True},
    }
    loaded = NumberFormat.model_validate(raw)
    assert (loaded.storage_bits.source, loaded.storage_bits.quote) == ("MLDTYPES", "finfo")
    assert loaded.sign_bits is not None
    assert (loaded.sign_bits.source, loaded.sign_bits.quote) == ("NUMPY", "")
    with pytest.raises(ValidationError, match="source"):
        NumberFormat.model_validate({key: value for key, value in raw.items() if key != "cite"})


def test_every_basis_is_explained() -> None:
    assert all(meaning for words in BASES.values() for meaning in words.values())


def test_facts_cannot_be_changed() -> None:
    fact = Fact.model_validate(GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        fact.value = 4.0  # type: ignore[misc]
