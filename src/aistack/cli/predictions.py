"""`aistack predictions`: what the book says will happen, and how good it was at that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aistack.book.predictions import Prediction


def predictions(
    layer: Annotated[str | None, typer.Option(metavar="LAYER", help="Only those of one part: hardware, ...")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that no day has settled yet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List the book's predictions by the day that settles them, and score those that are settled (Brier, log)."""
    from dataclasses import asdict

    from aistack.book import predictions as all_predictions
    from aistack.drawing import LAYERS
    from aistack.errors import UnknownName

    if layer is not None and layer not in LAYERS:
        raise UnknownName("part", layer, LAYERS)
    chosen = {
        key: each
        for key, each in sorted(all_predictions.predictions().items(), key=lambda item: (item[1].resolves, item[0]))
        if layer in (None, each.layer) and not (open_only and each.outcome)
    }
    scores = all_predictions.score(chosen.values())
    if as_json:
        import json

        listed = [{"key": key, **each.model_dump(mode="json")} for key, each in chosen.items()]
        typer.echo(json.dumps({"predictions": listed, "scores": asdict(scores) if scores else None}, indent=1))
        return
    _print(chosen)
    if scores:
        typer.echo(
            f"\n{scores.resolved} settled, {scores.happened} of them happened. Brier score {scores.brier:.3f} (always "
            f"saying one half: 0.25), log score {scores.logarithmic:.3f} (one half: 0.693); less is better."
        )
    else:
        typer.echo(f"\n{len(chosen)} predictions, none settled yet, so there is nothing to score.")


def _print(chosen: dict[str, Prediction]) -> None:
    from rich.console import Console
    from rich.table import Table

    table: Any = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for head, justify in (("settled on", "left"), ("chance", "right"), ("prediction", "left"), ("outcome", "left")):
        table.add_column(head, justify=justify, overflow="fold")
    for each in chosen.values():
        outcome = ("happened" if each.outcome.happened else "did not") if each.outcome else "open"
        table.add_row(str(each.resolves), f"{each.probability:.0%}", each.statement, outcome)
    Console(highlight=False, markup=False).print(table)
