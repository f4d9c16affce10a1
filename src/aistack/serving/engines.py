"""What a serving engine makes of the hardware: a few named constants, fitted on published measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from aistack.catalog.fitted import Constant, constants
from aistack.errors import UnknownName
from aistack.hardware.chip import Chip

ENGINES = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "aistack", "vllm-v0", "llama.cpp-2024")
"""The last two are vLLM before its V1 engine (January 2025, release 0.8 by default), and llama.cpp before it had fused
attention unless asked otherwise."""
OLDER = MappingProxyType({"vllm-v0": "vllm", "llama.cpp-2024": "llama.cpp"})
"""Profiles of old releases, and the engine whose constants stand where they have none of their own."""
PAUSES = ("sglang", "vllm-v0")
"""Engines that by default read prompts in steps of their own (SGLang mixes only with --enable-mixed-chunk, vLLM's old
engine with --enable-chunked-prefill)."""
AFTER_WEIGHTS = ("tensorrt-llm",)
"""Engines whose `memory_fraction` is of what the weights leave (kv_cache_config.free_gpu_memory_fraction); vLLM's
gpu_memory_utilization and SGLang's mem_fraction_static are of the whole."""


DEFAULTS = MappingProxyType(
    {
        "vllm": (256, 8192),
        "vllm-v0": (256, 0),
        "sglang": (1024, 8192),
        "tensorrt-llm": (2048, 8192),
        "llama.cpp": (64, 512),
        "llama.cpp-2024": (64, 512),
        "aistack": (16, 256),
    }
)
"""Sequences at once and tokens of a step that engines take unless they are told otherwise: vLLM's max_num_seqs and
max_num_batched_tokens, SGLang's chunked_prefill_size, trtllm-serve's max_batch_size and max_num_tokens, llama.cpp's
ubatch size (it serves few sequences at once)."""


@dataclass(frozen=True)
class ServingEngine:
    """A serving engine on one kind of accelerator, as far as its time and memory are concerned."""

    name: str
    mixes: bool
    """Whether prompts are read beside decoding sequences, in the same steps; else decoding pauses for them."""
    step_overhead: float
    """Seconds a step beside the accelerator's work: scheduling, preparing inputs, sampling."""
    sequence_overhead: float
    """Seconds a step for each sequence in it: its place in the batch, detokenisation."""
    request_overhead: float
    """Seconds from a request's arrival to its place in the queue: HTTP, tokenisation."""
    gap: float
    """Seconds a kernel takes however small it is, launched as part of a captured graph."""
    dispatch: float
    """Seconds that the host needs to launch one kernel where none is captured."""
    captured: float
    """Rows of the largest step that is captured as a graph; 0 where none is."""
    compute: float
    """What products bound by arithmetic sustain inside an engine, over what they sustain alone."""
    own_kernels: float
    """The same of an engine's own kernels, over the libraries'."""
    memory: float
    """Share of the memory's datasheet bandwidth at which weights stream."""
    experts: float
    """The same of experts' products, over other products."""
    attention: float
    """Share of the memory's datasheet bandwidth at which attention reads the cache."""
    prompt_attention: float
    """What attention over a prompt sustains, over the fastest kernels measured alone."""
    dequantisation: float
    """What products sustain whose weights are widened on the way in, over those in 16 bits, where arithmetic binds."""
    traffic: float
    """Bytes that memory-bound kernels move, over those of fully fused ones."""
    communication: float
    """Time of collectives, over that of the library's measured alone."""
    burst: float
    """How far prompts of concurrent clients come at once: 0 evenly spaced, 1 as if each client were independent."""
    memory_fraction: float
    """Of the accelerator's memory, or of what the weights leave of it, what the engine takes."""
    runtime_memory: float
    """Bytes of the accelerator's context, captured graphs and communication buffers."""


CONSTANTS = tuple(field.name for field in fields(ServingEngine) if field.name not in {"name", "mixes"})
"""The fields that are fitted constants or settings of the engine."""


def keys(name: str, chip: Chip | None = None) -> tuple[str, ...]:
    """What constants of the engine `name` on `chip` may belong to, the most particular first."""
    older = (OLDER[name],) if name in OLDER else ()
    places = (chip.name, chip.family) if chip else ()
    return (*(f"{name}/{place}" for place in places), name, *older, *places, "all")


def engine(name: str, chip: Chip | None = None, fitted: Mapping[str, Constant] | None = None) -> ServingEngine:
    """The engine called `name`, with its constants on `chip` where they differ by its family.

    `fitted` replaces the shipped constants. Raises `UnknownName`.
    """
    if name not in ENGINES:
        raise UnknownName("serving engine", name, ENGINES)
    known, places = constants("serving") if fitted is None else fitted, keys(name, chip)
    values: dict[str, float] = {constant: known[constant].nearest(*places)[1] for constant in CONSTANTS}
    return ServingEngine(name=name, mixes=name not in PAUSES, **values)


def stacked(engines: Sequence[ServingEngine]) -> ServingEngine:
    """One engine whose constants are arrays, a value for each of `engines`, for as many deployments."""
    values: dict[str, Any] = {name: np.array([getattr(each, name) for each in engines]) for name in CONSTANTS}
    return replace(engines[0], **values)
