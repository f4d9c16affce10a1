"""What "What does AI cost, and where do the trends point?" computes: an answer's price, its footprint, and growth."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

from aistack.applications import economics
from aistack.applications.figures import training_compute as training_compute_figure
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Mark, Number, name
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.catalog import accelerators, api_prices, prices
from aistack.catalog.training_compute import leading
from aistack.drawing import Figure
from aistack.errors import DoesNotFit
from aistack.hardware import atlas
from aistack.hardware.figures import atlas_trend
from aistack.hardware.trend import Trend, estimate
from aistack.infrastructure.facility import facility
from aistack.infrastructure.figures import rental_history
from aistack.scenario import ServingAnswer, TrainingAnswer, answer, answer_serving, serving_charts

HOUR = 3600.0
YEAR = 365.25 * 86400
THOUSAND, MILLION = 1e3, 1e6

BUSY = {"5%": 0.05, "10%": 0.1, "25%": 0.25, "50%": 0.5, "all": 1.0}
PAID = {"$1": 1.0, "$2": 2.0, "$4": 4.0, "$8": 8.0}
ASSUMED_PRICE, ASSUMED_BUSY = 2.0, 0.25
FEW_OFFERS = 5
"""Offers below which an accelerator has no history worth drawing."""
STANDARD = "h100-sxm5"
DATED = ("DeepSeek", "deepseek-v3")
"""The provider and model whose prices are known from the day they held."""

HOME = 10_715 * 3.6e6 / YEAR
"""Watts of an average home of the United States in 2020."""
PETROL = 8.887 / 3.785411784
"""Kilograms of CO2 from burning a litre."""
FLUSH = 1.28 * 3.785411784
"""Litres that a toilet of the WaterSense label takes at most."""

PREDICTED = "Predicted by aistack.serving, priced from the catalog"
COUNTED = "Counted by aistack.frameworks from the model's published configuration"
OFFERED = "Own machines, where their price is known, at the load that aistack plans for; providers' list prices by date"
FITTED = "Least squares of logarithms, interval of nine tenths"
EPOCH = "Epoch AI, Data on AI Models, CC BY 4.0, accessed 2026-01-26"
GOOGLE = "Elsworth et al. 2025 (arXiv:2508.15734)"


@functools.lru_cache(maxsize=32)
def served(setting: Setting) -> ServingAnswer | None:
    """The setting's deployment, predicted; None where it does not fit."""
    try:
        return answer_serving(setting.serving())
    except DoesNotFit:
        return None


@functools.lru_cache(maxsize=32)
def trained(setting: Setting) -> TrainingAnswer | None:
    """The setting's training plan; None where it does not fit or nobody knows its price."""
    found = answer(setting.training())
    known = found.fits and found.run is not None and math.isfinite(float(found.run.cost))
    return found if known else None


def numbers(setting: Setting) -> dict[str, Number]:
    """Prices and footprint of the setting's answers, where they are known, and the growth that the trends have."""
    return {**_given(setting), **_of_trends(), **_of_deployment(setting), **_of_training(setting)}


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the text asks about."""
    found = served(setting)
    offers = found.cost.offers if found else ()
    charted = _charted(setting)
    steps = prices.changes(prices.by_provider(charted))
    largest = max(leading(), key=lambda run: run.flop)
    return {
        "model": name(setting.model),
        "chip": setting.facts.name,
        "fits": found is not None,
        "priced": found is not None and math.isfinite(found.cost.usd_per_million),
        "rented": found is not None and found.cost.payback != 0,
        "pays": found is not None and math.isfinite(found.cost.payback) and found.cost.payback > 0,
        "metered": found is not None and math.isfinite(found.cost.joules_per_request),
        "market": bool(offers),
        "compared": found is not None and len(_offers_of(found)) > 1,
        "bought_wins": found is not None
        and bool(offers)
        and found.cost.owned_usd_per_hour / HOUR / found.rate < offers[0].usd_per_request,
        "cheapest": offers[0].provider if offers else "",
        "cheapest_date": offers[0].date if offers else "",
        "never": bool(offers) and not math.isfinite(offers[0].break_even_rate),
        "plan": str(found.deployment) if found else "",
        "trained": found is not None and trained(setting) is not None,
        "largest": largest.model,
        "largest_guessed": largest.confidence == "speculative",
        "both_ways": bool(steps) and min(steps) < 1 < max(steps),
        "charted": name(charted),
        "charted_own": charted == setting.accelerator,
    }


def _given(setting: Setting) -> dict[str, Number]:
    growth, largest = compute_trend().growth, max(run.flop for run in leading())
    contract = "SemiAnalysis 2026, a one-year contract for an H100"
    return {
        "prompt": Number(setting.prompt, "token", "assumed", "the scenario"),
        "output": Number(setting.output, "token", "assumed", "the scenario"),
        "tokens": Number(setting.tokens, "token", "assumed", "the scenario"),
        "parity": Number(3 * setting.tokens, "token", "derived", COUNTED, formula="6 N D / 2 N"),
        "assumed_price": Number(ASSUMED_PRICE, "USD", "assumed", "chosen for the exercise", basis="an hour"),
        "assumed_busy": Number(ASSUMED_BUSY, "%", "assumed", "chosen for the exercise"),
        "thousandfold": Number(
            math.log(THOUSAND) / math.log(growth), "years", "derived", FITTED, formula="log 1,000 / log growth"
        ),
        "google_energy": Number(0.24, "Wh", "stated", GOOGLE, basis="median text prompt, May 2025"),
        "price_fall_low": Number(9, "×", "stated", "Cottier et al. 2025, epoch.ai", basis="a year"),
        "price_fall_high": Number(900, "×", "stated", "Cottier et al. 2025, epoch.ai", basis="a year"),
        "contract_low": Number(1.70, "USD", "stated", contract, basis="an hour, October 2025"),
        "contract_high": Number(2.35, "USD", "stated", contract, basis="an hour, March 2026"),
        "headroom": Number(
            2e29 / largest, "×", "derived", f"Sevilla et al. 2024, epoch.ai; {EPOCH}",
            formula="2e29 FLOP / the largest run", digits=2,
        ),
        "spread": _spread(setting),
        "cost_growth": Number(
            2.4, "×", "stated", "Cottier et al. 2024 (arXiv:2405.21015)", low=2.0, high=2.9, basis="a year, since 2016"
        ),
    }  # fmt: skip


def compute_trend(since: float = 0.0) -> Trend:
    """Of the training compute of leading models."""
    runs = [run for run in leading() if run.year >= since]
    return estimate([run.year for run in runs], [run.flop for run in runs])


@functools.cache
def _chip_trends() -> dict[str, Trend]:
    places = [place for place in atlas.estimate() if not place.announced and place.peak < 7e15]
    return {
        what: estimate(*zip(*((place.year, value) for place in places if (value := getattr(place, what))), strict=True))
        for what in ("peak", "bandwidth", "memory", "efficiency")
    }


def _growth(trend: Trend, source: str) -> Number:
    return Number(
        trend.growth, "×", "derived", source, formula=FITTED, basis="a year", digits=3, low=trend.low, high=trend.high
    )


def _of_trends() -> dict[str, Number]:
    compute, chips = compute_trend(), _chip_trends()
    catalog = f"catalog of accelerators; {FITTED}"
    return {
        "growth": _growth(compute, EPOCH),
        "growth_2020": _growth(compute_trend(2020), EPOCH),
        "doubling": Number(12 * compute.doubling, "months", "derived", EPOCH, formula="log 2 / log growth", digits=2),
        "leaders": Number(compute.count, "models", "derived", EPOCH),
        "guesses": Number(sum(run.confidence == "speculative" for run in leading()), "models", "stated", EPOCH),
        "peak_growth": _growth(chips["peak"], catalog),
        "efficiency_growth": _growth(chips["efficiency"], catalog),
        "more_chips": Number(
            compute.growth / chips["peak"].growth, "×", "derived", catalog, formula="growth of runs / growth of peaks",
            basis="a year", digits=2,
        ),
        "more_power": Number(
            compute.growth / chips["efficiency"].growth, "×", "derived", catalog,
            formula="growth of runs / growth of FLOP a joule", basis="a year", digits=2,
        ),
    }  # fmt: skip


def _of_deployment(setting: Setting) -> dict[str, Number]:
    found = served(setting)
    if found is None:
        return {}
    cost, capacity = found.cost, _capacity(found)
    values = {
        "rate": Number(found.rate, "1/s", "derived", PREDICTED, basis="requests, all replicas"),
        "capacity": Number(
            capacity, "token/s", "derived", PREDICTED, basis="prompt and answer, each accelerator, at most"
        ),
        "exercise_cost": Number(
            economics.estimate(capacity * ASSUMED_BUSY, ASSUMED_PRICE / HOUR), "USD", "derived", PREDICTED,
            formula="price / (3,600 s × tokens a second × busy share)", basis="a million tokens",
        ),
        "machines": Number(cost.accelerators, _accelerators(cost.accelerators), "derived", PREDICTED,
                           basis="spares included"),
        "answers": Number(found.rate * HOUR, "answers", "derived", PREDICTED, basis="an hour"),
    }  # fmt: skip
    if math.isfinite(cost.usd_per_million):
        mark: Mark = "stated" if cost.payback != 0 else "derived"
        said = next((each for each in found.assumptions if "accelerator-hour" in each), PREDICTED)
        values |= {
            "hour": Number(cost.usd_per_hour / cost.accelerators, "USD", mark, said, basis="an accelerator-hour"),
            "thousand": Number(
                THOUSAND * cost.usd_per_request, "USD", "derived", PREDICTED, basis="a thousand answers",
                formula="accelerators × price of an hour / answers an hour",
            ),
            "reading": Number(
                cost.usd_per_million_input * setting.prompt / MILLION / cost.usd_per_request, "%", "derived", PREDICTED,
                formula="time that prompts take of a busy replica", digits=2,
            ),
            "million": Number(cost.usd_per_million, "USD", "derived", PREDICTED, basis="a million tokens, either kind"),
        }  # fmt: skip
    if math.isfinite(cost.owned_usd_per_hour):
        owned = cost.owned_usd_per_hour / cost.accelerators
        values["owned_hour"] = Number(owned, "USD", "derived", PREDICTED, basis="an accelerator-hour, written off")
        values["payback"] = Number(
            cost.payback / YEAR * 12, "months", "derived", PREDICTED, basis="never idle", digits=2
        )
    if math.isfinite(cost.joules_per_request):
        electricity = facility(found.scenario.place).electricity * cost.joules_per_request
        values |= {
            "energy": Number(
                cost.joules_per_request / HOUR, "Wh", "derived", PREDICTED, basis="an answer, at the meter"
            ),
            "against_google": Number(
                cost.joules_per_request / HOUR / 0.24, "×", "derived", f"{PREDICTED}; {GOOGLE}", digits=2
            ),
            "electricity": Number(
                THOUSAND * electricity, "USD", "derived", PREDICTED, basis="of a thousand answers", digits=2
            ),
        }
        if math.isfinite(cost.usd_per_request):
            values["electricity_share"] = Number(
                electricity / cost.usd_per_request, "%", "derived", PREDICTED, formula="electricity / price", digits=2
            )
    if cost.offers:
        best = cost.offers[0]
        values["market_thousand"] = Number(
            THOUSAND * best.usd_per_request,
            "USD",
            "stated",
            f"{best.provider}, {best.date}",
            basis="a thousand answers",
        )
        if math.isfinite(best.break_even_rate):
            values["even"] = Number(best.break_even_rate, "1/s", "derived", PREDICTED, formula="cost a second / price")
    return values


def _capacity(found: ServingAnswer) -> float:
    """Tokens a second, of prompts and answers together, that an accelerator carries at most."""
    tokens = found.scenario.prompt + found.scenario.output
    return found.most * tokens / (found.replicas * found.accelerators_per_replica)


def _accelerators(count: float) -> str:
    return "accelerator" if count == 1 else "accelerators"


def _of_training(setting: Setting) -> dict[str, Number]:
    plan, found = trained(setting), served(setting)
    if plan is None or plan.run is None or found is None:
        return {}
    cost = float(plan.run.cost)
    year = found.rate * (setting.prompt + setting.output) * YEAR
    source = "Predicted by aistack.training and aistack.serving"
    return {
        "run_cost": Number(cost, "USD", "derived", source, basis="machines for as long as the run takes"),
        "year_tokens": Number(year, "token", "derived", source, basis="a year, prompts and answers"),
        "share": Number(cost / year * MILLION, "USD", "derived", source, formula="run / tokens of a year",
                        basis="a million tokens"),
    }  # fmt: skip


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The trends, and what the setting's tokens cost by load, where that is known."""
    charted, found = _charted(setting), served(setting)
    drawn: dict[str, Callable[[], Figure]] = {
        "training-compute": lambda: training_compute_figure.draw(leading()),
        "rental": lambda: rental_history.draw(prices.series(charted), prices.by_provider(charted), name(charted)),
        "efficiency": lambda: atlas_trend.draw(
            atlas.estimate(first=setting.accelerator), "efficiency", setting.accelerator
        ),
    }
    if found is not None and "cost" in (charts := serving_charts.draw(found)):
        drawn["cost"] = lambda: charts["cost"]
    return drawn


def _charted(setting: Setting) -> str:
    """The accelerator whose prices are drawn: the setting's own, where enough of them are known."""
    known = prices.series(setting.accelerator, pricing="on-demand")
    return setting.accelerator if len(known) >= FEW_OFFERS else accelerators.KIND.load(STANDARD).id


def _spread(setting: Setting) -> Number:
    """The dearest over the cheapest offer on demand of the last year known."""
    charted = _charted(setting)
    known = prices.series(charted, pricing="on-demand")
    year_before = f"{int(known[-1].date[:4]) - 1}{known[-1].date[4:]}"
    asked = [row.usd_per_accelerator_hour for row in known if row.date > year_before]
    return Number(
        max(asked) / min(asked), "×", "derived", f"catalog of prices, {name(charted)}", digits=2,
        basis=f"on demand, the year up to {known[-1].date}",
    )  # fmt: skip


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Offers side by side, what an answer takes from the world, what trends say, and an API's dated prices."""
    found: dict[str, Callable[[], Table]] = {"growth": _growths, "api": _api}
    plan = served(setting)
    if plan is not None and math.isfinite(plan.cost.joules_per_request):
        found["footprint"] = lambda: _footprint(plan)
    if plan is not None and (rows := _offers_of(plan)):
        found["offers"] = lambda: Table("The same answer has many prices", OFFERED, rows)
    return found


def _offers_of(plan: ServingAnswer) -> list[Mapping[str, Cell]]:
    """A row for each way to get the planned answers."""
    cost, tokens = plan.cost, plan.scenario.prompt + plan.scenario.output
    own = {"own machines, rented" if cost.payback != 0 else "own machines, bought": cost.usd_per_request}
    if cost.payback != 0:
        own["own machines, bought"] = cost.owned_usd_per_hour / HOUR / plan.rate
    rows = [_offer(way, "", usd, tokens, PREDICTED) for way, usd in own.items() if math.isfinite(usd)]
    return rows + [_offer(each.provider, each.date, each.usd_per_request, tokens, each.source) for each in cost.offers]


def _offer(who: str, date: str, usd: float, tokens: int, source: str) -> Mapping[str, Cell]:
    mark: Mark = "stated" if date else "derived"
    return {
        "from whom": who,
        "priced": date or "predicted",
        "a thousand answers": Number(THOUSAND * usd, "USD", mark, source),
        "a million tokens": Number(MILLION * usd / tokens, "USD", mark, source, basis="prompt and answer alike"),
    }


def _footprint(plan: ServingAnswer) -> Table:
    cost = plan.cost
    home, car, flush = "U.S. EIA 2021", "U.S. EPA 2011", "U.S. EPA, WaterSense"
    return Table(
        "One answer, beside things that everybody knows",
        f"{PREDICTED}, world-average grid, making the machines included; {GOOGLE}; comparisons: {home}, {car}, {flush}",
        [
            {
                "what": "electricity",
                "an answer here": Number(cost.joules_per_request / HOUR, "Wh", "derived", PREDICTED),
                "Google's median prompt": Number(0.24, "Wh", "stated", GOOGLE),
                "compare": "an American home uses it in",
                "that is": Number(
                    cost.joules_per_request / HOME, "s", "derived", home, formula="energy / 10,715 kWh a year"
                ),
            },
            {
                "what": "carbon",
                "an answer here": Number(THOUSAND * cost.kilograms_per_request, "g", "derived", PREDICTED),
                "Google's median prompt": Number(0.03, "g", "stated", GOOGLE, basis="market-based"),
                "compare": "a litre of petrol is worth",
                "that is": Number(
                    PETROL / cost.kilograms_per_request, "answers", "derived", car, formula="8,887 g a gallon"
                ),
            },
            {
                "what": "water on site",
                "an answer here": Number(cost.litres_per_request, "L", "derived", PREDICTED),
                "Google's median prompt": Number(0.26e-3, "L", "stated", GOOGLE),
                "compare": "a flush of a toilet is worth",
                "that is": Number(FLUSH / cost.litres_per_request, "answers", "derived", flush, formula="1.28 gallons"),
            },
        ],
    )


def _growths() -> Table:
    chips = _chip_trends()
    catalog = "catalog of accelerators"
    rows = {
        "training compute of leading models": (compute_trend(), EPOCH),
        "the same since 2020": (compute_trend(2020), EPOCH),
        "dense 16-bit peak of an accelerator": (chips["peak"], catalog),
        "memory of an accelerator": (chips["memory"], catalog),
        "memory bandwidth of an accelerator": (chips["bandwidth"], catalog),
        "peak FLOP a joule": (chips["efficiency"], catalog),
    }
    return Table(
        "Runs grow faster than everything they are made of",
        f"{EPOCH}; catalog of accelerators. {FITTED}",
        [
            {
                "what": what,
                "growth a year": _growth(trend, source),
                "doubles in": Number(12 * trend.doubling, "months", "derived", source, digits=2),
                "from": trend.count,
            }
            for what, (trend, source) in rows.items()
        ],
    )


def _api() -> Table:
    provider, model = DATED
    rows = [row for row in api_prices.rows() if (row.provider, row.model, row.dated) == (provider, model, "start")]
    first, last = rows[0], rows[-1]
    times = last.usd_per_million_output / first.usd_per_million_output
    return Table(
        f"Within a year a provider's chat model asked {times:.0f} times as much for an answer's tokens",
        "Catalog of token prices; US dollars for a million tokens",
        [
            {
                "from": row.date,
                "prompt": Number(row.usd_per_million_input, "USD", "stated", row.source),
                "answer": Number(row.usd_per_million_output, "USD", "stated", row.source),
                "note": row.note,
            }
            for row in rows
        ],
    )


def demos(setting: Setting) -> Mapping[str, Demo]:
    """How busy the machines are and what an hour costs, against the price of tokens."""
    found = served(setting)
    if found is None:
        return {}
    capacity, tokens = _capacity(found), setting.prompt + setting.output

    def run(busy: str, price: str) -> Shown:
        share = BUSY[busy]
        usd = economics.estimate(capacity * share, PAID[price] / HOUR)
        return Shown(
            {
                "a million tokens": Number(
                    usd, "USD", "derived", PREDICTED, formula="price / (3,600 s × tokens a second × busy share)"
                ),
                "a thousand answers": Number(usd * tokens / THOUSAND, "USD", "derived", PREDICTED),
                "dearer than never idle": Number(1 / share, "×", "derived", PREDICTED, digits=2),
                "an accelerator makes": Number(
                    capacity * share, "token/s", "derived", PREDICTED, basis="prompt and answer, on average"
                ),
            }
        )

    return {
        "busy": Demo(
            "Idle hours cost as much as busy ones",
            (
                Control("busy", "Busy, of what it could carry", tuple(BUSY), "25%"),
                Control("price", "An accelerator-hour", tuple(PAID), "$2"),
            ),
            run,
        )
    }
