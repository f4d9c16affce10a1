"""Checkpoints of a training run: whole or absent, verified before use, and never a pickle.

A checkpoint is `step-00000120.safetensors`, which holds every tensor and, as JSON in its header, everything else, and
`step-00000120.sha256`, its hash in the form that `sha256sum --check` reads. The hash is written last: a tensor file
without one is the remains of a run that was killed while it wrote.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aistack.errors import BadInput
from aistack.files import replacing, sha256, write_text

_KEPT = 2
_TENSORS, _HASH = ".safetensors", ".sha256"


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped."""

    step: int
    """Steps done."""
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]
    """JSON-able."""


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` into `folder`; the one before it is kept, older ones are removed once this one is whole.

    Raises `OSError` where the disk is full; the checkpoints that were there are untouched.
    """
    stem = folder / f"step-{checkpoint.step:08}"
    tensors = stem.with_suffix(_TENSORS)
    with replacing(tensors) as partial:
        _write(partial, checkpoint)
        digest = sha256(partial)
    write_text(stem.with_suffix(_HASH), f"{digest}  {tensors.name}\n")
    for stale in _tensor_files(folder)[_KEPT:]:
        stale.with_suffix(_HASH).unlink(missing_ok=True)
        stale.unlink()


def load(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint in `folder` that is intact; None where the run never wrote a whole one.

    Removes what a run that was killed while it wrote has left. Tells `say` of each broken checkpoint that it passes
    over. Raises `BadInput` where there are some but none is intact.
    """
    for partial in folder.glob(".*.partial"):
        partial.unlink()
    found = [path for path in _tensor_files(folder) if path.with_suffix(_HASH).exists()]
    broken: list[str] = []
    for path in found:
        recorded = path.with_suffix(_HASH).read_text(encoding="utf-8", errors="replace").split()
        if recorded and recorded[0] == sha256(path):
            for words in broken:
                say(f"  {words}; going on from {path.name}, the one before it")
            return _read(path)
        broken.append(f"checkpoint {path.name} is cut short or altered (its SHA-256 differs)")
    if broken:
        raise BadInput(
            f"No checkpoint in {folder} is intact: {'; '.join(broken)}. "
            "Remove that folder to train from the beginning, or put an intact copy back."
        )
    return None


def _tensor_files(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob(f"step-*{_TENSORS}"), reverse=True)


def _write(path: Path, checkpoint: Checkpoint) -> None:
    state = json.dumps({"step": checkpoint.step, "state": checkpoint.state}, allow_nan=False)
    try:
        save_file(dict(checkpoint.tensors), path, metadata={"checkpoint": state})
    except SafetensorError as error:
        if "os error 28" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(path)) from None
        raise


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as tensors:
        header = json.loads(tensors.metadata()["checkpoint"])
        return Checkpoint(
            header["step"],
            {name: tensors.get_tensor(name) for name in tensors.keys()},  # noqa: SIM118
            header["state"],
        )
