"""`aistack plan serve`: what it takes to serve a model to real users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aistack.cli.scenario_options import described, of
from aistack.cli.serving_options import OPTIONS

if TYPE_CHECKING:
    from aistack.scenario import PoolsAnswer, ServingAnswer, ServingScenario
    from aistack.scenario.serving_search import ServingFound

From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE.yaml", help="Read the scenario from a file; options take the file's place."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="One user of llama.cpp with 4-bit weights, unless said otherwise; without --on, a table of laptops, "
        "consumer cards and Apple chips.",
    ),
]
Folder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write answer.json and the charts (SVG, HTML) there.")
]


@described(options=OPTIONS)
def serve(
    from_: From = None,
    search: Annotated[
        bool, typer.Option("--search", help="Look at every deployment and print the best and the frontier.")
    ] = False,
    also: Annotated[
        list[str] | None, typer.Option(metavar="NxCHIP", help="With --search: other accelerators to look at as well.")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With --search: other formats of weights to look at.")
    ] = None,
    local: Local = False,
    as_json: Json = False,
    out: Folder = None,
    launch: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            help="Write files to --out that serve the plan: vllm, sglang, tensorrt-llm, compose, kubernetes.",
        ),
    ] = None,
    **given: str | None,
) -> None:
    """Plan how to serve a model: latency, throughput, replicas for goals, memory, cost, and what limits it."""
    from aistack import scenario as stack
    from aistack.errors import BadInput
    from aistack.scenario import serving_local

    if launch is not None and out is None:
        raise BadInput("--launch writes files: say where with --out FOLDER.")
    if (also or formats) and not search:
        raise BadInput("--also and --formats say what a search looks at; add --search.")
    if local:
        typed = {name: value for name, value in given.items() if value is not None}
        if from_ is not None:
            raise BadInput("--local says what options leave open; a file says all of it. Use one of them.")
        if "on" not in typed:
            return _everywhere(typed, as_json, search or out is not None)
        given = serving_local.preset(typed)
    asked = of(stack.ServingScenario, from_, given)
    if asked.apart:
        return _apart(asked, search, as_json, out, launch)
    if search:
        return _search(asked, also or [], formats or [], as_json, out, launch)
    answer = stack.answer_serving(asked)
    _show(answer, as_json)
    _finish(answer, out, launch)
    return None


def _apart(asked: ServingScenario, search: bool, as_json: bool, out: Path | None, launch: str | None) -> None:
    """Pools that read prompts and decode apart."""
    from aistack import scenario as stack
    from aistack.cli import plan_text, serve_pools_text
    from aistack.errors import BadInput
    from aistack.scenario import pools_remedies

    if search:
        raise BadInput("A search finds pools by itself; leave out --prefill and --decode, or --search.")
    answer = stack.answer_pools(asked)
    if as_json:
        _print_json(stack.to_json(answer))
    else:
        serve_pools_text.show(answer, plan_text.console())
    if out is not None:
        _write_pools(answer, out, launch)
    pools_remedies.require_pools(answer)


def _write_pools(answer: PoolsAnswer, folder: Path, engine: str | None) -> None:
    """Write the answer, what its requests see, and what starts it into `folder`."""
    from aistack import launch, scenario
    from aistack.cli import plan_report, serve_pools_text
    from aistack.errors import BadInput
    from aistack.files import write_json
    from aistack.scenario import pools, serving_charts, serving_play

    about = serve_pools_text.subject(answer)
    counts = answer.prefill.replicas, answer.decode.replicas
    played = serving_play.play(pools.with_replicas(answer.scenario, counts))
    figures = serving_charts.draw_pools(answer, about) | serving_play.draw(played)
    try:
        files = () if engine is None else launch.write_pools(answer, engine, folder)
        write_json(folder / "answer.json", scenario.to_json(answer))
        charts = plan_report.write_all(figures, about, str(answer.decode.deployment), folder)
        written = [*files, folder / "answer.json", *charts]
    except OSError as error:
        raise BadInput(f"Cannot write to {folder}: {error.strerror or error}.") from None
    typer.echo(f"Written to {folder}: {', '.join(path.name for path in written)}", err=True)


def _everywhere(given: dict[str, Any], as_json: bool, more: bool) -> None:
    from aistack.cli import plan_text, serve_local_text
    from aistack.errors import BadInput
    from aistack.scenario import serving_local

    if more:
        raise BadInput("A search, charts and launch files are for one machine: name it with --on, such as 1xrtx-4090.")
    if "model" not in given:
        raise BadInput("Say what to plan: --model missing.")
    found = serving_local.everywhere(given)
    if as_json:
        _print_json(serving_local.to_json(found))
    else:
        serve_local_text.show(found, plan_text.console())


def _show(answer: ServingAnswer, as_json: bool) -> None:
    from aistack import scenario as stack
    from aistack.cli import plan_text, serve_text

    if as_json:
        _print_json(stack.to_json(answer))
    else:
        serve_text.show(answer, plan_text.console())


def _finish(answer: ServingAnswer, out: Path | None, launch: str | None, found: ServingFound | None = None) -> None:
    """Files, and then the complaint where goals are missed."""
    from aistack.scenario import serving_remedies

    if out is not None:
        write(answer, out, launch, found)
    serving_remedies.require(answer)


def write(answer: ServingAnswer, folder: Path, engine: str | None, found: ServingFound | None = None) -> None:
    """Write the answer, its charts and what starts it into `folder`; what cannot be is refused before that."""
    from aistack import launch, scenario
    from aistack.cli import plan_report
    from aistack.errors import BadInput
    from aistack.files import write_json
    from aistack.scenario import serving_charts, serving_play

    about = serving_charts.subject(answer)
    played = serving_play.play(answer.scenario.model_copy(update={"replicas": answer.replicas}))
    figures = {} if found is None else serving_charts.draw_found(found, answer.scenario)
    figures |= serving_charts.draw(answer) | serving_play.draw(played)
    try:
        files = () if engine is None else launch.write_serving(answer, engine, folder)
        write_json(folder / "answer.json", scenario.to_json(answer))
        charts = plan_report.write_all(figures, about, str(answer.deployment), folder)
        written = [*files, folder / "answer.json", *charts]
    except OSError as error:
        raise BadInput(f"Cannot write to {folder}: {error.strerror or error}.") from None
    typer.echo(f"Written to {folder}: {', '.join(path.name for path in written)}", err=True)


def _search(
    asked: ServingScenario, also: list[str], formats: list[str], as_json: bool, out: Path | None, launch: str | None
) -> None:
    from aistack.cli import plan_text, serve_search_text
    from aistack.scenario import serving_remedies, serving_search

    found = serving_search.search(asked, also=also, precisions=formats)  # type: ignore[arg-type]
    serving_remedies.require_found(found, ", ".join((asked.on, *also)))
    if as_json:
        _print_json(serving_search.to_json(found))
    else:
        serve_search_text.show(found, plan_text.console())
    _finish(found.plans[0], out, launch, found)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
