import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack import units
from aistack.errors import BadInput


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("80 GB", "B", 80e9),
        ("80 GiB", "B", 80 * 2**30),
        ("3.35 TB/s", "B/s", 3.35e12),
        ("400Gb/s", "B/s", 50e9),
        ("989.4 TFLOP/s", "FLOP/s", 989.4e12),
        ("1 PFLOPS", "FLOP/s", 1e15),
        ("500ms", "s", 0.5),
        ("2 h", "s", 7200),
        ("1.5 kWh", "J", 5.4e6),
        ("10/s", "1/s", 10),
        ("3.9 pJ/bit", "J/B", 31.2e-12),
        ("400 gCO2e/kWh", "kg/J", 0.4 / 3.6e6),
        ("$2.50/h", "USD/s", 2.5 / 3600),
        ("$285 million", "USD", 285e6),
        ("15.6T tokens", "token", 15.6e12),
        ("1,024", "1", 1024),
        (7, "B", 7),
    ],
)
def test_parse(text: str | float, unit: str, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "fast", "80 GB GB", "80 parsecs", "1/0 s"])
def test_refuses_what_is_no_quantity(text: str) -> None:
    with pytest.raises(BadInput):
        units.parse(text, "B")


def test_refuses_another_dimension() -> None:
    with pytest.raises(BadInput, match="B/s"):
        units.parse("80 GB/s", "B")


@given(st.floats(1e-9, 1e20), st.sampled_from(["B", "B/s", "FLOP/s", "s", "J", "W"]))
def test_what_is_printed_reads_back(value: float, unit: str) -> None:
    assert math.isclose(units.parse(units.text(value, unit, digits=6), unit), value, rel_tol=1e-4)


def test_reads_well() -> None:
    assert units.text(3.35e12, "B/s") == "3.35 TB/s"
    assert units.text(999_700, "B") == "1 MB"
    assert units.text(0.0123, "s") == "12.3 ms"
    assert units.text(0, "s") == "0 s"
    assert units.text(11_200, "token/s") == "11.2 k tokens/s"
    assert units.text(0.004, "USD") == "$0.004"
    assert units.text(285_089_093, "USD") == "$285 million"
    assert units.text(-1.5e9, "USD") == "-$1.5 billion"
    assert units.text(814e-6, "m2") == "814 mm2"
    assert units.text(132, "SM") == "132 SM"


def test_a_range_names_a_shared_unit_once() -> None:
    assert units.span(1e-3, 2e-3, "s") == "1 to 2 ms"
    assert units.span(5e-4, 2e-3, "s") == "500 µs to 2 ms"
    assert units.span(6186, 13_700, "token/s") == "6,186 tokens/s to 13.7 k tokens/s"
    assert units.span(1, 2, "USD") == "$1 to $2"


def test_counts_in_words_from_a_million_on() -> None:
    assert units.count(8_030_261_248) == "8.03 billion"
    assert units.count(128_256) == "128,256"
    assert units.count(999_999) == "1 million"
    assert units.count(15.6e12) == "15.6 trillion"
    assert units.count(1.5) == "1.5"


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_what_rounds_up_to_one_digit_more_stays_plain(digits: int) -> None:
    # 99.6 in two digits is 100, not 1e+02
    just_below = 10.0**digits - 0.4
    assert units.text(just_below, "", digits) == f"{10**digits:,}"
    assert units.text(10.0**digits - 0.6, "", digits) == str(10**digits - 1)
