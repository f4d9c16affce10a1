"""Files that start a plan on the engines and schedulers that exist.

    >>> from aistack.scenario import TrainingScenario
    >>> from aistack import launch
    >>> scenario = TrainingScenario(model="llama-3.1-8b", on="64xh100-sxm5", seq_len=8192, global_batch=128, tp=2)
    >>> sorted(launch.render(scenario, "megatron"))
    ['run.sh']

torchtitan and Megatron-LM train; Slurm and Kubernetes start the first of the two that can express the plan. Answers to
serving scenarios go to `render_serving`: vLLM, SGLang and TensorRT-LLM serve one replica, Compose all replicas of a
host, Kubernetes all of a cluster. Pools that read prompts and decode apart go to `render_pools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aistack.errors import UnknownName
from aistack.files import write_text
from aistack.launch import (
    compose,
    engines,
    kubernetes,
    megatron,
    pools_compose,
    pools_kubernetes,
    serving_kubernetes,
    serving_pools,
    serving_program,
    slurm,
    torchtitan,
)
from aistack.scenario.pools_answer import PoolsAnswer
from aistack.scenario.question import TrainingScenario
from aistack.scenario.serving_answer import ServingAnswer

__all__ = [
    "ENGINES",
    "SERVING_ENGINES",
    "render",
    "render_pools",
    "render_serving",
    "write",
    "write_pools",
    "write_serving",
]

_RENDERERS = {
    "torchtitan": lambda scenario: torchtitan.program(scenario).files,
    "megatron": lambda scenario: megatron.program(scenario).files,
    "slurm": slurm.files,
    "kubernetes": kubernetes.files,
}
ENGINES = tuple(_RENDERERS)
"""What `render` and `write` know."""
SERVING_ENGINES = (*engines.PROGRAMS, "compose", "kubernetes")
"""What `render_serving` and `write_serving` know."""


def render(scenario: TrainingScenario, engine: str) -> Mapping[str, str]:
    """The files by name, as text. Raises `UnknownName`, and `BadInput` naming what the engine cannot express."""
    if engine not in _RENDERERS:
        raise UnknownName("engine to launch with", engine, ENGINES)
    return _RENDERERS[engine](scenario)


def write(scenario: TrainingScenario, engine: str, folder: Path) -> tuple[Path, ...]:
    """Write the files into `folder`; all are made before the first is written. Raises as `render` does."""
    return _written(render(scenario, engine), folder)


def render_serving(answer: ServingAnswer, engine: str) -> Mapping[str, str]:
    """The files that serve a plan by name, as text; Compose and Kubernetes start the plan's own engine.

    Raises `UnknownName`, and `BadInput` naming what the engine cannot express.
    """
    if engine == "compose":
        return compose.rendered(answer)
    if engine == "kubernetes":
        return serving_kubernetes.rendered(answer)
    if engine not in engines.PROGRAMS:
        raise UnknownName("engine to launch with", engine, SERVING_ENGINES)
    return serving_program.files(answer, engines.PROGRAMS[engine](answer))


def write_serving(answer: ServingAnswer, engine: str, folder: Path) -> tuple[Path, ...]:
    """Write the files that serve a plan into `folder`; see `write`."""
    return _written(render_serving(answer, engine), folder)


def render_pools(answer: PoolsAnswer, engine: str) -> Mapping[str, str]:
    """The files that serve two pools by name, as text; see `render_serving`."""
    if engine == "compose":
        return pools_compose.rendered(answer)
    if engine == "kubernetes":
        return pools_kubernetes.rendered(answer)
    if engine not in engines.PROGRAMS:
        raise UnknownName("engine to launch with", engine, SERVING_ENGINES)
    return serving_pools.files(answer, engine)


def write_pools(answer: PoolsAnswer, engine: str, folder: Path) -> tuple[Path, ...]:
    """Write the files that serve two pools into `folder`; see `write`."""
    return _written(render_pools(answer, engine), folder)


def _written(files: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    for name, text in files.items():
        write_text(folder / name, text)
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
    return tuple(folder / name for name in files)
