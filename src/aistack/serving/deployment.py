"""How one replica serves: a `Deployment`, and many of them as the columns of `Deployments`.

Tensor parallelism divides heads and matrices, data parallelism sequences (each group of tensor ranks has attention of
its own and shares the experts with the others: DeepSeek-V3, arXiv:2412.19437, section 3.4), expert parallelism divides
the routed experts within both, pipeline parallelism layers. Tensor x data x pipeline = accelerators of a replica.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aistack.errors import BadInput
from aistack.frameworks.adapters import ATTENTION, FEED_FORWARD, LoRA
from aistack.serving.formats import CACHE, WEIGHTS

Method = Literal["draft", "mtp", "ngram"]
"""What proposes tokens: a small model, the model's own modules for several tokens, or earlier text."""


@dataclass(frozen=True)
class Speculation:
    """Tokens proposed ahead and checked in one step (Leviathan et al., arXiv:2211.17192)."""

    method: Method
    tokens: int
    """Proposed for each step."""
    acceptance: float
    """Probability that one is right if all before it are."""
    draft: str | None = None
    """The catalog's name of the model that proposes, for "draft"."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise BadInput(f"Speculation by {self.method!r}; it must be one of {', '.join(get_args(Method))}.")
        if self.tokens < 1 or not 0 <= self.acceptance <= 1:
            raise BadInput(
                f"Speculation of {self.tokens} tokens accepted with probability {self.acceptance}: "
                "it needs one token or more, and a probability from 0 to 1."
            )
        if (self.method == "draft") != (self.draft is not None):
            raise BadInput('A draft model is named for speculation by "draft", and for no other.')

    @property
    def expected(self) -> float:
        """Tokens that a step yields: (1 - a^(n+1)) / (1 - a), of n proposed (arXiv:2211.17192, equation 1)."""
        return sum(self.acceptance**place for place in range(self.tokens + 1))


BATCHING_ADAPTERS = ("vllm", "sglang", "tensorrt-llm", "vllm-v0")
"""Engines that answer requests of different adapters in one step."""


@dataclass(frozen=True)
class Adapters:
    """LoRA adapters that are served from one base model, each request with one of them."""

    count: int
    rank: int = 16
    targets: tuple[str, ...] = ATTENTION + FEED_FORWARD
    """Names of the matrices that have one; engines keep room beside all of a layer's."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise BadInput(f"{self.count} adapters cannot be served; there are one or more, or none is said of them.")
        LoRA(self.rank)

    @property
    def lora(self) -> LoRA:
        """One of them."""
        return LoRA(self.rank, self.targets)

    def __str__(self) -> str:
        return f"{self.count:,} adapter{'s' * (self.count > 1)} of rank {self.rank}"


@dataclass(frozen=True)
class Deployment:
    """One replica's plan."""

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    expert_parallel: int = 1
    precision: str = "bf16"
    """Of the weights, one of `formats.WEIGHTS`."""
    kv_precision: str = "bf16"
    max_batch: int = 256
    """Sequences that decode at once."""
    chunk: int = 8192
    """Tokens of a step; prompts are cut to them and go beside decoding sequences. 0: whole prompts, before all else."""
    speculative: Speculation | None = None
    adapters: Adapters | None = None
    engine: str = "vllm"

    def __post_init__(self) -> None:
        for name in SIZES:
            value, least = getattr(self, name), 0 if name == "chunk" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BadInput(f"{name} is {value!r}; it must be a whole number from {least} on.")
        for name, known in (("precision", WEIGHTS), ("kv_precision", CACHE)):
            if getattr(self, name) not in known:
                raise BadInput(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}.")
        if (self.tensor_parallel * self.data_parallel) % self.expert_parallel:
            raise BadInput(
                f"Experts in {self.expert_parallel} parts do not divide {self.tensor_parallel} x "
                f"{self.data_parallel} ranks of a layer."
            )

        if self.adapters is not None and self.engine not in BATCHING_ADAPTERS:
            raise BadInput(
                f"{self.engine} does not answer requests of different adapters together; "
                f"take one of {', '.join(BATCHING_ADAPTERS[:3])}."
            )

    @property
    def chips(self) -> int:
        """Accelerators of a replica."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    def __str__(self) -> str:
        sizes = [("TP", self.tensor_parallel), ("PP", self.pipeline_parallel), ("DP", self.data_parallel),
                 ("EP", self.expert_parallel)]  # fmt: skip
        named = " x ".join(f"{name} {size}" for name, size in sizes if size > 1 or name == "TP")
        lora = f", {self.adapters}" if self.adapters else ""
        return (
            f"{named}, {self.precision}, KV {self.kv_precision}, up to {self.max_batch} sequences{lora}, {self.engine}"
        )


SIZES = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel", "max_batch", "chunk")
"""The fields that count something."""

SHARED = tuple(field.name for field in fields(Deployment) if field.name not in SIZES)
"""The fields that all deployments of one `Deployments` have in common."""

Column = NDArray[np.int64]


@dataclass(frozen=True)
class Deployments:
    """Deployments that differ in sizes alone, a column for each of `SIZES`."""

    tensor_parallel: Column
    pipeline_parallel: Column
    data_parallel: Column
    expert_parallel: Column
    max_batch: Column
    chunk: Column
    common: Deployment
    """Its other fields are those of all."""

    def __len__(self) -> int:
        return len(self.tensor_parallel)

    @property
    def chips(self) -> Column:
        """Accelerators of a replica of each."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @staticmethod
    def of(deployments: Iterable[Deployment]) -> Deployments:
        """The columns; `BadInput` where they differ in more than sizes, or where there are none."""
        listed = list(deployments)
        if not listed or any(getattr(each, name) != getattr(listed[0], name) for each in listed for name in SHARED):
            raise BadInput("Deployments in columns are one or more, with the same formats, engine and speculation.")
        columns: dict[str, Any] = {
            name: np.array([getattr(each, name) for each in listed], dtype=np.int64) for name in SIZES
        }
        return Deployments(**columns, common=listed[0])

    def __getitem__(self, index: int) -> Deployment:
        sizes: dict[str, Any] = {name: int(getattr(self, name)[index]) for name in SIZES}
        return replace(self.common, **sizes)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Deployments:
        """The deployments at the places `which`, or where it is true."""
        return replace(self, **{name: getattr(self, name)[which] for name in SIZES})
