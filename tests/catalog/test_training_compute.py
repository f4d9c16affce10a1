import itertools

import pytest

from aistack.catalog.reading import DATA, read_rows
from aistack.catalog.sources import source
from aistack.catalog.training_compute import FILE, leading
from aistack.hardware.trend import estimate


def test_compute_that_papers_state() -> None:
    found = {run.model: run for run in leading()}
    # GPT-3's paper (arXiv:2005.14165), table D.1; the introduction of Llama 3's report (arXiv:2407.21783)
    assert found["GPT-3 175B (davinci)"].flop == pytest.approx(3.14e23)
    assert found["Llama 3.1-405B"].flop == pytest.approx(3.8e25)
    assert found["Llama 3.1-405B"].year == pytest.approx(2024.56, abs=0.01)
    assert found["Llama 3.1-405B"].confidence == "confident" and found["Grok 4"].confidence == "speculative"


def test_each_was_among_the_three_largest_of_these() -> None:
    runs = leading()
    assert [run.date for run in runs] == sorted(run.date for run in runs) and runs[0].date.year == 2012
    for place, run in enumerate(runs):
        assert sum(other.flop > run.flop for other in runs[:place]) < 3, run.model


def test_no_run_counts_twice() -> None:
    runs = leading()
    assert len({run.model for run in runs}) == len(runs)
    for one, other in itertools.combinations(runs, 2):
        assert (one.date, one.link) != (other.date, other.link), (one.model, other.model)


def test_growth_is_what_the_source_found() -> None:
    # Epoch AI, "Training compute of frontier AI models grows by 4-5x per year" (2024), by another selection
    runs = leading()
    assert 4 < estimate([run.year for run in runs], [run.flop for run in runs]).growth < 5


def test_every_row_has_its_source_and_a_link() -> None:
    _, rows = read_rows(DATA / FILE)
    assert {row["source"] for row in rows} == {"EPOCHMODELS"} and "CC BY" in source("EPOCHMODELS").about
    assert all(run.link.startswith("https://") for run in leading()) and len(rows) == len(leading())
