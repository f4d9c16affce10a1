"""What a stage is given and what it gives back: the contract of the six modules in `dive/stages/`.

A stage module has

- `run(context) -> outputs`: predicts into `context.ledger`, does the real thing, measures into `context.ledger`,
  and returns JSON-able outputs for later stages and the report. Files go into `context.folder` and are written whole
  (`aistack.files`). It may be started again on a folder that a killed attempt left behind, and then takes up what it
  finds there (a checkpoint) or overwrites it.
- `figures(outputs) -> list[Figure]`: draws the outputs, calling the layer's figures. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.progress import Progress
from aistack.drawing import Layer

Outputs = dict[str, Any]
"""What a stage found: JSON-able, SI units, paths as strings relative to the run's folder."""


@dataclass(frozen=True)
class Context:
    """All that a stage is given."""

    layer: Layer
    root: Path
    """The run's folder."""
    options: Options
    device: str
    """"cpu" or "cuda", settled."""
    ledger: Ledger
    progress: Progress
    earlier: Mapping[Layer, Outputs]
    """The outputs of the stages before this one."""
    seconds: Mapping[Layer, float] = field(default_factory=dict)
    """Wall time that each stage before this one took."""
    cpu_seconds: Mapping[Layer, float] = field(default_factory=dict)
    """Processor time of each stage before this one."""
    joules: Mapping[Layer, float | None] = field(default_factory=dict)
    """Energy of each stage before this one; None where this machine has no meter."""

    @property
    def folder(self) -> Path:
        """This stage's own folder, made on first use."""
        folder = self.root / self.layer
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def budget(self) -> float:
        """Seconds that this stage should take."""
        return self.options.budget(self.layer)
