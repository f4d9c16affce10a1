import pytest

from aistack.catalog.processors import history
from aistack.catalog.reading import DATA, read_rows
from aistack.catalog.sources import source


def test_the_first_microprocessor_and_the_end_of_clocks() -> None:
    series = history()
    # Intel's 4004 of 1971: 2,300 transistors at 740 kHz
    assert series["transistors"][0] == (pytest.approx(1971.9, abs=0.1), pytest.approx(2300, rel=0.01))
    assert series["clock"][0][1] == pytest.approx(740e3, rel=0.06)
    assert min(value for _, value in series["cores"]) == 1
    # no processor of the list runs at twice the clock that was reached by 2005
    by_2005 = max(value for year, value in series["clock"] if year < 2005)
    assert max(value for _, value in series["clock"]) < 2 * by_2005
    assert max(value for _, value in series["transistors"]) > 5e10


def test_every_row_has_its_source() -> None:
    _, rows = read_rows(DATA / "processors.csv")
    assert {row["source"] for row in rows} == {"RUPP"} and "CC BY" in source("RUPP").about
    assert sum(len(points) for points in history().values()) == len(rows)
