"""The reader's scenario: one model, one system, one job. Every page is rendered for one."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aistack import catalog
from aistack.book.number import Number, fact
from aistack.catalog import problems
from aistack.catalog.architecture import ModelSpec
from aistack.errors import BadInput
from aistack.hardware.chip import PEAKS, Chip, chip
from aistack.scenario import ServingScenario, TrainingScenario
from aistack.scenario.serving import ServedPrecision

if TYPE_CHECKING:
    from aistack.catalog import Accelerator

Job = Literal["train", "serve", "tune"]
Size = Annotated[int, Field(ge=1, le=10**7)]

_COUNTED = re.compile(r"(\d{1,30}(?:\.\d{1,30})?(?:[eE]\+?\d{1,2})?)([kKMBT]?)")
_POWERS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Setting(BaseModel):
    """Which model, on which system, for which job. Names are the catalog's; they may be given as people write them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    job: Job = "train"
    model: str = "llama-3.1-8b"
    accelerator: str = "h100-sxm5"
    count: Annotated[int, Field(ge=1, le=10**6, description="accelerators")] = 8

    tokens: Annotated[float, Field(gt=0, le=1e18, description="of the whole training run")] = 1e12
    sequence: Annotated[Size, Field(description="tokens of a training sequence")] = 8192
    batch: Annotated[Size, Field(description="sequences of a training step")] = 256
    tensor_parallel: Annotated[Size | None, Field(description="none: the best plan is searched for")] = None
    pipeline_parallel: Annotated[Size | None, Field(description="none: the best plan is searched for")] = None
    lora_rank: Annotated[int, Field(ge=1, le=1024, description="of the adapters that tuning trains")] = 16

    prompt: Annotated[Size, Field(description="tokens of a request")] = 1024
    output: Annotated[Size, Field(description="tokens of its answer")] = 256
    rate: Annotated[float | None, Field(gt=0, le=1e6, description="requests a second; none: the most")] = None
    ttft: Annotated[float, Field(gt=0, le=1e4, description="goal for the time to the first token, s")] = 2.0
    tpot: Annotated[float, Field(gt=0, le=1e4, description="goal for the time per output token, s")] = 0.05
    precision: Annotated[ServedPrecision, Field(description="number format of served weights")] = "bf16"

    @field_validator("count", "tokens", "sequence", "batch", "prompt", "output", mode="before")
    @classmethod
    def _counted(cls, value: object) -> object:
        """Numbers as people type them: "16,384", "1 T"."""
        if isinstance(value, str) and (found := _COUNTED.fullmatch(re.sub(r"[\s,_]", "", value))):
            counted = float(found[1]) * _POWERS[found[2].upper()]
            return int(counted) if counted.is_integer() else counted
        return value

    @field_validator("model")
    @classmethod
    def _a_model(cls, name: str) -> str:
        # by its name in the catalog alone: a setting comes from a URL, and a URL must not name files
        return str(catalog.kind("model").load(name).id)

    @field_validator("accelerator")
    @classmethod
    def _an_accelerator(cls, name: str) -> str:
        return chip(name).name

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """A setting from plain values. Raises `BadInput` naming every problem, `UnknownName` for names."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            lines = [line for each in error.errors() for line in problems.message(cls, each)]
            raise BadInput("\n".join(["The scenario cannot be used:", *(f"  {line}" for line in lines)])) from None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """A setting from a URL's query; `preset` names one of `PRESETS`, and the other fields change it."""
        from aistack.errors import UnknownName

        given = dict(query)
        name = given.pop("preset", None)
        if name is not None and name not in PRESETS:
            raise UnknownName("preset", name, PRESETS)
        start = PRESETS[name].changed if name else {}
        return cls.of({**start, **given})

    @property
    def changed(self) -> dict[str, object]:
        """The fields that differ from their defaults."""
        return self.model_dump(exclude_defaults=True)

    def query(self) -> str:
        """The URL's query that names this setting; empty for the default one. A preset's is its name."""
        named = next((name for name, preset in PRESETS.items() if preset == self and self.changed), None)
        if named:
            return urlencode({"preset": named})
        return urlencode(
            {key: f"{value:.15g}" if isinstance(value, float) else value for key, value in self.changed.items()}
        )

    @property
    def on(self) -> str:
        """The system as scenarios write it: "8xh100-sxm5"."""
        return f"{self.count}x{self.accelerator}"

    @property
    def spec(self) -> ModelSpec:
        """The model's architecture."""
        return catalog.model(self.model).spec

    @property
    def chip(self) -> Chip:
        """The accelerator as layer 1 prices kernels on it."""
        return chip(self.accelerator)

    @property
    def matrix_format(self) -> str:
        """The 16-bit format that the accelerator multiplies matrices in; of one that has none, its widest."""
        return next((name for name in ("bf16", "fp16") if name in self.chip.peak), next(iter(self.chip.peak)))

    @property
    def peak(self) -> Number:
        """The accelerator's dense peak in that format."""
        known = self.facts.peaks
        return fact(self.accelerator, f"peaks.{next(each for each in PEAKS[self.matrix_format] if each in known)}", 3)

    @property
    def bandwidth(self) -> Number:
        """Of the accelerator's memory; of one that keeps all data on the chip, of that."""
        field = "memory_bandwidth" if self.facts.memory_bandwidth else "on_chip.bandwidth"
        return fact(self.accelerator, field, 3)

    @property
    def facts(self) -> Accelerator:
        """The accelerator's entry in the catalog."""
        return catalog.accelerator(self.accelerator)

    def training(self) -> TrainingScenario:
        """The same model trained on the same system (tuned with adapters where that is the job).

        Where no plan is given it is the fastest of all that fit; where none fits, the one that needs least memory, so a
        page looks at the answer's `fits`. Raises what scenarios raise.
        """
        return _training(self)

    def serving(self) -> ServingScenario:
        """The same model served on the same system, within the goals. Raises what scenarios raise."""
        asked = {name: getattr(self, name) for name in ("model", "on", "prompt", "output", "ttft", "tpot", "precision")}
        return ServingScenario.from_mapping(asked if self.rate is None else {**asked, "rate": self.rate})


@functools.lru_cache(maxsize=64)
def _training(setting: Setting) -> TrainingScenario:
    from aistack.scenario.search import planned, search

    parallel = {
        "tensor_parallel": setting.tensor_parallel or 1,
        "pipeline_parallel": setting.pipeline_parallel or 1,
    }
    scenario = TrainingScenario.from_mapping(
        {
            "model": setting.model,
            "on": setting.on,
            "seq_len": setting.sequence,
            "global_batch": setting.batch,
            "tokens": setting.tokens,
            "lora_rank": setting.lora_rank if setting.job == "tune" else 0,
            "precision": "bf16" if "bf16" in setting.chip.peak else next(iter(setting.chip.peak)),
            **parallel,
        }
    )
    if setting.tensor_parallel or setting.pipeline_parallel or setting.count == 1:
        return scenario
    found = search(scenario, best=1)
    return found.plans[0].scenario if found.plans else planned(scenario, found.smallest.plan)


PRESETS: Mapping[str, Setting] = MappingProxyType(
    {
        "train-405b": Setting(
            job="train",
            model="llama-3.1-405b",
            accelerator="h100-sxm5",
            count=16384,
            tokens=15.6e12,
            batch=2048,
            tensor_parallel=8,
            pipeline_parallel=16,
            precision="fp8",
        ),
        "serve-70b": Setting(job="serve", model="llama-3.3-70b", accelerator="h100-sxm5", count=8),
        "8b-on-a-laptop": Setting(
            job="serve",
            model="llama-3.1-8b",
            accelerator="apple-m1-max",
            count=1,
            precision="q4_k_m",
            ttft=30.0,
            tpot=0.2,
            sequence=2048,
            batch=8,
            tokens=1e6,
        ),
        "tune-on-one-gpu": Setting(
            job="tune", model="llama-3.1-8b", accelerator="h100-sxm5", count=1, sequence=4096, batch=16, tokens=5e7
        ),
    }
)
"""Scenarios by name: a training run of a frontier model, a chat model on one node, a laptop, a fine-tuning."""
