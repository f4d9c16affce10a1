"""A serving scenario: which model, on which accelerators, for which requests, within which goals, with which engine."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aistack import catalog, units
from aistack.errors import BadInput
from aistack.infrastructure.cluster import Cluster, cluster
from aistack.scenario.asked import Asked, Count, names_of, rate_or_name, system
from aistack.serving.deployment import Method

ServedPrecision = Literal[
    "fp32",
    "bf16",
    "fp16",
    "fp8",
    "fp8-block",
    "int8",
    "int8-weight",
    "nvfp4",
    "mxfp4",
    "int4",
    "q8_0",
    "q6_k",
    "q4_k_m",
    "mxfp4_moe",
]
"""The names of `serving.formats.WEIGHTS`."""
CachePrecision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int4", "nvfp4"]
"""Those of `serving.formats.CACHE`."""
EngineName = Literal["vllm", "sglang", "tensorrt-llm", "llama.cpp", "aistack"]
"""Those of `serving.engines.ENGINES`."""

Seconds = Annotated[float, Field(gt=0, le=1e6)]


def _size(short: str, full: str, about: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(short, full), description=about)


class Pool(BaseModel):
    """Replicas that do one half of the work, as "tp=2 replicas=3" or a mapping says; what is not said is chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    tensor_parallel: Annotated[Count | None, _size("tp", "tensor_parallel", "accelerators that split each matrix")]
    pipeline_parallel: Annotated[Count | None, _size("pp", "pipeline_parallel", "stages of a replica")]
    expert_parallel: Annotated[Count | None, _size("ep", "expert_parallel", "accelerators that divide experts")]
    data_parallel: Annotated[
        Count | None, _size("dp", "data_parallel", "groups of a replica with requests of their own")
    ]
    replicas: Annotated[Count | None, Field(description="copies; none: as many as the load needs")] = None
    max_batch: Annotated[Count | None, Field(description="requests that a replica runs at once")] = None
    chunk: Annotated[int | None, Field(ge=0, le=10**7, description="prompt tokens of a step; 0: whole prompts")] = None

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        """A mapping from words such as "tp=2 replicas=3"; each key once, under one of its names."""
        if isinstance(value, str):
            pairs = [word.partition("=") for word in re.split(r"[\s,;]+", value.strip())]
            if not all(name and sign and size for name, sign, size in pairs):
                raise ValueError(f'{value!r} is not written like "tp=2 replicas=3"')
            names = [name for name, _, _ in pairs]
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{', '.join(repeated)} is given more than once")
            value = {name: size for name, _, size in pairs}
        if isinstance(value, Mapping):
            for field in cls.model_fields:
                if len(both := [name for name in cls.names(field) if name in value]) > 1:
                    raise ValueError(f"{' and '.join(both)} are two names of one thing")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        words = {"type": "string", "examples": ["tp=2 replicas=3"]}
        return {"anyOf": [words, handler(schema)], "description": cls.__doc__}

    @classmethod
    def names(cls, field: str) -> tuple[str, ...]:
        """What a field may be called: its short name first, where it has one."""
        return names_of(cls, field)

    def __str__(self) -> str:
        given = self.model_dump(exclude_none=True)
        return " ".join(f"{self.names(name)[0]}={size}" for name, size in given.items())


class ServingScenario(Asked):
    """A model to serve. `on` says which accelerators there are; replicas fill them, unless `replicas` says how many.

    The load is either a `rate` of requests or a `concurrency` of clients that each wait for their answer; with neither,
    the answer is the highest rate within the goals.
    """

    prompt: Annotated[int, Field(ge=1, le=10**8, description="tokens of a request's prompt, on average")]
    output: Annotated[int, Field(ge=1, le=10**7, description="tokens of its answer, on average")]
    cached: Annotated[
        float, Field(ge=0, lt=1, description="share of the prompt whose keys and values a prefix cache holds")
    ] = 0.0
    prefixes: Annotated[
        int, Field(ge=0, le=10**9, description="beginnings that the cached share is of, kept as room lasts; 0: all are")
    ] = 0
    rate: Annotated[float | None, Field(gt=0, le=1e9, description="requests a second: 10/s, 600/min")] = None
    concurrency: Annotated[int | None, Field(ge=1, le=10**8, description="clients that wait for their answers")] = None
    spread: Annotated[
        float, Field(ge=0, le=5, description="standard deviation of prompts' and answers' lengths over their means")
    ] = 0.0
    burstiness: Annotated[
        float, Field(ge=0, le=20, description="coefficient of variation of the time between requests; 1: Poisson")
    ] = 1.0

    ttft: Annotated[Seconds | None, Field(description="goal for the time to the first token: 500ms")] = None
    tpot: Annotated[Seconds | None, Field(description="goal for the time per output token after it: 50ms")] = None
    latency: Annotated[Seconds | None, Field(description="goal for the whole answer: 20s")] = None
    percentile: Annotated[
        float, Field(ge=50, lt=100, description="of the requests that must meet the goals: 95 or p95")
    ] = 95.0

    tensor_parallel: Annotated[Count | None, _size("tp", "tensor_parallel", "accelerators that split each matrix")]
    pipeline_parallel: Annotated[Count | None, _size("pp", "pipeline_parallel", "stages of a replica")]
    expert_parallel: Annotated[
        Count | None, _size("ep", "expert_parallel", "accelerators among which experts are divided")
    ]
    data_parallel: Annotated[
        Count | None, _size("dp", "data_parallel", "groups within a replica that attend to requests of their own")
    ]
    replicas: Annotated[Count | None, Field(description="copies of the deployment; none: as many as there is room")] = (
        None
    )
    precision: Annotated[ServedPrecision, Field(description="number format of the weights")] = "bf16"
    kv_precision: Annotated[CachePrecision | None, Field(description="of keys and values; none: 16 bits")] = None
    prefill: Annotated[Pool | None, Field(description="replicas that only read prompts: tp=2 replicas=3")] = None
    decode: Annotated[Pool | None, Field(description="replicas that only decode; one of both makes two pools")] = None
    transfer: Annotated[
        float | None, Field(gt=0, le=1e15, description="of keys and values between pools, each accelerator: 400 Gbit/s")
    ] = None
    max_batch: Annotated[
        Count | None, Field(description="requests that a replica runs at once; none: the engine's")
    ] = None
    chunk: Annotated[
        int | None, Field(ge=0, le=10**7, description="prompt tokens of a step; 0: whole prompts; none: the engine's")
    ] = None
    speculative: Annotated[
        Method | None, Field(description="who proposes tokens ahead: draft (a small model), mtp (own modules), ngram")
    ] = None
    draft: Annotated[str | None, Field(min_length=1, description="the small model that proposes tokens")] = None
    draft_tokens: Annotated[int, Field(ge=1, le=64, description="tokens proposed for each step of the model")] = 3
    acceptance: Annotated[float, Field(ge=0, le=1, description="chance that a drafted token is accepted")] = 0.7
    adapters: Annotated[
        int, Field(ge=0, le=10**6, description="LoRA adapters of the model, of which each request has one; 0: none")
    ] = 0
    adapter_rank: Annotated[int, Field(ge=1, le=4096, description="rank of the adapters")] = 16
    engine: EngineName | None = None

    node: Annotated[str | None, Field(description="a node from the catalog; none: the accelerator's usual one")] = None
    network: Annotated[str | None, Field(description="network of one accelerator: 400 Gbit/s, or a link's name")] = None
    oversubscription: Annotated[float, Field(ge=1, le=1000, description="of the network's upper levels")] = 1.0

    peak_to_mean: Annotated[
        float, Field(ge=1, le=8, description="rate of the busiest hour over the day's mean; 1: always the same")
    ] = 1.0
    availability: Annotated[
        float, Field(ge=0, lt=1, description="share of the time in which enough replicas are up: 0.999")
    ] = 0.999
    price: Annotated[
        float | None, Field(ge=0, le=1e6, description="US dollars an accelerator-hour; none: the catalog's")
    ] = None
    place: Annotated[str, Field(min_length=1, description="whose grid supplies the power")] = "WORLD"
    pue: Annotated[float | None, Field(ge=1, le=5, description="facility's over computers' energy")] = None
    date: Annotated[
        str | None, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="of prices: 2026-08-01; none: the latest")
    ] = None

    @field_validator("rate", mode="before")
    @classmethod
    def _a_rate(cls, value: object) -> object:
        """Requests a second from text: "10/s", "600 requests/min", "10"."""
        return _quantity(value, "1/s", "request/s")

    @field_validator("ttft", "tpot", "latency", mode="before")
    @classmethod
    def _a_time(cls, value: object) -> object:
        """Seconds from text: "500ms"."""
        return _quantity(value, "s")

    @field_validator("transfer", mode="before")
    @classmethod
    def _a_bandwidth(cls, value: object) -> object:
        """B/s from text: "400 Gbit/s"."""
        return _quantity(value, "B/s")

    @field_validator("percentile", mode="before")
    @classmethod
    def _a_percentile(cls, value: object) -> object:
        """Percent from text: "p95", "95%", "95"."""
        if isinstance(value, str) and (found := re.fullmatch(r"\s*[pP]?\s*(\d+(?:\.\d+)?)\s*%?\s*", value)):
            return float(found[1])
        return value

    @model_validator(mode="after")
    def _one_load(self) -> Self:
        if self.rate is not None and self.concurrency is not None:
            raise ValueError("a load is a rate or a concurrency: give one of them")
        if self.prefixes and not self.cached:
            raise ValueError("prefixes are what prompts share: say the share of a prompt as well (cached)")
        if (self.speculative == "draft") != (self.draft is not None):
            raise ValueError("a draft model is named for speculation by draft, and for no other")
        return self

    @model_validator(mode="after")
    def _one_way_to_divide(self) -> Self:
        if not self.apart:
            if self.transfer is not None:
                raise ValueError("transfer is between pools: say prefill or decode as well")
            return self
        whole = [self.names(name)[0] for name in Pool.model_fields if getattr(self, name) is not None]
        if whole:
            raise ValueError(f"with pools, {', '.join(whole)} is said of each: prefill and decode")
        if self.output < 2:
            raise ValueError("answers of one token need no pool that decodes")
        return self

    @property
    def apart(self) -> bool:
        """Whether some replicas read prompts and others decode."""
        return self.prefill is not None or self.decode is not None

    @functools.cached_property
    def system(self) -> tuple[int, str]:
        """How many accelerators there are, and which. Raises `BadInput` and `UnknownName`."""
        return system(self.on)

    @property
    def engine_name(self) -> EngineName:
        """The engine: as given, else llama.cpp on Apple's chips and vLLM elsewhere."""
        if self.engine is not None:
            return self.engine
        return "llama.cpp" if catalog.accelerator(self.system[1]).architecture.startswith("Apple") else "vllm"

    def cluster(self, chips: int) -> Cluster:
        """`chips` of the accelerators, in nodes of the kind asked for. Raises `BadInput` and `UnknownName`."""
        network = rate_or_name(self.network)
        return cluster(chips, self.system[1], self.node, network=network, oversubscription=self.oversubscription)

    @property
    def goals(self) -> dict[str, float]:
        """The goals that are set, in seconds, by the names of their fields."""
        return {name: goal for name in ("ttft", "tpot", "latency") if (goal := getattr(self, name)) is not None}

    @property
    def sizes(self) -> dict[str, int] | None:
        """How a replica is divided, by fields of `Deployment`; None where nothing is said of it."""
        names = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel")
        given = {name: size for name in names if (size := getattr(self, name)) is not None}
        return {**dict.fromkeys(names, 1), **given} if given else None

    @property
    def context(self) -> int:
        """Tokens that a request holds at its end."""
        return self.prompt + self.output


def _quantity(value: object, *ways: str) -> object:
    """`value` in the first of the `ways` (units) that it reads as, of which the last is the one to speak of; other
    values are left to pydantic."""
    if not isinstance(value, str):
        return value
    problem = ""
    for unit in ways:
        try:
            found = units.parse(value, unit)
        except BadInput as error:
            problem = str(error)
        else:
            if math.isfinite(found):
                return found
    raise ValueError(problem or f"{value!r} is not finite")
