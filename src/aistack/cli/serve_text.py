"""A serving plan's answer in the terminal: 80 columns wide, plain when piped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console

from aistack import catalog
from aistack.cli.plan_text import amount, bar, cells, layer_of, listed, pairs, table, wrapped
from aistack.scenario import PoolsAnswer, ServingAnswer, Share
from aistack.scenario.serving_answer import Goal, Latency
from aistack.units import span, text

_NARROW = 14
"""Cells of a whole bar beside long names and a layer."""
WORDS = {"ttft": "to first token", "tpot": "per output token", "latency": "whole answer", "rate": "requests"}
"""What goals are called."""


def show(answer: ServingAnswer, out: Console) -> None:
    """Print an answer: headline, goals, where the two times go, memory, operation, cost, what limits it, sources."""
    _headline(answer, out)
    goals(answer, out)
    waterfall("where the time to first token goes", answer.ttft_waterfall, answer.ttft.mean, out)
    waterfall("where a token's time goes", answer.tpot_waterfall, answer.tpot.mean, out)
    _memory(answer, out)
    _operation(answer, out)
    costs(answer, out)
    offers(answer, out)
    elasticity(answer, out)
    listed("Assumed", dict.fromkeys(answer.assumptions), out)
    listed("Fitted or measured elsewhere", answer.sources, out)


def subject(answer: ServingAnswer) -> str:
    """What is served on what, in a few words."""
    chip = catalog.accelerator(answer.cluster.chip).name
    count = answer.replicas * answer.accelerators_per_replica
    return f"{answer.scenario.spec.name} on {count:,} x {chip}"


def goal_text(goal: Goal, value: float) -> str:
    """A value of a goal with its unit."""
    return amount(value, "1/s" if goal.name == "rate" else "s")


def _headline(answer: ServingAnswer, out: Console) -> None:
    asked = answer.scenario
    wrapped(subject(answer), out, style="bold")
    copies = "1 replica" if answer.replicas == 1 else f"{answer.replicas:,} replicas"
    wrapped(f"{copies} of {answer.deployment}", out)
    shared = f", {asked.cached:.0%} of them cached" if asked.cached else ""
    wrapped(f"prompts of {asked.prompt:,} tokens{shared}, answers of {asked.output:,}; {load(answer)}", out)
    through = answer.throughput_interval
    pairs(
        [
            ("first token", latency(answer, answer.ttft)),
            ("each token", f"{latency(answer, answer.tpot)}; {text(1 / answer.tpot.mean, 'token/s')} for a user"
                           if answer.tpot.mean else "an answer has one token"),
            ("answer", latency(answer, answer.latency)),
            ("throughput", f"{text(answer.tokens_per_second, 'token/s')} out "
                           f"({span(through.low, through.high, 'token/s')} when full), "
                           f"{text(answer.tokens_per_second_per_accelerator, 'token/s')} an accelerator, "
                           f"{text(answer.prompt_tokens_per_second, 'token/s')} in"),
            ("replicas", _replicas(answer)),
            ("busy", f"{answer.utilisation:.0%} of the time, {answer.batch:.1f} requests side by side in a replica, "
                     f"{answer.kv_occupancy:.0%} of the cache"),
            ("limited by", answer.bound),
        ],
        out,
    )  # fmt: skip
    wrapped("intervals: eight of ten such predictions measured within them", out, style="dim")


def load(answer: ServingAnswer | PoolsAnswer) -> str:
    """The load in words."""
    asked = answer.scenario
    if asked.concurrency is not None:
        return f"{asked.concurrency:,} clients, {text(answer.rate, 'request/s')}"
    if asked.rate is not None:
        served = f", {text(answer.rate, 'request/s')} served" if answer.rate < 0.999 * asked.rate else ""
        return f"{text(asked.rate, 'request/s')}{served}"
    return f"at most {text(answer.rate, 'request/s')}{' within the goals' if asked.goals else ''}"


def latency(answer: ServingAnswer | PoolsAnswer, seen: Latency) -> str:
    """A time with its interval and its value at the percentile."""
    between = span(seen.interval.low, seen.interval.high, "s")
    return f"{text(seen.mean, 's')} ({between}), p{answer.scenario.percentile:g} {amount(seen.high, 's')}"


def _replicas(answer: ServingAnswer) -> str:
    each = answer.accelerators_per_replica
    room = f"room for {answer.available:,} of {each:,} accelerators each"
    if not answer.needed:
        return f"no number of them meets the goals; {room}"
    spares = f" and {answer.standing.spares:,} spare" if answer.standing.spares else ""
    left = f", {answer.headroom:.0%} of what they carry left" if answer.headroom >= 0 < answer.most else ""
    return f"{answer.needed:,} needed{spares}, {room}{left}"


def goals(answer: ServingAnswer | PoolsAnswer, out: Console) -> None:
    """Goals with what is reached."""
    if not answer.goals:
        return
    rows = table(("goals", "left"), ("asked", "right"), ("reached", "right"), ("at best", "right"), ("", "left"))
    for goal in answer.goals:
        at = "" if goal.name == "rate" else f", p{answer.scenario.percentile:g}"
        rows.add_row(
            f"{WORDS[goal.name]}{at}",
            goal_text(goal, goal.asked),
            goal_text(goal, goal.reached) if math.isfinite(goal.reached) else "no end",
            goal_text(goal, goal.nearest),
            "met" if goal.met else "missed",
        )
    out.print()
    out.print(rows)


def waterfall(heading: str, shares: Sequence[Share], whole: float, out: Console) -> None:
    """Where a time goes."""
    if not whole > 0:
        return
    rows = table((heading, "left"), ("layer", "left"), ("time", "right"), ("share", "right"), ("", "left"))
    for share in shares:
        if abs(share.seconds) > 5e-4 * whole:
            name = share.name.replace("the datasheet's rates", "peak")
            rows.add_row(name, layer_of(share.layer), *cells(share.seconds, whole, "s", _NARROW))
    rows.add_row("in all", "", text(whole, "s"), "", "", style="bold")
    out.print()
    out.print(rows)


def _memory(answer: ServingAnswer, out: Console) -> None:
    rows = table(("memory of an accelerator", "left"), ("size", "right"), ("share", "right"), ("", "left"))
    for part in answer.memory:
        if part.bytes > 0:
            rows.add_row(part.name, *cells(part.bytes, answer.capacity, "B"))
    rows.add_row("there is", text(answer.capacity, "B"), "", "", style="bold")
    out.print()
    out.print(rows)
    wrapped(f"a replica's cache holds {text(answer.kv_capacity, 'token', 2)}, "
            f"{answer.kv_capacity / answer.scenario.context:,.0f} requests at their end", out)  # fmt: skip


def _operation(answer: ServingAnswer, out: Console) -> None:
    standing, day = answer.standing, answer.day
    lines = [
        ("up", f"{standing.availability:.4%} of the time with enough replicas, {standing.spares:,} of them spare; "
               f"{standing.failures_per_year:.2g} failures a year"),
    ]  # fmt: skip
    if answer.scenario.peak_to_mean > 1:
        lines.append(
            ("a day", f"{min(day.replicas):,} to {max(day.replicas):,} replicas by the hour, {day.mean_replicas:.1f} "
                      f"on average: {day.saved:.0%} fewer replica-hours than keeping the most")
        )  # fmt: skip
    out.print()
    out.print("in operation", style="dim")
    pairs(lines, out)


def costs(answer: ServingAnswer | PoolsAnswer, out: Console) -> None:
    """What it costs."""
    cost = answer.cost
    kept = f"{cost.accelerators:,.1f}".removesuffix(".0") + (
        " accelerator" if cost.accelerators == 1 else " accelerators"
    )
    lines = [
        ("tokens", f"{amount(cost.usd_per_million_input, 'USD')} a million in, "
                   f"{amount(cost.usd_per_million_output, 'USD')} a million out, "
                   f"{amount(cost.usd_per_million, 'USD')} of either"),
        ("a request", f"{_small(cost.usd_per_request)}, {amount(cost.joules_per_request, 'J')} at the meter, "
                      f"{amount(cost.kilograms_per_request, 'kg')} CO2e, {amount(cost.litres_per_request, 'L')} water"),
        ("an hour", f"{amount(cost.usd_per_hour, 'USD')} for {kept}; "
                    f"owned {amount(cost.owned_usd_per_hour, 'USD')}{_payback(cost.payback)}"),
    ]  # fmt: skip
    out.print()
    out.print("cost, spares included", style="dim")
    pairs(lines, out)


def _small(dollars: float) -> str:
    return f"${dollars:.2g}" if math.isfinite(dollars) else "price unknown"


def _payback(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    return f", which pays off after {text(seconds, 's')}" if math.isfinite(seconds) else ", which never pays off"


def offers(answer: ServingAnswer | PoolsAnswer, out: Console) -> None:
    """What the market takes."""
    if not answer.cost.offers:
        return
    rows = table(("the market's prices", "left"), ("of", "left"), ("a million in", "right"), ("out", "right"),
                 ("own is cheaper from", "right"))  # fmt: skip
    for offer in answer.cost.offers[:5]:
        even = offer.break_even_rate
        rows.add_row(
            offer.provider[:30], offer.date, text(offer.usd_per_million_input, "USD"),
            text(offer.usd_per_million_output, "USD"), text(even, "1/s") if math.isfinite(even) else "never",
        )  # fmt: skip
    out.print()
    out.print(rows)


def elasticity(answer: ServingAnswer | PoolsAnswer, out: Console) -> None:
    """What one percent more of each resource is worth."""
    first, token, through = (answer.elasticity[name] for name in ("ttft", "tpot", "throughput"))
    rows = table(
        ("one percent more of", "left"), ("first token", "right"), ("a token", "right"), ("throughput", "right"),
        ("", "left"),
    )  # fmt: skip
    for name in sorted(through, key=lambda each: -max(first[each], token[each], through[each])):
        gains = [each[name] for each in (first, token, through)]
        rows.add_row(name, *(f"{percent:.2f}%" for percent in gains), bar(max(*gains, 0.0) / 2, _NARROW))
    out.print()
    out.print(rows)
