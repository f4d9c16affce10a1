"""Reports of `aistack evidence` as text of 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aistack.evidence.serving_report import Quantity
    from aistack.evidence.serving_report import Report as ServingReport
    from aistack.evidence.serving_statistics import Weighed
    from aistack.evidence.statistics import Errors, Failure
    from aistack.evidence.training import Report as TrainingReport


def training(report: TrainingReport, title: str) -> None:
    """Published training against predictions."""
    refused = len(report.rows) - report.predicted
    print_wrapped(f"{title}: {len(report.rows):,} rows read, {report.predicted:,} predicted, {refused:,} refused")
    print_wrapped(
        "Errors are |predicted / published - 1| of step times; re-measurements of one configuration count once."
    )
    typer.echo()
    print_errors("", [each for each in (report.headline, report.left_out, report.fitted) if each])
    if report.noise is not None:
        typer.echo(f"Re-measurements of one configuration lie {report.noise:.1%} from their median.")
    if (ordering := report.ordering) is not None and ordering.share is not None:
        print_wrapped(
            f"Plans for one job: {ordering.share:.0%} of {ordering.pairs:,} pairs in {ordering.jobs:,} jobs ordered "
            f"rightly, {ordering.ties:,} ties left out. The plan picked takes {ordering.regret_mean:.1%} longer than "
            f"the best measured (median {ordering.regret_median:.1%}, worst {ordering.regret_worst:.1%})."
        )
    typer.echo()
    print_errors("source, left out of the fit", report.by_source)
    print_errors("accelerator", report.by_accelerator)
    print_errors("model family", report.by_family)
    if report.worst:
        typer.echo("The worst, with the likely cause:")
    for each in report.worst:
        print_wrapped(
            f"{each.id}: {each.model} on {each.accelerator}, published {each.published:.4g} s, "
            f"predicted {each.predicted:.4g} s",
            "  ",
        )
        print_wrapped(each.plan, "    ")
        print_wrapped(each.cause, "    ")
    print_reasons("refused", Counter(row.refused for row in report.rows if row.refused))


_NAMES = {
    "throughput": ("Output throughput", "tokens/s"),
    "ttft": ("Time to first token", "s"),
    "tpot": ("Time per output token", "s"),
}


def serving(report: ServingReport, title: str) -> None:
    """Published serving against predictions."""
    refused = len(report.rows) - report.predicted
    print_wrapped(f"{title}: {len(report.rows):,} rows read, {report.predicted:,} predicted, {refused:,} refused")
    print_wrapped(
        "Errors are |predicted / published - 1|; re-measurements of one configuration count once. "
        f"{report.trusted:,} rows are trusted: tier A or B, complete, no speculation. All sources count alike: median, "
        "mean, 90% and inside are means over sources of each source's own figure; pooled is the median of all groups "
        "together."
    )
    typer.echo()
    for quantity in report.quantities:
        _quantity(quantity)
    print_reasons("refused", Counter(row.refused for row in report.rows if row.refused))


def _quantity(quantity: Quantity) -> None:
    name, unit = _NAMES[quantity.metric]
    four = (quantity.headline, quantity.headline_accelerators, quantity.left_out, quantity.fitted)
    _print_weighed(name, [each for each in four if each])
    if quantity.headline is not None and quantity.headline.sources > 1:
        print_wrapped(
            f"The worst source is {quantity.headline.worst_source}, {share(quantity.headline.worst_median)} off in the "
            "median."
        )
    if quantity.noise is not None:
        print_wrapped(f"Re-measurements of one configuration lie {share(quantity.noise)} from their median.")
    typer.echo()
    print_errors("source, left out", quantity.by_source)
    print_errors("accelerator, left out", quantity.by_accelerator)
    print_errors("engine", quantity.by_engine)
    print_errors("model family", quantity.by_family)
    print_errors("scenario", quantity.by_scenario)
    if quantity.others_by_source:
        print_errors("rows that are not trusted", quantity.others_by_source)
    if quantity.worst:
        typer.echo("The worst, with the likely cause:")
    for each in quantity.worst:
        _print_failure(each, unit)
    typer.echo()


def _print_weighed(heading: str, lines: Sequence[Weighed]) -> None:
    cells = [
        (
            each.of,
            f"{each.sources:,}",
            f"{each.pooled.groups:,}",
            share(each.median),
            share(each.mean),
            share(each.percentile_90),
            f"{each.inside:.0%}",
            share(each.pooled.median),
        )
        for each in lines
    ]
    print_table([heading, ">of", ">groups", ">median", ">mean", ">90%", ">inside", ">pooled"], cells)


def _print_failure(failure: Failure, unit: str) -> None:
    print_wrapped(
        f"{failure.id}: {failure.model} on {failure.accelerator}, published {failure.published:.4g} {unit}, "
        f"predicted {failure.predicted:.4g} {unit}",
        "  ",
    )
    print_wrapped(failure.plan, "    ")
    print_wrapped(failure.cause, "    ")


def print_errors(heading: str, lines: Sequence[Errors]) -> None:
    """A table of errors, a line for each of what `heading` names."""
    cells = [
        (
            each.of,
            f"{each.rows:,}",
            f"{each.groups:,}",
            share(each.median),
            share(each.mean),
            share(each.percentile_90),
            f"{each.ratio:.2f}",
            f"{each.inside:.0%}",
        )
        for each in lines
    ]
    print_table([heading, ">rows", ">groups", ">median", ">mean", ">90%", ">ratio", ">inside"], cells)


def print_reasons(what: str, reasons: Mapping[str, int]) -> None:
    """How many were `what`, and why, most first."""
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        print_wrapped(f"{count:,} {what}: {reason}")


def print_wrapped(text: str, indent: str = "") -> None:
    """A paragraph."""
    further = indent + "  " if indent else ""
    typer.echo(
        textwrap.fill(
            text, 80, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False, break_long_words=False
        )
    )


def print_table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table; heads that begin with ">" are of columns aligned to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    for head in heads:
        right = head.startswith(">")
        table.add_column(head.lstrip(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for line in lines:
        table.add_row(*line)
    plain = Console()
    out = plain if plain.is_terminal else Console(width=80, no_color=True)
    out.print(table, markup=False, highlight=False)
    out.print()


def share(value: float) -> str:
    """A fraction in percent."""
    return f"{value:.1%}"


def sign(value: float) -> str:
    """A fraction in percent, with its sign."""
    return f"{value:+.1%}"
