"""Prices as dated series."""

import csv
from pathlib import Path

import pytest

from aistack import catalog
from aistack.catalog import prices
from aistack.catalog.reading import DATA, parse_rows
from aistack.errors import AmbiguousName, BadInput, UnknownName


def test_series_are_in_order_and_of_one_accelerator() -> None:
    series = catalog.series("h100-sxm5", "AWS")
    assert series
    assert [row.date for row in series] == sorted(row.date for row in series)
    assert {row.accelerator for row in series} == {"h100-sxm5"}
    assert {row.provider for row in series} == {"AWS"}


def test_what_leaves_the_variant_open_is_kept_but_not_used() -> None:
    sure = catalog.series("a100-pcie-40gb")
    with_open = catalog.series("a100-pcie-40gb", ambiguous=True)
    assert not any(row.ambiguous for row in sure)
    assert len(with_open) > len(sure)
    assert all("a100-pcie-40gb" in row.accelerators for row in with_open)


def test_an_open_variant_is_settled_by_a_known_instance_only() -> None:
    """AWS and Azure publish which part is in p4d, p4de and ND A100 v4; nothing else settles an open name."""
    known = {"p4d.": "a100-sxm4-40gb", "p4de.": "a100-sxm4-80gb", "ND96asr": "a100-sxm4-40gb"}
    for row in prices.rentals():
        if row.as_listed in {"NVIDIA A100 PCIe", "NVIDIA A100", "H200", "NVIDIA V100"}:
            settled = next((part for sku, part in known.items() if row.sku.startswith(sku)), None)
            assert row.accelerator in (None, settled), row


def test_instances_cost_as_much_as_their_accelerators() -> None:
    for row in prices.rentals():
        if row.usd_per_instance_hour and row.accelerators_per_instance:
            each = row.usd_per_instance_hour / row.accelerators_per_instance
            assert each == pytest.approx(row.usd_per_accelerator_hour, rel=0.01), row


def test_spot_is_not_dearer_than_on_demand_on_the_same_day() -> None:
    on_demand: dict[tuple[str, ...], float] = {}
    for row in prices.rentals():
        key = (row.provider, row.as_listed, row.sku, row.region, row.date)
        if row.pricing == "on-demand" and not row.doubt:
            on_demand[key] = max(row.usd_per_accelerator_hour, on_demand.get(key, 0))
    for row in prices.rentals():
        key = (row.provider, row.as_listed, row.sku, row.region, row.date)
        if row.pricing == "spot" and not row.doubt and key in on_demand:
            assert row.usd_per_accelerator_hour <= on_demand[key], row


def test_price_on_a_date_is_the_last_one_stated_before() -> None:
    rows = catalog.series("h100-sxm5", "Lambda", "on-demand")
    by_hand = [row for row in rows if row.date <= "2024-12-31"][-1].date
    assert catalog.price("h100-sxm5", "2024-12-31", "lambda").date == by_hand


def test_price_is_a_median_over_providers() -> None:
    latest = catalog.price("h100-sxm5")
    newest = catalog.series("h100-sxm5", pricing="on-demand")[-1].date
    floor = f"{int(newest[:4]) - 1}{newest[4:]}"
    lasts: dict[str, list[float]] = {}
    for row in catalog.series("h100-sxm5", pricing="on-demand"):
        if row.date >= floor:
            kept = lasts.setdefault(row.provider, [])
            kept.append(row.usd_per_accelerator_hour)
    assert min(map(min, lasts.values())) <= latest.usd_per_accelerator_hour <= max(map(max, lasts.values()))


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(BadInput, match="No on-demand price of h100-sxm5 is known in the year up to 2019"):
        catalog.price("h100-sxm5", "2019-01-01")
    with pytest.raises(UnknownName, match="Nearest: Lambda"):
        catalog.series("h100-sxm5", "Lambada")
    with pytest.raises(UnknownName, match="reserved-1y"):
        catalog.series("h100-sxm5", pricing="reserved-2y")
    with pytest.raises(AmbiguousName):
        catalog.price("h100")


def test_rows_in_doubt_are_kept_in_the_table_and_left_out_of_lookups() -> None:
    doubted = [row for row in prices.rentals() if row.doubt]
    assert len(doubted) >= 6
    for row in doubted:
        if row.accelerator:
            assert row not in catalog.series(row.accelerator)


def test_purchases_spread_a_system_over_its_accelerators() -> None:
    for row in prices.purchases():
        assert row.usd / row.accelerators_in_it == pytest.approx(row.usd_per_accelerator, rel=1e-3)
    assert next(row.date for row in catalog.purchase_prices("h100-sxm5")) == "2023-05-29"


def test_a_price_is_a_fact() -> None:
    fact = catalog.price("h100-sxm5").fact
    assert fact.si_unit == "USD/s"
    assert fact.kind == "vendor"
    assert fact.dated[1] == "stated"


def test_every_problem_of_a_table_is_reported(tmp_path: Path) -> None:
    header, rows = DATA.joinpath("cloud_prices.csv").read_text().splitlines()[:2]
    good = next(csv.DictReader([header, rows]))
    bad = [
        {**good, "accelerators": "h101"},
        {**good, "usd_per_accelerator_hour": "cheap"},
        {**good, "pricing": "barter"},
        {**good, "source": "NOBODY"},
        {**good, "date": "yesterday"},
    ]
    with pytest.raises(BadInput) as caught:
        prices.read_table(prices.RentalPrice, good.keys(), bad, tmp_path / "x.csv")
    for number, word in enumerate(["h101", "usd_per_accelerator_hour", "pricing", "NOBODY", "date"], start=2):
        assert any(f"line {number}" in line and word in line for line in str(caught.value).splitlines()), word


def test_broken_csv_is_named() -> None:
    with pytest.raises(BadInput, match="line 2: 1 cells, but the header has 2"):
        parse_rows("a,b\n1\n", Path("x.csv"))
    with pytest.raises(BadInput, match="empty"):
        parse_rows("", Path("x.csv"))
