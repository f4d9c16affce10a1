"""The command line: one module of this package per verb. Everything heavy is imported when a command runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aistack import __version__
from aistack.cli import ask, book, catalog, compare, dive, evidence, open_, plan, predictions, serve, simulate
from aistack.errors import AistackError

app = typer.Typer(
    name="aistack",
    help="The whole AI stack in six layers: read it, ask it, run it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(plan.app, name="plan")
app.command("simulate")(simulate.simulate)
app.command("compare")(compare.compare)
app.add_typer(catalog.app, name="catalog")
app.add_typer(dive.app, name="dive")
app.add_typer(evidence.app, name="evidence")
app.add_typer(book.app, name="book")
app.command("predictions")(predictions.predictions)
app.command("open")(open_.open_)
app.command("serve")(serve.serve)
app.command("ask")(ask.ask)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aistack {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _each(option: str, arguments: list[str]) -> list[str]:
    """Let `option` take several values, as click allows only arguments to: --text A B becomes --text A --text B."""
    spelled: list[str] = []
    taking = False
    for argument in arguments:
        if argument.startswith("-"):
            taking = argument == option
        elif taking and spelled[-1] != option:
            spelled.append(option)
        spelled.append(argument)
    return spelled


def main() -> None:
    """Run the command line; an `AistackError` becomes one message and its own exit status."""
    try:
        app(_each("--text", sys.argv[1:]))
    except AistackError as error:
        _complain(f"aistack: {error}", "red")
        for note in getattr(error, "__notes__", ()):
            _complain(note)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # the reader of our output went away (`aistack ... | head`): not an error, but nothing more can be printed
        sys.stderr.close()
        sys.exit(0)


def _complain(text: str, style: str | None = None) -> None:
    from rich.console import Console

    # lines are broken between words for a person, and left whole for a program that reads them
    out = Console(stderr=True)
    out.print(text, style=style, markup=False, highlight=False, soft_wrap=not out.is_terminal)
