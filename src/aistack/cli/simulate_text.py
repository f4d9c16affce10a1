"""What simulated requests saw, in the terminal: 80 columns wide, plain when piped."""

from __future__ import annotations

import math
from dataclasses import astuple

from rich.console import Console

from aistack.cli.plan_text import amount, pairs, table, wrapped
from aistack.scenario.serving_play import QUANTITIES, Played
from aistack.serving.requests import Ints
from aistack.units import text

NAMES = {
    "ttft": "time to first token",
    "tpot": "time per output token",
    "latency": "whole answer",
    "queueing": "of it waiting",
}


def show(played: Played, out: Console) -> None:
    """Print the headline, every percentile, goals, and how busy the replicas were."""
    wrapped(played.subject, out, style="bold")
    if played.reader is not None:
        wrapped(f"{_copies(played.readers)} of {played.reader} read prompts, their keys and values go to", out)
    wrapped(f"{_copies(played.replicas)} of {played.deployment}", out)
    run = played.simulated
    pairs(
        [
            ("requests", f"{len(run):,} {played.load}, over {text(run.seconds, 's')}"),
            ("lengths", f"prompts of {_lengths(run.prompt, 'tokens')}, answers of {_lengths(run.output)}"),
            ("throughput", f"{text(run.throughput, 'token/s')} out, "
                           f"{text(run.throughput / played.accelerators, 'token/s')} an accelerator"),
        ],
        out,
    )  # fmt: skip
    rows = table(("what requests saw", "left"), *((name, "right") for name in ("mean", "p50", "p90", "p95", "p99",
                                                                               "most")))  # fmt: skip
    rows.columns[0].min_width = 22
    for name in QUANTITIES:
        # answers of one token have no time between tokens
        if math.isfinite(played.seen[name].mean):
            rows.add_row(NAMES[name], *(amount(value, "s") for value in astuple(played.seen[name])))
    out.print()
    out.print(rows)
    busy = run.occupancy
    lines = [
        ("busy", f"{_mean(each.utilisation for each in busy):.0%} of the time, "
                 f"{sum(each.mean_batch for each in busy) / played.replicas:.1f} requests side by side in a replica"),
        ("cache", f"{_share(_mean(each.mean_kv for each in busy))} full on average, "
                  f"{_share(max(each.most_kv for each in busy))} at most; {int(run.preemptions.sum()):,} preemptions"),
    ]  # fmt: skip
    if run.cached.any():
        lines.append(("found", f"{run.hit_ratio:.1%} of the prompts' tokens were in the cache"))
    if played.within is not None:
        asked = ", ".join(f"{name} {text(goal, 's')}" for name, goal in played.scenario.goals.items())
        share = played.scenario.percentile
        verdict = "met" if played.within >= share / 100 else "missed"
        lines.append(("goals", f"{played.within:.2%} of the requests met all of {asked}; {share:g}% should: {verdict}"))
    out.print()
    pairs(lines, out)
    if played.hits:
        _show_hits(played, out)
    wrapped(f"{text(len(run), 'request')} simulated in {text(played.wall, 's')}, "
            f"{text(len(run) / played.wall, '1/s')}", out, style="dim")  # fmt: skip


def _copies(count: int) -> str:
    return "1 replica" if count == 1 else f"{count:,} replicas"


def _show_hits(played: Played, out: Console) -> None:
    """What one cache of several sizes would find, beside what the replicas' own found."""
    rows = table(("one cache for all requests, of", "left"), ("finds", "right"), ("closed form", "right"))
    for each in played.hits:
        size = "no limit" if math.isinf(each.tokens) else f"{text(each.tokens, 'token')}"
        rows.add_row(size, f"{each.exact:.1%}", f"{each.closed:.1%}")
    out.print()
    out.print(rows)


def _lengths(counts: Ints, unit: str = "") -> str:
    """The mean and the most of some counts, or the one that all are."""
    mean, most = float(counts.mean()), int(counts.max())
    words = f"{mean:,.0f} {unit}".strip()
    return words if mean == most else f"{words} on average and {most:,} at most"


def _share(value: float) -> str:
    return "less than 1%" if 0 < value < 0.005 else f"{value:.0%}"


def _mean(values: object) -> float:
    listed = list(values)  # type: ignore[call-overload]
    return math.fsum(listed) / len(listed)
