"""`aistack compare`: plans, chips or clusters side by side, to train or to serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aistack.cli import scenario_options, serving_options
from aistack.cli.plan import Json
from aistack.cli.scenario_options import Option, described, missing

if TYPE_CHECKING:
    from aistack.scenario import ServingScenario, TrainingScenario
    from aistack.scenario.comparison import Answer


def _both() -> dict[str, Option]:
    """The options of both kinds of plan; those that mean different things in them say both."""
    train, serve = scenario_options.OPTIONS, serving_options.OPTIONS
    shared = {
        name: option
        if option.help == serve[name].help
        else option._replace(help=f"{option.help} To serve: {serve[name].help}")
        for name, option in train.items()
        if name in serve
    }
    return {**shared, **{name: each for name, each in {**train, **serve}.items() if name not in shared}}


@described(repeated=True, options=_both())
def compare(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE.yaml ...]", help="Scenarios, a column each.")
    ] = None,
    as_json: Json = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write answers.json and the chart (SVG, HTML) there.")
    ] = None,
    **given: list[str] | None,
) -> None:
    """Put plans to train or to serve, chips or clusters side by side, the best of each row marked.

    An option given once is meant for all columns; one given several times makes a column of each.
    """
    from aistack.scenario import comparison

    asked = variants(files or [], {name: values for name, values in given.items() if values})
    answers = comparison.answers(asked)
    if as_json:
        typer.echo(_json(answers))
    else:
        from aistack.cli import compare_text, plan_text

        compare_text.show(answers, plan_text.console())
    if out is not None:
        _write(answers, out)


def variants(files: list[Path], given: dict[str, list[str]]) -> list[TrainingScenario] | list[ServingScenario]:
    """The scenarios of the columns. Raises `BadInput` where it is not clear what goes with what, and where some are to
    train and some to serve."""
    from aistack.errors import BadInput

    counts = {f"--{name.replace('_', '-')}": len(values) for name, values in given.items() if len(values) > 1}
    if len(files) > 1:
        counts["files"] = len(files)
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise BadInput(f"It is not clear what goes with what: {said}. Give as many of each, or one for all columns.")
    columns = max(counts.values(), default=1)
    if columns == 1:
        raise BadInput(
            "There is nothing to compare: give several files, or an option several times, "
            "for example --on 1024xh100-sxm5 --on 1024xb200-sxm."
        )
    kind = _kind(files, given)
    needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    if not files and (lacking := missing(given, needed)):
        raise BadInput(f"Say what to plan: {', '.join(lacking)} missing.")

    def column(place: int) -> Any:
        own = {name: values[place if len(values) > 1 else 0] for name, values in given.items()}
        if files:
            return kind.read(files[place if len(files) > 1 else 0], own)
        return kind.from_mapping(own, f"Column {place + 1}")

    return [column(place) for place in range(columns)]


def _kind(files: list[Path], given: dict[str, list[str]]) -> Any:
    """The class of the scenarios, by keys and options that only one kind of plan has. Raises `BadInput` where there are
    such of both kinds, or of none."""
    from aistack.catalog.reading import read_contribution
    from aistack.errors import BadInput
    from aistack.scenario import ServingScenario, TrainingScenario

    kinds: dict[str, Any] = {"train": TrainingScenario, "serve": ServingScenario}
    names = {does: {name for field in kind.model_fields for name in kind.names(field)} for does, kind in kinds.items()}
    own = {"train": names["train"] - names["serve"], "serve": names["serve"] - names["train"]}
    said: dict[str, list[str]] = {does: [] for does in kinds}
    for file in files:
        values = read_contribution(file)[0]
        for does, keys in own.items():
            if found := sorted(keys & set(values if isinstance(values, dict) else ())):
                said[does].append(f"{file} ({', '.join(found)})")
    for does, keys in own.items():
        said[does] += [f"--{name.replace('_', '-')}" for name in given if name in keys]
    if all(said.values()):
        raise BadInput(
            "Plans of one kind are compared, but these are to train: "
            f"{', '.join(said['train'])}; and these to serve: {', '.join(said['serve'])}. Compare each kind by itself."
        )
    if not any(said.values()):
        raise BadInput(
            "Say what to plan: --seq-len and --global-batch to train, or --prompt and --output to serve, "
            "beside --model and --on."
        )
    return kinds["train" if said["train"] else "serve"]


def _json(answers: list[Answer]) -> str:
    from aistack.scenario import comparison

    return json.dumps([comparison.to_json(each) for each in answers], indent=1, ensure_ascii=False, allow_nan=False)


def _write(answers: list[Answer], folder: Path) -> None:
    from aistack.cli import plan_report
    from aistack.errors import BadInput
    from aistack.files import write_text
    from aistack.scenario import comparison

    figure = comparison.draw(answers)
    try:
        write_text(folder / "answers.json", _json(answers) + "\n")
        charts = plan_report.write_all({"comparison": figure}, "Plans side by side", figure.subtitle, folder)
    except OSError as error:
        raise BadInput(f"Cannot write to {folder}: {error.strerror or error}.") from None
    names = ", ".join(path.name for path in (folder / "answers.json", *charts))
    typer.echo(f"Written to {folder}: {names}", err=True)
