import math

import pytest

from aistack.dive.ledger import Ledger
from aistack.dive.terminal import ratio_bar


def test_a_quantity_is_predicted_once_and_then_measured_once() -> None:
    ledger = Ledger("hardware")
    with pytest.raises(ValueError, match="without being predicted"):
        ledger.measure("time", 1.0)
    ledger.predict("time", 2.0, "s", "by hand", interval=(1.5, 2.5))
    with pytest.raises(ValueError, match="predicted before"):
        ledger.predict("time", 3.0, "s", "again")
    ledger.measure("time", 1.0, spread=[0.9, 1.0, 1.4])
    with pytest.raises(ValueError, match="measured before"):
        ledger.measure("time", 2.0)
    (entry,) = ledger.entries
    assert (entry.ratio, entry.least, entry.most, entry.repeats) == (0.5, 0.9, 1.4, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_refuses_what_is_no_number(value: float) -> None:
    ledger = Ledger("serving")
    with pytest.raises(ValueError, match="no quantity"):
        ledger.predict("time", value, "s", "by hand")


def test_a_ratio_bar_grows_with_the_ratio_and_keeps_its_width() -> None:
    bars = [ratio_bar(ratio) for ratio in (0, 0.01, 0.25, 0.7, 1, 1.4, 2, 4, 100)]
    assert {len(bar) for bar in bars} == {9}
    assert bars[4] == "    ┼    "
    assert bars[6] == "    ┼━━  " and bars[2] == "━━━━┼    "
    assert bars[-1].endswith("▸") and bars[1].startswith("◂")
