"""What serves a plan: a command line for one replica, and what its engine calls the things that are watched.

Files are text made in memory; `aistack.launch.write_serving` puts them on disk once all of them exist. Whatever a
person typed (paths, names) enters them quoted for the language of the file, or not at all.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from aistack import catalog
from aistack.errors import BadInput, UnknownName
from aistack.infrastructure.cluster import Cluster
from aistack.launch.program import RESOURCES, shell_words
from aistack.scenario import serving_deployment
from aistack.scenario.answer import MemoryPart
from aistack.scenario.serving import ServingScenario
from aistack.serving.deployment import Deployment

PORT = 8000
"""Where a replica listens; the next replica of a host takes the next one."""
LONGER = 4
"""Times the mean length that a request may have; lengths are means, and engines refuse what is longer."""
STEP = 1024
LOADING = 2e9
"""Bytes of weights a second that a start may take at least, a slow disk's."""


class Replica(Protocol):
    """What files that start a replica are made of: a `ServingAnswer` has it, and so has each of two pools."""

    @property
    def scenario(self) -> ServingScenario:
        """Its question."""

    @property
    def deployment(self) -> Deployment:
        """How it is divided, in which formats."""

    @property
    def cluster(self) -> Cluster:
        """Its accelerators."""

    @property
    def accelerators_per_replica(self) -> int:
        """How many they are."""

    @property
    def memory(self) -> tuple[MemoryPart, ...]:
        """Of the accelerator that holds most."""

    @property
    def capacity(self) -> float:
        """Bytes that one accelerator has."""


@dataclass(frozen=True)
class Metrics:
    """An engine's names in Prometheus' format."""

    path: str
    ttft: str
    """Histograms of seconds, without `_bucket`; so are the next two."""
    tpot: str
    latency: str
    running: str
    """Requests that are computed, and requests that wait: gauges."""
    waiting: str
    finished: str
    """A counter of answered requests."""

    def of(self, goal: str) -> str:
        """The histogram of a goal: "ttft", "tpot" or "latency"."""
        return str(getattr(self, goal))


FORMATS: dict[str, tuple[str, ...]] = {
    "bf16": ("--dtype", "bfloat16"),
    "fp16": ("--dtype", "float16"),
    "fp32": ("--dtype", "float32"),
    "fp8": ("--dtype", "bfloat16", "--quantization", "fp8"),
    "fp8-block": (),
    "int8": (),
    "int8-weight": (),
    "int4": (),
    "nvfp4": (),
    "mxfp4": (),
}
"""Weights' formats with the arguments that vLLM and SGLang share; those without any are read from a checkpoint that has
them, which the engines see in its configuration."""


@dataclass(frozen=True)
class ServingProgram:
    """An engine ready to start one replica."""

    engine: str
    """Which, with its version."""
    image: str
    """A container image that has it."""
    command: tuple[str, ...]
    """Words before the model's name or path."""
    options: tuple[str, ...]
    """Words after it; those of host and port come last."""
    listen: tuple[str, str]
    """Names of the options for host and port."""
    metrics: Metrics
    files: Mapping[str, str] = field(default_factory=dict)
    """Configuration files beside the script."""
    note: str = ""
    """What the checkpoint must be, where the command line cannot say it."""
    adapters: str = ""
    """The option that names LoRA adapters and their folders, where the engine reads them at its start."""
    environment: tuple[str, ...] = ()
    """Lines of the script before the start; FIRST is the first of the replica's accelerators on its host."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Options for further ports; of replica 0, those of others follow."""
    packages: tuple[str, ...] = ()
    """Python packages that the image lacks."""


@dataclass(frozen=True)
class Router:
    """What gives a request to a replica that reads prompts, and then to one that decodes."""

    name: str
    """Which, with its version."""
    image: str
    command: tuple[str, ...]
    """Words before the two pools' addresses; or before a file that lists them."""
    packages: tuple[str, ...] = ()
    """Python packages that the image lacks."""
    bootstrap: int | None = None
    """Port where replicas that read prompts tell how to reach them, where the router must be told it."""
    at_once: bool = False
    """Whether a request goes to both pools at once, and not to the second when the first has read it."""
    file: bool = False
    """Whether it reads addresses from a file, and so knows no replicas that come later."""


@dataclass(frozen=True)
class Place:
    """Where the replicas of a script stand on a host."""

    name: str = "serve"
    port: int = PORT
    first: int = 0
    """Accelerators before those of the first replica."""


@dataclass(frozen=True)
class Hosts:
    """Equal machines that hold whole replicas."""

    chips: int
    """Accelerators of one."""
    replicas: int
    """That fit on one."""
    resource: str
    """The accelerators' name in Kubernetes."""

    @property
    def amd(self) -> bool:
        """Whether accelerators are AMD's, NVIDIA's otherwise."""
        return self.resource == RESOURCES["AMD"]


class _Dumper(yaml.SafeDumper):
    """Text of several lines stands as lines, and every list and mapping in full."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """No value refers to another."""
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def as_yaml(*documents: Any) -> str:
    """Documents of plain values as YAML."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=120)


def hosts(answer: Replica) -> Hosts:
    """The machines of a plan. Raises `BadInput` for another vendor's accelerators and replicas larger than a host."""
    accelerator = catalog.accelerator(answer.cluster.chip)
    vendor = str(accelerator.vendor)
    if vendor not in RESOURCES:
        raise BadInput(
            f"{accelerator.name} is {vendor}'s; launch files are written for accelerators of {' and '.join(RESOURCES)}."
        )
    chips, _ = answer.scenario.system
    inside = min(chips, answer.cluster.chips_per_host)
    each = answer.accelerators_per_replica
    if each > inside:
        raise BadInput(
            f"A replica of {each:,} accelerators spans several hosts of {inside:,}; launch files keep a replica within "
            "one. Take a smaller replica (--tp, --pp), narrower weights, or accelerators with more memory."
        )
    return Hosts(inside, inside // each, RESOURCES[vendor])


def expressible(engine: str, wrong: Mapping[str, bool]) -> None:
    """Raise `BadInput` with every sentence of `wrong` that is true: what `engine` cannot do, and what it can."""
    sentences = [sentence for sentence, is_so in wrong.items() if is_so]
    if sentences:
        raise BadInput("\n".join([f"{engine} cannot express this plan:", *(f"  {each}" for each in sentences)]))


def served_formats(formats: Iterable[str], precision: str) -> str:
    """The sentence that an engine does not serve a format."""
    return f"it serves weights in {', '.join(formats)}, not {precision}."


def checkpoint(precision: str) -> str:
    """The sentence that a format comes with the checkpoint."""
    return f"MODEL must be a checkpoint with weights in {precision}."


def longest(answer: Replica) -> int:
    """Tokens of the longest request that is taken: some times the mean, within what the model can."""
    wanted = math.ceil(LONGER * answer.scenario.context / STEP) * STEP
    return min(wanted, answer.scenario.spec.max_context or wanted)


def per_group(answer: Replica) -> int:
    """Requests that one group of a replica runs at once."""
    return max(1, math.ceil(answer.deployment.max_batch / answer.deployment.data_parallel))


def memory_fraction(answer: Replica) -> float:
    """Share of an accelerator's memory that the engine takes, as the plan counts on it."""
    left = sum(part.bytes for part in answer.memory if part.name == "left to others")
    return math.floor(100 * (1 - left / answer.capacity) + 1e-6) / 100


def resident(answer: Replica) -> int:
    """LoRA adapters that the plan keeps on the accelerators at once; 0 where none are served."""
    return int(serving_deployment.priced(answer.scenario, answer.deployment).adapters)


def start_seconds(answer: Replica) -> int:
    """How long a start may take: reading the weights from a slow disk, and capturing graphs."""
    weights = sum(part.bytes for part in answer.memory if part.name == "weights") * answer.accelerators_per_replica
    return 600 + math.ceil(weights / LOADING)


def repository(answer: Replica) -> str:
    """What the engine is told to load unless `MODEL` says otherwise: a path, or the model's name on the hub."""
    asked = answer.scenario.model
    if asked.startswith("~/"):
        asked = str(Path(asked).expanduser())
    if Path(asked).suffix == ".json":
        return str(Path(asked).parent)
    try:
        entry = catalog.model(asked)
    except UnknownName:
        return asked
    hub = [alias for alias in entry.aliases if re.fullmatch(r"[\w.-]+/[\w.-]+", alias)]
    return hub[0] if hub else asked


def about(answer: Replica) -> str:
    """One line of plain ASCII that says what is served; safe inside any comment."""
    model = json.dumps(answer.scenario.model)
    return f"{model} on {answer.accelerators_per_replica} x {answer.cluster.chip} a replica: {answer.deployment}"


def label(answer: Replica) -> str:
    """A name for the service: lower-case letters, digits and hyphens, short enough for a host name."""
    words = re.sub(r"[^a-z0-9]+", "-", answer.scenario.spec.name.casefold())[:40].strip("-")
    return f"serve-{words or 'model'}"


_ADAPTERS = """\
# every folder in ADAPTERS is an adapter, and requests ask for it by the folder's name
if [[ -n "${ADAPTERS:-}" ]]; then
  arguments+=(OPTION)
  for folder in "$ADAPTERS"/*/; do
    arguments+=("$(basename "$folder")=${folder%/}")
  done
fi
"""


def script(answer: Replica, program: ServingProgram, place: Place = Place()) -> str:
    """`serve.sh`: one replica on this machine, the one that `REPLICA` says."""
    each = answer.accelerators_per_replica
    host, port = program.listen
    visible = "HIP_VISIBLE_DEVICES" if hosts(answer).amd else "CUDA_VISIBLE_DEVICES"
    note = f"# {program.note}\n" if program.note else ""
    words = shell_words(program.options)
    further = "".join(f'arguments+=({name} "$(({first} + REPLICA))")\n' for name, first in program.ports.items())
    lines = "".join(f"{line}\n" for line in program.environment)
    adapters = _ADAPTERS.replace("OPTION", program.adapters) if program.adapters else ""
    own = f"{place.name}.sh"
    return f"""#!/usr/bin/env bash
# {about(answer)}
# {program.engine}. REPLICA=0 ./{own}, REPLICA=1 ./{own}, ...: each takes its own accelerators and port.
{note}set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
model={shlex.quote(repository(answer))}
MODEL="${{MODEL:-$model}}" HOST="${{HOST:-127.0.0.1}}" REPLICA="${{REPLICA:-0}}"
PORT="${{PORT:-$(({place.port} + REPLICA))}}" FIRST="$(({place.first} + REPLICA * {each}))"
# in a container that has only its own accelerators ALL_DEVICES keeps them as they are
if [[ -z "${{ALL_DEVICES:-}}" ]]; then
  {visible}="$(seq -s, "$FIRST" "$((FIRST + {each - 1}))")"
  export {visible}
fi
{lines}arguments=(
{words}
)
{further}{adapters}exec {shlex.join(program.command)} "$MODEL" "${{arguments[@]}}" {host} "$HOST" {port} "$PORT"
"""


def image(answer: Replica, program: ServingProgram, scripts: tuple[str, ...] = ("serve.sh",)) -> str:
    """`Dockerfile`: the engine's image with the scripts, which answer everyone that reaches the container."""
    names = " ".join([*scripts, *program.files])
    install = f"RUN {shlex.join(['python3', '-m', 'pip', 'install', '--no-cache-dir', *program.packages])}\n"
    return f"""# docker build -t {label(answer)}:1 .
FROM {program.image}
{install if program.packages else ""}WORKDIR /plan
COPY --chmod=0555 {names} /plan/
ENV HOST=0.0.0.0 PORT={PORT} ALL_DEVICES=1
EXPOSE {PORT}
HEALTHCHECK --start-period={start_seconds(answer)}s --interval=10s \\
  CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"]
ENTRYPOINT ["/plan/{scripts[0]}"]
"""


def files(answer: Replica, program: ServingProgram) -> Mapping[str, str]:
    """The script, the engine's own files and the container file."""
    return {"serve.sh": script(answer, program), **program.files, "Dockerfile": image(answer, program)}
