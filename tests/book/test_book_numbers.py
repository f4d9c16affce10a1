"""Numbers: what they print, in every place that they can stand in."""

import pytest

from aistack import catalog, units
from aistack.book.maths import typeset
from aistack.book.number import Number, fact, name, word
from aistack.errors import BadInput, UnknownName


@pytest.mark.parametrize(
    ("value", "unit", "plain"),
    [
        (3.35e12, "B/s", "3.35 TB/s"),
        (295.22, "FLOP/B", "295 FLOP/B"),
        (0.421, "%", "42.1%"),
        (3.2, "×", "3.2×"),
        (15.6e12, "tokens", "15.6 T tokens"),
        (126, "layers", "126 layers"),
        (16384, "accelerators", "16,384 accelerators"),
        (4096, "", "4,096"),
        (8.03e9, "parameters", "8.03 billion parameters"),
        (2.5e-6, "s", "2.5 µs"),
        (12.5e6, "USD", "$12.5 million"),
    ],
)
def test_as_people_read_it(value: float, unit: str, plain: str) -> None:
    assert Number(value, unit, "derived", "a test").plain == plain


@pytest.mark.parametrize("unit", ["B/s", "FLOP/B", "%", "s", "USD", "tokens", "layers", "J"])
@pytest.mark.parametrize("value", [0.5, 3.0, 1234.5, 6.7e12])
def test_what_a_reader_types_is_the_value(value: float, unit: str) -> None:
    typed, printed = Number(value, unit, "derived", "a test").typed
    if unit == "%":
        assert (typed, printed) == (100 * value, "%")
    elif unit == "layers":
        scale = {"trillion layers": 1e12, "layers": 1.0}[printed]
        assert typed * scale == pytest.approx(value)
    else:
        assert units.parse(f"{typed!r} {printed}", unit.replace("tokens", "token")) == pytest.approx(value)


@pytest.mark.parametrize(
    ("value", "unit"), [(3.35e12, "B/s"), (0.5, "%"), (12.0, "USD"), (2e-6, "s"), (1e9, ""), (2.0, "×")]
)
def test_formulas_can_hold_it(value: float, unit: str) -> None:
    assert "katex" in typeset(Number(value, unit, "derived", "a test").tex)


def test_an_interval_is_shown_beside_it() -> None:
    number = Number(3600.0, "s", "derived", "a test", low=3000.0, high=4320.0)
    assert number.range == "50 min to 1.2 h"
    assert "(50 min to 1.2 h)" in number.html()
    assert Number(2.0, "GB", "derived", "a test", low=1.0, high=3.0).range == "1 to 3 GB"


def test_what_it_says_of_itself_cannot_break_the_page() -> None:
    shown = Number(1.0, "", "assumed", '<script>"&', formula="a < b").html('"><b>')
    assert "<script>" not in shown and "<b>" not in shown
    assert 'data-formula="a &lt; b"' in shown


def test_it_needs_a_source_and_both_ends() -> None:
    with pytest.raises(ValueError, match="source"):
        Number(1.0, "s", "assumed", " ")
    with pytest.raises(ValueError, match="two ends"):
        Number(1.0, "s", "assumed", "a test", low=0.5)


def test_facts_come_from_the_catalog_with_all_they_tell() -> None:
    number = fact("h100-sxm5", "memory_bandwidth")
    stated = catalog.accelerator("h100-sxm5").memory_bandwidth
    assert stated is not None
    assert (number.value, number.unit, number.basis, number.mark) == (stated.si, stated.si_unit, stated.basis, "stated")
    assert catalog.source(stated.source).about in number.source
    assert word("h100-sxm5", "memory_type") == "HBM3"
    assert name("h100-sxm5") == catalog.accelerator("h100-sxm5").name


def test_wrong_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match="memory_bandwidth"):
        fact("h100-sxm5", "memory_bandwith")
    with pytest.raises(BadInput, match="word"):
        fact("h100-sxm5", "memory_type")
