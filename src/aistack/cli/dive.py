"""`aistack dive`: through all six layers on this machine."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aistack.errors import AistackError, BadInput

if TYPE_CHECKING:
    from aistack.dive.run import Run

app = typer.Typer(help="Take real text through all six layers on this machine.", invoke_without_command=True)

RunsFolder = Annotated[
    Path | None,
    typer.Option("--runs", metavar="FOLDER", help="Where runs are kept, by default your data folder ($AISTACK_HOME)."),
]


@app.callback()
def dive(
    context: typer.Context,
    minutes: Annotated[float | None, typer.Option(metavar="N", help="How long it may take, by default 10.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The smallest meaningful dive, under two minutes.")] = False,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH...",
            help="Files and folders to learn from (.txt .md .py .jsonl .parquet). "
            "By default the documentation of the installed Python packages.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the latest run (or --run) where it stopped.")
    ] = False,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Name of the run to resume.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="auto|cpu|cuda", help="By default CUDA where PyTorch sees it.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of everything random, by default 0.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port of the served model, by default a free one.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="OpenAI-compatible server to generate answers with.")
    ] = None,
    runs: RunsFolder = None,
) -> None:
    """Take real text through all six layers on this machine, prediction beside measurement at every step."""
    if context.invoked_subcommand is not None:
        return
    from aistack.dive import run as runs_of
    from aistack.dive.conduct import check, circumstances, settle_device
    from aistack.dive.options import QUICK_MINUTES, Options

    given = {
        "--minutes": minutes,
        "--quick": quick or None,
        "--text": text,
        "--device": device,
        "--seed": seed,
        "--port": port,
        "--endpoint": endpoint,
    }
    if resume:
        fixed = [name for name, value in given.items() if value is not None]
        if fixed:
            raise BadInput(f"A resumed run keeps the options it was started with; leave out {', '.join(fixed)}.")
        resumed = runs_of.find(run, runs)
        settle_device(resumed.device)
        _conduct(resumed)
        return
    if run is not None:
        raise BadInput("--run names a run to continue; add --resume, or leave it out to start a new one.")
    if quick and minutes is not None:
        raise BadInput("--quick and --minutes are two ways to say how long: give one of them.")
    length = QUICK_MINUTES if quick else 10.0 if minutes is None else minutes
    if not 1 <= length <= 7 * 24 * 60:
        raise BadInput(f"--minutes must lie between 1 and {7 * 24 * 60} (a week), not {length:g}.")
    paths = tuple(_existing(path) for path in text or [])
    settled = settle_device(device or "auto")
    options = Options(length, paths, device or "auto", seed or 0, port or 0, endpoint)
    check(options)
    _conduct(runs_of.create(options, settled, circumstances(), runs))


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Name or folder, by default the latest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    runs: RunsFolder = None,
) -> None:
    """Print a run's ledger again."""
    from aistack.dive import report, terminal
    from aistack.dive.run import find

    run = find(name, runs)
    if as_json:
        typer.echo(report.ledger_json(run))
    else:
        terminal.show(run, terminal.console())


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Name or folder of a run.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Name or folder of another.")],
    runs: RunsFolder = None,
) -> None:
    """Put the measurements of two runs side by side."""
    from aistack.dive import terminal
    from aistack.dive.run import find

    terminal.compare(find(first, runs), find(second, runs), terminal.console())


@app.command("list")
def list_runs(runs: RunsFolder = None) -> None:
    """List the runs, oldest first."""
    from aistack.dive.run import load, names_in, runs_folder

    folder = runs or runs_folder()
    names = names_in(folder)
    if not names:
        typer.echo(f"There are no runs in {folder} yet. Start one with: aistack dive")
    for name in names:
        run = load(folder / name)
        state = "finished" if run.finished else f"{len(run.results())} of 6 stages"
        typer.echo(f"{name}  {run.device}  {run.options.minutes:g} min  {state}")


def _conduct(run: Run) -> None:
    from aistack.dive import terminal
    from aistack.dive.conduct import conduct
    from aistack.dive.progress import Progress

    out = terminal.console()
    out.print(f"Run {run.name} in {run.root}", highlight=False, soft_wrap=True)
    # a polite kill should stop the served model and close files as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        conduct(run, Progress(out))
    except KeyboardInterrupt:
        out.print(f"\nStopped. Finished stages are kept; continue with: aistack dive --resume --run {run.name}")
        sys.exit(130)
    except AistackError as error:
        error.add_note(f"Finished stages are kept. To continue: aistack dive --resume --run {run.name}")
        raise
    out.print()
    terminal.show(run, out)


def _existing(path: Path) -> Path:
    from aistack.errors import UnknownName

    if path.exists():
        return path.resolve()
    beside = path.parent if path.parent.is_dir() else Path()
    raise UnknownName("file or folder", str(path), (str(other) for other in beside.iterdir()))
