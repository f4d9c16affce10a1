"""What a search over deployments found, in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from aistack.cli.plan_text import amount, wrapped
from aistack.scenario import ServingAnswer
from aistack.scenario.serving_search import Divided, Option, ServingFound
from aistack.serving.deployment import Deployment
from aistack.units import text

FRONTIER = 10
"""Points of a frontier that are printed, evenly over its length."""


def show(found: ServingFound, out: Console) -> None:
    """Print the best deployments, pools where they are better, both frontiers, and how fast it went."""
    first = found.plans[0]
    asked = first.scenario
    wrapped(f"{asked.spec.name}: prompts of {asked.prompt:,} tokens, answers of {asked.output:,}", out, style="bold")
    rate = found.considered / found.seconds
    wrapped(
        f"{found.considered:,} deployments judged in {text(found.seconds, 's')} ({text(rate, '1/s')}), "
        f"{found.fit:,} fit",
        out,
    )
    _best(found.plans, out)
    if found.divided is not None:
        out.print()
        wrapped(_pools(found.divided), out)
        wrapped(halves(found.divided), out, indent=2)
    _frontier("tokens a second of each chip against one user's", found.frontier, out)
    if len({option.accelerator for option in found.frontier_per_dollar + found.frontier}) > 1:
        _frontier("tokens for a dollar against one user's tokens a second", found.frontier_per_dollar, out)
    out.print()
    out.print("the best in full", style="dim")
    wrapped(command(first), out, indent=2)


def command(answer: ServingAnswer) -> str:
    """The command line that answers a plan in full."""
    given = answer.scenario.model_dump(exclude_defaults=True)
    words = [f"--{name.replace('_', '-')} {value:g}" if isinstance(value, float)
             else f"--{name.replace('_', '-')} {value}" for name, value in given.items()]  # fmt: skip
    return " ".join(["aistack plan serve", *words])


def _best(plans: Sequence[ServingAnswer], out: Console) -> None:
    rows = _table("chips", "req/s", "first token", "a token", "$/M", "replicas")
    for each in plans:
        rows.add_row(
            f"{each.replicas * each.accelerators_per_replica:,}x{each.cluster.chip}",
            text(each.rate, "1"),
            amount(each.ttft.high, "s"),
            amount(each.tpot.high, "s"),
            f"{each.cost.usd_per_million:.3g}" if math.isfinite(each.cost.usd_per_million) else "unknown",
            f"{each.replicas:,} x {_short(each.deployment)}",
        )
    out.print()
    out.print(f"the best, times at p{plans[0].scenario.percentile:g}", style="dim")
    out.print(rows)


def _short(deployment: Deployment) -> str:
    """A deployment in few words."""
    sizes, precision, *_ = str(deployment).split(", ")
    return f"{sizes}, {precision}, batch {deployment.max_batch:,}"


def _pools(divided: Divided) -> str:
    return (
        f"Prompts and answers apart need fewer: {divided.prefill_replicas:,} x {divided.prefill} for prompts and "
        f"{divided.decode_replicas:,} x {divided.decode} for answers, {divided.accelerators:,} accelerators in all. "
        f"They carry {text(divided.rate, 'request/s')}: first token {text(divided.ttft, 's')}, each token "
        f"{text(divided.tpot, 's')}. In full with"
    )


def halves(divided: Divided) -> str:
    """The options that ask for pools."""
    both = ("prefill", divided.prefill, divided.prefill_replicas), ("decode", divided.decode, divided.decode_replicas)
    return " ".join(f'--{name} "{pool(one, count)}"' for name, one, count in both)


def pool(one: Deployment, replicas: int) -> str:
    """A pool as a scenario has it."""
    sizes = {"tp": one.tensor_parallel, "pp": one.pipeline_parallel, "dp": one.data_parallel, "ep": one.expert_parallel}
    words = [f"{name}={size}" for name, size in sizes.items() if size > 1 or name == "tp"]
    return " ".join([*words, f"replicas={replicas}", f"max_batch={one.max_batch}", f"chunk={one.chunk}"])


def _frontier(heading: str, options: Sequence[Option], out: Console) -> None:
    rows = _table("a user's", "a chip's", "$/M out", "first token", "at once", "deployment")
    for each in _spread(options):
        rows.add_row(
            f"{each.interactivity:.1f}",
            text(each.tokens_per_second_per_accelerator, "1"),
            f"{1e6 / each.tokens_per_dollar:.3g}" if each.tokens_per_dollar > 0 else "unknown",
            text(each.ttft, "s"),
            f"{each.clients:,.0f}",
            f"{_short(each.deployment)}, {each.accelerator}",
        )
    out.print()
    out.print(f"{heading}: {len(options)} points that nothing beats in both", style="dim")
    out.print(rows)


def _spread(options: Sequence[Option]) -> list[Option]:
    """At most `FRONTIER` of them, evenly from one end to the other."""
    count = len(options)
    places = range(count) if count <= FRONTIER else [round(at * (count - 1) / (FRONTIER - 1)) for at in range(FRONTIER)]
    return [options[place] for place in places]


def _table(*headings: str) -> Table:
    """An empty table of numbers, and words last, which go on in a next line where they are long."""
    empty = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in headings[:-1]:
        empty.add_column(heading, justify="right", header_style="dim", no_wrap=True)
    empty.add_column(headings[-1], header_style="dim", overflow="fold")
    return empty
