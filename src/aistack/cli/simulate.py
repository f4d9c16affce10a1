"""`aistack simulate`: requests one by one through a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aistack.cli.plan_serve import Folder, From, Json
from aistack.cli.scenario_options import described, of
from aistack.cli.serving_options import OPTIONS

if TYPE_CHECKING:
    from aistack.scenario.serving_play import Played


@described(options=OPTIONS)
def simulate(
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Requests of a public trace (azure-2023-conversation, azure-2023-code, mooncake-conversation) or of a "
            "CSV or JSONL file; --rate changes their speed. Without: made up as the scenario says.",
        ),
    ] = None,
    requests: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="How many requests; of a trace, the first.")
    ] = None,
    routing: Annotated[
        Literal["round-robin", "least-loaded"], typer.Option(help="Which replica a request goes to.")
    ] = "round-robin",
    prefix_cache: Annotated[
        bool | None,
        typer.Option(help="Whether engines keep what a trace's prompts share; by default where it says what that is."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
    from_: From = None,
    as_json: Json = False,
    out: Folder = None,
    **given: str | None,
) -> None:
    """Play requests through a deployment and print what they saw: every percentile, queues, the cache over time."""
    from aistack.cli import plan_text, simulate_text
    from aistack.errors import BadInput
    from aistack.scenario import ServingScenario, serving_play

    recorded = None
    if trace is not None:
        if given.get("concurrency") is not None:
            raise BadInput("A trace says when requests arrive; --concurrency does as well. Give one of them.")
        recorded = serving_play.recorded(trace, requests, prefix_cache)
        if from_ is None:
            given = {
                **serving_play.lengths(recorded),
                **{name: each for name, each in given.items() if each is not None},
            }
    elif prefix_cache:
        raise BadInput("--prefix-cache keeps what a trace's prompts share; add --trace, or say --cached SHARE.")
    played = serving_play.play(of(ServingScenario, from_, given), recorded, requests, routing=routing, seed=seed)
    if as_json:
        typer.echo(json.dumps(serving_play.to_json(played), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        simulate_text.show(played, plan_text.console())
    if out is not None:
        _write(played, out)


def _write(played: Played, folder: Path) -> None:
    from aistack.cli import plan_report
    from aistack.errors import BadInput
    from aistack.files import write_json
    from aistack.scenario import serving_play

    try:
        write_json(folder / "answer.json", serving_play.to_json(played))
        charts = plan_report.write_all(serving_play.draw(played), played.subject, str(played.deployment), folder)
    except OSError as error:
        raise BadInput(f"Cannot write to {folder}: {error.strerror or error}.") from None
    written: list[Any] = [folder / "answer.json", *charts]
    typer.echo(f"Written to {folder}: {', '.join(path.name for path in written)}", err=True)
