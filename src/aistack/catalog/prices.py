"""Prices: what accelerators cost to rent and to buy, as dated series. Never a fit, always somebody's stated price."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import Field, ValidationError

from aistack.catalog import accelerators, nodes
from aistack.catalog.entry import Part
from aistack.catalog.facts import Confidence, Fact
from aistack.catalog.kinds import Kind
from aistack.catalog.naming import resolve
from aistack.catalog.reading import DATA, read_rows
from aistack.catalog.sources import Date, sources
from aistack.errors import BadInput, UnknownName

RENTALS, PURCHASES = "cloud_prices.csv", "hardware_prices.csv"

Pricing = Literal[
    "on-demand",
    "spot",
    "reserved",
    "reserved-1y",
    "reserved-3y",
    "savings-plan",
    "capacity-block",
    "serverless",
    "marketplace",
]
"""How it is bought. A reserved price is per hour of a term paid whether used or not."""


class Price(Part):
    """One price on one day, as one row of a table states it."""

    as_listed: Annotated[str, Field(min_length=1)]
    """What the source calls the thing."""
    accelerators: tuple[str, ...]
    """Catalog ids it may be: one where the variant is clear, several where the source leaves it open, none where the
    catalog does not have it."""
    date: Date
    source: str
    quote: str = ""
    confidence: Confidence
    note: str = ""
    doubt: str = ""
    """Why the price should not be used; lookups leave such rows out."""

    @property
    def accelerator(self) -> str | None:
        """The catalog id, or None where the row leaves open which variant it is."""
        return self.accelerators[0] if len(self.accelerators) == 1 else None

    @property
    @abstractmethod
    def fact(self) -> Fact:
        """The price of one accelerator; each table says in what."""

    @property
    def ambiguous(self) -> bool:
        """Whether the source leaves open which of several variants it prices."""
        return len(self.accelerators) > 1


P = TypeVar("P", bound=Price)


class RentalPrice(Price):
    """The price of an hour."""

    provider: Annotated[str, Field(min_length=1)]
    sku: str = ""
    accelerators_per_instance: Annotated[int, Field(ge=1, le=1000)] | None = None
    usd_per_accelerator_hour: Annotated[float, Field(gt=0.0, le=200.0)]
    usd_per_instance_hour: Annotated[float, Field(gt=0.0, le=2000.0)] | None = None
    pricing: Pricing
    terms: str = ""
    region: str = ""
    dated: str
    """What the date is the date of."""

    @property
    def fact(self) -> Fact:
        """US dollars an hour for one accelerator."""
        return _fact(self, self.usd_per_accelerator_hour, "USD/h", self.sku, self.region, self.terms)


class PurchasePrice(Price):
    """The price of owning one."""

    system: str | None = None
    """The catalog id of the whole system that is priced, where it is one."""
    usd: Annotated[float, Field(gt=0.0, le=1e9)]
    accelerators_in_it: Annotated[int, Field(ge=1, le=100_000)]
    usd_per_accelerator: Annotated[float, Field(gt=100.0, le=1e6)]

    @property
    def fact(self) -> Fact:
        """US dollars for each accelerator; of a system, its whole price spread over them."""
        return _fact(self, self.usd_per_accelerator, "USD")


@functools.cache
def rentals() -> tuple[RentalPrice, ...]:
    """Every rental price that the catalog has, as its table lists them."""
    path = DATA / RENTALS
    return tuple(read_table(RentalPrice, *read_rows(path), path))


@functools.cache
def purchases() -> tuple[PurchasePrice, ...]:
    """Every purchase price that the catalog has, as its table lists them."""
    path = DATA / PURCHASES
    return tuple(read_table(PurchasePrice, *read_rows(path), path))


def series(
    accelerator: str, provider: str | None = None, pricing: str | None = None, *, ambiguous: bool = False
) -> tuple[RentalPrice, ...]:
    """The rental prices of an accelerator in order of date, from one provider or all, bought in one way or any.

    Rows that leave the variant open are left out unless `ambiguous`, rows in doubt always. An empty tuple means that
    nothing is known. Raises `UnknownName` for an accelerator, provider or way of buying that is not there.
    """
    key = accelerators.KIND.load(accelerator).id
    if provider is not None:
        provider = resolve("provider", provider, sorted({row.provider for row in rentals()}))
    if pricing is not None and pricing not in get_args(Pricing):
        raise UnknownName("way of buying", pricing, get_args(Pricing))
    found = (
        row
        for row in rentals()
        if (key in row.accelerators if ambiguous else row.accelerator == key)
        and provider in (None, row.provider)
        and pricing in (None, row.pricing)
        and not row.doubt
    )
    return tuple(sorted(found, key=lambda row: row.date))


def price(
    accelerator: str, date: str | None = None, provider: str | None = None, pricing: str = "on-demand"
) -> RentalPrice:
    """The rental price in force on `date` (`2025-06-30`; None: at the latest one known), as one row of the table.

    Each provider counts with the last price it stated in the year up to then (the median of one day's, where it stated
    several); of the providers' prices the median is returned, of an even number the lower of the middle two. Raises
    `BadInput` where none was stated in that year.
    """
    known = series(accelerator, provider, pricing)
    until = date or (known[-1].date if known else "")
    year_before = f"{int(until[:4]) - 1}{until[4:]}" if until else ""
    last: dict[str, list[RentalPrice]] = {}
    for row in known:
        if year_before <= row.date <= until:
            same_day = last.get(row.provider, [])
            last[row.provider] = [*same_day, row] if same_day and same_day[0].date == row.date else [row]
    if not last:
        key = accelerators.KIND.load(accelerator).id
        when = f" in the year up to {date}" if date else ""
        span = f" Known: {known[0].date} to {known[-1].date}." if known else ""
        raise BadInput(f"No {pricing} price of {key}{f' from {provider}' if provider else ''} is known{when}.{span}")
    return _median([_median(rows) for rows in last.values()])


def by_provider(accelerator: str, pricing: str = "on-demand") -> dict[str, tuple[RentalPrice, ...]]:
    """What each provider asked over time, bought in one way: a price a day, the median where it stated several.

    Raises `UnknownName` for an accelerator or way of buying that is not there.
    """
    days: dict[str, dict[str, list[RentalPrice]]] = {}
    for row in series(accelerator, pricing=pricing):
        days.setdefault(row.provider, {}).setdefault(row.date, []).append(row)
    return {who: tuple(_median(rows) for rows in each.values()) for who, each in days.items()}


def changes(providers: Mapping[str, Sequence[RentalPrice]]) -> tuple[float, ...]:
    """Each provider's next price over its last, where they differ by more than a hundredth, which is rounding.

    `providers` are of `by_provider`.
    """
    steps = (
        after.usd_per_accelerator_hour / before.usd_per_accelerator_hour
        for rows in providers.values()
        for before, after in pairwise(rows)
    )
    return tuple(step for step in steps if abs(step - 1) > 0.01)


def purchase_prices(accelerator: str) -> tuple[PurchasePrice, ...]:
    """What one was sold for, alone or as its share of a system, in order of date; rows in doubt are left out.

    Raises `UnknownName` or `AmbiguousName`.
    """
    key = accelerators.KIND.load(accelerator).id
    found = (row for row in purchases() if row.accelerator == key and not row.doubt)
    return tuple(sorted(found, key=lambda row: row.date))


def read_table(schema: type[P], header: Iterable[str], rows: list[dict[str, str]], path: Path) -> list[P]:
    """The rows of a price table; every problem of every row in one `BadInput`."""
    columns = tuple(schema.model_fields)
    if set(header) != set(columns):
        raise BadInput(f"{path} must have exactly the columns {', '.join(columns)}.")
    found: list[P] = []
    problems: list[str] = []
    for number, row in enumerate(rows, start=2):
        raw = {key: text for key, text in row.items() if text} | {"accelerators": tuple(row["accelerators"].split())}
        try:
            each = schema.model_validate(raw, strict=False)
        except ValidationError as error:
            problems += [f"  line {number}, {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        unknown = [key for key in each.accelerators if key not in accelerators.KIND.names()]
        problems += [f"  line {number}: there is no accelerator {key!r}" for key in unknown]
        if each.source not in sources():
            problems.append(f"  line {number}: there is no source {each.source!r}")
        if isinstance(each, PurchasePrice) and each.system and each.system not in nodes.KIND.names():
            problems.append(f"  line {number}: there is no node {each.system!r}")
        found.append(each)
    if problems:
        raise BadInput("\n".join([f"{path}:", *problems]))
    return found


class PriceHistory(Part):
    """Everything the catalog knows of what one accelerator costs, as an entry to list, show and compare."""

    id: str
    name: str
    rent: Fact | None = None
    """An hour on demand, at the latest one known: see `price`."""
    purchase: Fact | None = None
    """The last purchase price known, the median of one day's."""
    history: dict[str, Fact]
    """Every row, by way of buying, date and provider; rows of one day are numbered."""


def _history(key: str) -> PriceHistory:
    history: dict[str, Fact] = {}
    sold = purchase_prices(key)
    bought = [(f"purchase.{row.date}", row.fact) for row in sold]
    for path, fact in [*((f"{row.pricing}.{row.date}.{row.provider}", row.fact) for row in series(key)), *bought]:
        same = sum(each == path or each.startswith(f"{path}#") for each in history)
        history[f"{path}#{same + 1}" if same else path] = fact
    return PriceHistory(
        id=f"{key}-price",
        name=f"Price of {accelerators.KIND.load(key).name}",
        rent=price(key).fact if series(key, pricing="on-demand") else None,
        purchase=_median([row for row in sold if row.date == sold[-1].date]).fact if sold else None,
        history=history,
    )


@functools.cache
def _priced() -> dict[str, str]:
    """The id of each price history, with its accelerator's."""
    return {f"{row.accelerator}-price": row.accelerator for row in (*rentals(), *purchases()) if row.accelerator}


def _load(wanted: str) -> PriceHistory:
    return _history(_priced()[resolve("price", wanted, sorted(_priced()))])


KIND: Kind[PriceHistory] = Kind(
    "price",
    "dated prices of accelerators, to rent and to buy",
    lambda: tuple(sorted(_priced())),
    _load,
    headline=("rent", "purchase"),
)


def _median(rows: Sequence[P]) -> P:
    return sorted(rows, key=lambda row: row.fact.si)[(len(rows) - 1) // 2]


def _fact(row: Price, value: float, unit: str, *details: str) -> Fact:
    return Fact(
        value=value,
        unit=unit,
        basis="per package",
        source=row.source,
        kind="vendor",
        confidence=row.confidence,
        date=row.date,
        quote=row.quote,
        note="; ".join(filter(None, (row.as_listed, *details, row.note, row.doubt))),
    )
