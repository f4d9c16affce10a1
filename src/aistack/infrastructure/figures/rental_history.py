"""What an hour of one accelerator was offered for, by date, provider and way of buying."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from aistack.catalog.prices import RentalPrice, changes
from aistack.drawing import HUES, Figure, labels
from aistack.drawing.theme import INK, MUTED, PAPER

_WIDE, _TALL = 580, 300
_DEMAND = "on demand"
_SHAPES = {_DEMAND: "circle", "reserved": "triangle-up", "spot": "cross", "other": "diamond"}


def draw(offers: Sequence[RentalPrice], providers: Mapping[str, Sequence[RentalPrice]], chip: str) -> Figure:
    """A mark an offer, lines between a provider's prices on demand.

    `offers` are `aistack.catalog.prices.series(accelerator)`, at least one of them on demand, and `providers` its
    `by_provider(accelerator)`; `chip` is its name. An offer of which only the month is known stands at its beginning.
    """
    import altair

    rows: list[dict[str, Any]] = [
        {"date": _day(offer.date), "usd": offer.usd_per_accelerator_hour, "way": _way(offer), "who": offer.provider}
        for offer in offers
    ]
    lasting = {
        who: [(_day(offer.date), offer.usd_per_accelerator_hour) for offer in each]
        for who, each in providers.items()
        if len(each) > 1
    }
    lines = [{"date": day, "usd": usd, "who": who} for who, each in lasting.items() for day, usd in each]
    days = sorted({_ordinal(row["date"]) for row in rows})
    pad = max(30, (days[-1] - days[0]) // 25)
    first, last = days[0] - pad, days[-1] + 6 * pad
    most = max(row["usd"] for row in rows) * 1.1
    x = altair.X(
        "date:T",
        scale=altair.Scale(domain=[_millis(first), _millis(last)], nice=False),
        axis=altair.Axis(title=None, format="%b %Y", tickCount=6),
    )
    y = altair.Y(
        "usd:Q",
        scale=altair.Scale(domain=[0, most], nice=False),
        axis=altair.Axis(title="US dollars an hour", format="$.3~g", grid=True),
    )
    ends = sorted(lasting.items(), key=lambda each: -len(each[1]))
    points = [_place(_ordinal(each[-1][0]), each[-1][1], first, last, most) for _, each in ends]
    others = [_place(_ordinal(row["date"]), row["usd"], first, last, most) for row in rows]
    for _, each in ends:
        for (one, before), (other, after) in pairwise(each):
            for step in range(1, 20):
                between = _ordinal(one) + (_ordinal(other) - _ordinal(one)) * step / 20
                others.append(_place(between, before + (after - before) * step / 20, first, last, most))
    names = [who for who, _ in ends]
    placed = labels.place(points, names, (_WIDE, _TALL), radius=5, size=10, taken=others)
    legend = altair.Legend(title=None, orient="top")
    domain, hue = list(_SHAPES), HUES["infrastructure"]
    marks = (
        altair.Chart(altair.Data(values=rows))
        .mark_point(size=44, opacity=1, fill=PAPER, strokeWidth=1.5)
        .encode(
            x=x,
            y=y,
            shape=altair.Shape("way:N", scale=altair.Scale(domain=domain, range=list(_SHAPES.values())), legend=legend),
            # all of one colour: the legend's shapes take theirs from here
            stroke=altair.Stroke("way:N", scale=altair.Scale(domain=domain, range=[hue] * len(domain)), legend=legend),
        )
    )
    steps = altair.Chart(altair.Data(values=lines)).mark_line(color=MUTED, strokeWidth=1.2)
    layers = [
        *([steps.encode(x=x, y=y, detail="who:N")] if lines else []),
        marks,
        *labels.layers(points, names, placed, [INK] * len(names), size=10),
    ]
    return Figure(
        layer="infrastructure",
        title=_title(offers, changes(providers), chip),
        subtitle="Each mark is one offer on the day it was seen; lines join a provider's prices on demand",
        source="Catalog of prices, where every offer has its source: providers' own lists and records of them.",
        alt=f"{len(rows)} offers of {chip} from {rows[0]['date']} to {rows[-1]['date']}, "
        f"{min(row['usd'] for row in rows):.2f} to {max(row['usd'] for row in rows):.2f} US dollars an hour. "
        + " ".join(f"{who}: {', '.join(f'{usd:.2f}' for _, usd in each)}." for who, each in lasting.items()),
        chart=altair.layer(*layers).properties(width=_WIDE, height=_TALL),
        table=[
            {
                "date": offer.date,
                "provider": offer.provider,
                "way of buying": offer.pricing,
                "USD an hour": f"{offer.usd_per_accelerator_hour:.2f}",
            }
            for offer in offers
        ],
    )


def _title(offers: Sequence[RentalPrice], steps: Sequence[float], chip: str) -> str:
    asked = [offer.usd_per_accelerator_hour for offer in offers if _way(offer) == _DEMAND]
    span = f"An hour of {chip} on demand was offered for {min(asked):.2f} to {max(asked):.2f} USD"
    return f"{span}; of {len(steps)} changes of price {sum(step > 1 for step in steps)} went up" if steps else span


def _way(offer: RentalPrice) -> str:
    if offer.pricing == "on-demand":
        return _DEMAND
    if offer.pricing.startswith("reserved"):
        return "reserved"
    return "spot" if offer.pricing == "spot" else "other"


def _day(date: str) -> str:
    return "-".join([*date.split("-"), "01", "01"][:3])


def _ordinal(day: str) -> int:
    return datetime.date.fromisoformat(day).toordinal()


def _millis(ordinal: int) -> int:
    """Since 1970, as Vega counts."""
    return (ordinal - datetime.date(1970, 1, 1).toordinal()) * 86_400_000


def _place(ordinal: float, usd: float, first: int, last: int, most: float) -> tuple[float, float]:
    return (ordinal - first) / (last - first) * _WIDE, (1 - usd / most) * _TALL
