"""A run: one dive's folder, and what is found in it.

    <home>/runs/<name>/run.json              options and circumstances, written once when the run is made
    <home>/runs/<name>/<layer>/result.json   a finished stage: ledger, outputs, time; written whole, as its last act
    <home>/runs/<name>/<layer>/...           the stage's files
    <home>/runs/<name>/ledger.json           all entries, and
    <home>/runs/<name>/report.html           the report: both made anew from the results

There is no other state: a stage is finished if and only if its result is there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aistack import __version__
from aistack.dive.ledger import Entry
from aistack.dive.options import Options
from aistack.dive.stage import Outputs
from aistack.drawing import LAYERS, Layer
from aistack.errors import AistackError, BadInput, UnknownName
from aistack.files import read_json, write_json

FORMAT = 1


@dataclass(frozen=True)
class Result:
    """A finished stage."""

    layer: Layer
    entries: tuple[Entry, ...]
    outputs: Outputs
    seconds: float
    """Wall time of the attempt that finished."""
    cpu_seconds: float
    """Processor time of this process and its children in that attempt."""
    joules: float | None
    """Energy of the machine in that attempt; None where it has no meter."""


@dataclass(frozen=True)
class Run:
    """A dive's folder with its options."""

    root: Path
    created: str
    """When the run was made, ISO 8601 in UTC."""
    device: str
    options: Options
    circumstances: Mapping[str, str]
    """Versions of what the run was made with."""

    @property
    def name(self) -> str:
        """The run's name: its folder's."""
        return self.root.name

    @property
    def finished(self) -> bool:
        """Whether all six stages are."""
        return all(self._path(layer).exists() for layer in LAYERS)

    def result(self, layer: Layer) -> Result | None:
        """What `layer`'s stage found, or None where it has not finished. A broken file is a `BadInput`."""
        path = self._path(layer)
        if not path.exists():
            return None
        stored = read_json(path)
        try:
            return Result(
                layer=layer,
                entries=tuple(Entry(**entry) for entry in stored["ledger"]),
                outputs=dict(stored["outputs"]),
                seconds=float(stored["seconds"]),
                cpu_seconds=float(stored["cpu_seconds"]),
                joules=None if stored["joules"] is None else float(stored["joules"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{path} is damaged ({error!r}). Delete it and `aistack dive --resume` runs that stage again."
            ) from None

    def results(self) -> tuple[Result, ...]:
        """All finished stages, from the ground up."""
        found = (self.result(layer) for layer in LAYERS)
        return tuple(result for result in found if result is not None)

    def finish(self, result: Result) -> None:
        """Store a finished stage; from this moment on it is not run again."""
        write_json(
            self._path(result.layer),
            {
                "seconds": result.seconds,
                "cpu_seconds": result.cpu_seconds,
                "joules": result.joules,
                "ledger": [asdict(entry) for entry in result.entries],
                "outputs": result.outputs,
            },
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the run for this process; a second process that tries gets a clear error."""
        with (self.root / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AistackError(
                    f"Another process is working on the run {self.name}. Wait for it or stop it."
                ) from None
            yield

    def _path(self, layer: Layer) -> Path:
        return self.root / layer / "result.json"


def runs_folder() -> Path:
    """Where runs live: `$AISTACK_HOME/runs`, by default below the user's data folder."""
    home = os.environ.get("AISTACK_HOME")
    if home:
        return Path(home) / "runs"
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "aistack" / "runs"


def create(options: Options, device: str, circumstances: Mapping[str, str], folder: Path | None = None) -> Run:
    """Make a new run below `folder`, named after the moment."""
    now = datetime.now(UTC)
    parent = folder or runs_folder()
    stem = now.strftime("%Y-%m-%d-%H%M%S")
    for attempt in range(1, 1000):
        root = parent / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            root.mkdir(parents=True)
            break
        except FileExistsError:
            if not parent.is_dir():
                raise BadInput(f"{parent} is not a folder, so no run can be kept in it.") from None
        except (NotADirectoryError, PermissionError) as error:
            raise BadInput(f"No run can be kept in {parent}: {error.strerror}. Set AISTACK_HOME or --runs.") from None
    run = Run(root, now.isoformat(timespec="seconds"), device, options, dict(circumstances))
    stored = asdict(options) | {"text": [str(path) for path in options.text]}
    write_json(
        root / "run.json",
        {
            "format": FORMAT,
            "created": run.created,
            "device": device,
            "options": stored,
            "circumstances": {"aistack": __version__, **circumstances},
        },
    )
    return run


def load(root: Path) -> Run:
    """Open the run in the folder `root`; a folder without a sound `run.json` is a `BadInput`."""
    stored = read_json(root / "run.json")
    try:
        if stored["format"] != FORMAT:
            raise BadInput(f"{root} was made by another version of aistack (format {stored['format']}, not {FORMAT}).")
        options: dict[str, Any] = stored["options"]
        options["text"] = tuple(Path(path) for path in options["text"])
        return Run(root, stored["created"], stored["device"], Options(**options), stored["circumstances"])
    except (KeyError, TypeError) as error:
        raise BadInput(f"{root / 'run.json'} is damaged ({error!r}).") from None


def find(name: str | None = None, folder: Path | None = None) -> Run:
    """The run called `name` (or the folder at that path), or the latest one.

    Raises `UnknownName` for a name that is not there and `BadInput` where there are no runs at all.
    """
    parent = folder or runs_folder()
    if name is not None and (Path(name) / "run.json").exists():
        return load(Path(name))
    names = names_in(parent)
    if name is None:
        if not names:
            raise BadInput(f"There are no runs in {parent} yet. Start one with: aistack dive")
        return load(parent / names[-1])
    if name not in names:
        raise UnknownName("run", name, names)
    return load(parent / name)


def names_in(folder: Path) -> Sequence[str]:
    """Names of the runs in `folder`, oldest first."""
    return sorted(path.parent.name for path in folder.glob("*/run.json"))
