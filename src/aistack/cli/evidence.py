"""`aistack evidence`: predictions held to published measurements."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from aistack.cli import evidence_text

app = typer.Typer(help="How far predictions lie from published measurements.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Rows = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="Rows of your own, under the same columns as ours; none: ours.")
]


@app.command()
def training(
    rows: Rows = None,
    as_json: Json = False,
) -> None:
    """Published training throughput: step times of 1,337 configurations from 34 sources, or of a file."""
    from aistack.evidence import predictor, training_rows
    from aistack.evidence import training as evidence

    read = training_rows.shipped() if rows is None else training_rows.read(rows)
    report = evidence.evaluate(read, predictor.shipped())
    if as_json:
        _print_json(report.json())
        return
    evidence_text.training(report, str(rows) if rows else "Published training throughput")


@app.command()
def serving(
    rows: Rows = None,
    as_json: Json = False,
) -> None:
    """Published serving throughput, TTFT and TPOT: 8,996 rows from 24 sources, or of a file."""
    from aistack.evidence import serving as evidence
    from aistack.evidence import serving_predictor, serving_rows

    read = serving_rows.shipped() if rows is None else serving_rows.read(rows)
    report = evidence.evaluate(read, serving_predictor.shipped())
    if as_json:
        _print_json(report.json())
        return
    evidence_text.serving(report, str(rows) if rows else "Published serving")


@app.command()
def kernels(as_json: Json = False) -> None:
    """Measured kernels: matrix products and attention, by shape, format and accelerator."""
    from aistack.evidence import kernels as evidence

    report = evidence.evaluate()
    if as_json:
        _print_json(report)
        return
    for heading, lines in (
        ("class", report.classes),
        ("operation", report.ops),
        ("accelerator", report.accelerators),
        ("format", report.dtypes),
        ("source", report.sources),
    ):
        cells = [
            (
                line.of,
                f"{line.rows:,}",
                evidence_text.share(line.median),
                evidence_text.share(line.mean),
                evidence_text.share(line.ninetieth),
                evidence_text.sign(line.bias),
            )
            for line in lines
        ]
        evidence_text.print_table([heading, ">rows", ">median", ">mean", ">90%", ">bias"], cells)
    evidence_text.print_reasons("not predicted", report.skipped)


@app.command()
def collectives(as_json: Json = False) -> None:
    """Measured collectives and messages between accelerators."""
    from aistack.evidence import collectives as evidence

    found = evidence.evaluate()
    kinds: Mapping[str, Callable[[evidence.Prediction], str]] = {
        "operation": lambda each: each.question.operation,
        "accelerator": lambda each: each.question.row.accelerator or each.question.row.label,
        "source": lambda each: each.question.row.source.group,
    }
    if as_json:
        errors = {kind: found.errors(by) for kind, by in kinds.items()}
        _print_json({"predicted": len(found.predictions), "left_out": found.left_out, "errors": errors})
        return
    for kind, by in kinds.items():
        cells = [
            (
                name,
                f"{of.count:,}",
                evidence_text.share(of.median),
                evidence_text.share(of.ninth_decile),
                f"{of.bias:.2f}",
            )
            for name, of in found.errors(by).items()
        ]
        evidence_text.print_table([kind, ">messages", ">median", ">90%", ">ratio"], cells)
    typer.echo("Messages of 1 MB and more; ratio is predicted over measured time, the median.")
    evidence_text.print_reasons("not predicted", found.left_out)


@app.command()
def reliability(as_json: Json = False) -> None:
    """Failures and goodput of published fleets; each fleet is left out of the fit that predicts it."""
    from aistack.evidence import reliability as evidence

    report = evidence.evaluate()
    if as_json:
        _print_json(
            {
                "median_factor_left_out": report.median_factor,
                "coverage_left_out": report.coverage,
                "failures": report.failures,
                "goodput": report.goodput,
                "refused": report.refused,
            }
        )
        return
    evidence_text.print_table(
        ["fleet: time between interruptions", ">published", ">predicted", ">80% interval", ">"],
        [
            (
                each.row.fleet,
                f"{each.published / 3600:.3g} h",
                f"{each.predicted / 3600:.3g} h",
                f"{each.low / 3600:.3g} to {each.high / 3600:.3g}",
                "left out" if each.left_out else "",
            )
            for each in report.failures
        ],
    )
    evidence_text.print_table(
        ["fleet: goodput", ">published", ">predicted", ">80% interval"],
        [
            (
                each.row.fleet,
                f"{each.row.bound} {each.row.value:.1%}".strip(),
                f"{each.predicted:.1%}",
                f"{each.low:.1%} to {each.high:.1%}",
            )
            for each in report.goodput
        ],
    )
    evidence_text.print_wrapped(
        f"Left-out fleets are missed by a factor of {report.median_factor:.2f} in the median; "
        f"{report.coverage:.0%} lie inside the interval."
    )
    evidence_text.print_reasons("not predicted", Counter(reason for _, reason in report.refused))


@app.command()
def runs(as_json: Json = False) -> None:
    """Whole training runs: accelerator-hours, energy and carbon of published models."""
    from aistack.evidence import runs as evidence

    report = evidence.evaluate()
    if as_json:
        _print_json(report)
        return
    cells = [
        (
            each.run.model,
            each.quantity,
            f"{each.published:,.3g} {each.unit}",
            f"{each.predicted:,.3g}",
            f"{each.ratio:.2f}",
            "" if each.independent else "derived",
        )
        for each in report.checks
    ]
    evidence_text.print_table(["model", "of", ">published", ">predicted", ">ratio", ""], cells)
    for quantity in dict.fromkeys(each.quantity for each in report.checks if each.independent):
        typer.echo(f"{quantity}: {report.median_error(quantity):.0%} off in the median of what was observed")
    evidence_text.print_reasons("not checked", Counter(reason for _, reason in report.refused))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    """What JSON knows, of dataclasses and read-only mappings."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
