"""Conducts a dive: runs the stages that have not finished, in order, and keeps what each found."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aistack.applications.lab.meter import Meter
from aistack.dive import report
from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.dive.run import Result, Run
from aistack.dive.stage import Context, Outputs
from aistack.drawing import LAYERS, Layer
from aistack.errors import AistackError, BadInput, require


def settle_device(wanted: str) -> str:
    """The device to run on, "cpu" or "cuda"; "auto" takes CUDA where PyTorch sees it.

    Raises `MissingExtra` without the lab's packages and `BadInput` for a device that is not there.
    """
    require("lab", "The dive")
    # Read once, when PyTorch loads its OpenMP. A thread that waits for others spins for milliseconds by default, and
    # keeps a core from the very thread it waits for: on two busy cores every parallel operation then took 8 to 12 ms.
    # Spinning briefly before falling asleep made that 0.1 to 0.5 ms, and costs nothing on quiet ones.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if wanted not in {"auto", "cpu", "cuda"}:
        raise BadInput(f"There is no device {wanted!r}. Use auto, cpu or cuda.")
    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise BadInput("PyTorch sees no CUDA device here. Use --device cpu, or install a CUDA build of PyTorch.")
    return "cpu"


def check(options: Options) -> None:
    """Look now at what later stages will need, so that a slip is told in a second and not after minutes of work.

    Raises `BadInput` for text that cannot be read or is too little, and for a port that is taken.
    """
    from aistack.frameworks.lab.data.collection import collect
    from aistack.serving.lab.server import HOST, listening

    if options.text:
        collect(options.text)
    with listening(HOST, options.port):
        pass


def circumstances() -> dict[str, str]:
    """What the run is made with: versions of the interpreter and of what is measured."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "tokenizers", "numpy")}
    return {"python": platform.python_version(), "system": platform.platform(), **versions}


def conduct(run: Run, progress: Progress) -> None:
    """Run every stage of `run` that has not finished, then write the ledger and the report.

    Raises `AistackError` with a way on where the disk is full; whatever has finished is kept.
    """
    with run.alone(), _full_disk_explained(run):
        for number, layer in enumerate(LAYERS, start=1):
            if run.result(layer) is None:
                progress.stage(number, layer)
                run.finish(_run_stage(run, layer, progress))
        report.write(run)


def stage_module(layer: Layer) -> Any:
    """The module of `dive/stages/` that stands for `layer`."""
    return importlib.import_module(f"aistack.dive.stages.{layer}")


def _run_stage(run: Run, layer: Layer, progress: Progress) -> Result:
    finished = run.results()
    ledger = Ledger(layer)
    context = Context(
        layer=layer,
        root=run.root,
        options=run.options,
        device=run.device,
        ledger=ledger,
        progress=progress,
        earlier={result.layer: result.outputs for result in finished},
        seconds={result.layer: result.seconds for result in finished},
        cpu_seconds={result.layer: result.cpu_seconds for result in finished},
        joules={result.layer: result.joules for result in finished},
    )
    with Meter() as meter:
        outputs: Outputs = stage_module(layer).run(context)
    unmeasured = [entry.quantity for entry in ledger.entries if entry.measured is None]
    if unmeasured:
        raise RuntimeError(f"The {layer} stage predicted but never measured: {', '.join(unmeasured)}.")
    used = meter.reading
    return Result(layer, ledger.entries, outputs, used.seconds, used.cpu_seconds, used.joules)


@contextmanager
def _full_disk_explained(run: Run) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise AistackError(
            f"The disk that holds {run.root} is full. Finished stages are kept; free some space and continue with: "
            f"aistack dive --resume --run {run.name}"
        ) from None
