"""Number formats of a served model's weights and of its KV cache: bytes, and what the chip multiplies in.

A format is stored narrow and multiplied either in its own precision (activations are quantised on the way in) or, where
it is for weights alone or the chip has no such matrix engine, in 16 bits after being widened on the way in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aistack.errors import BadInput, UnknownName
from aistack.hardware.chip import Chip

HALF = ("bf16", "fp16", "fp32")


@dataclass(frozen=True)
class Format:
    """A format of weights."""

    name: str
    bytes: float
    """Of one element, with its share of scales."""
    computed: tuple[str, ...] = ()
    """Precisions of the chip that it is multiplied in, the first that the chip has; else 16 bits."""
    others: str = ""
    """Where a model has experts, the format of all else."""
    head: str = "bf16"
    """The format of the output matrix and the table of tokens."""

    def precision(self, chip: Chip) -> str:
        """What the chip multiplies it in."""
        return next(each for each in (*self.computed, *half(chip)) if each in chip.peak)

    def widened(self, chip: Chip) -> bool:
        """Whether the chip multiplies in 16 bits what is stored narrower."""
        return self.bytes < 2 and self.precision(chip) in HALF


WEIGHTS: Mapping[str, Format] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format("fp32", 4.0, ("tf32", "fp32")),
            Format("bf16", 2.0, ("bf16",)),
            Format("fp16", 2.0, ("fp16",)),
            Format("fp8", 1.0, ("fp8",)),
            Format("fp8-block", 1.0, ("fp8-block",)),
            Format("int8", 1.0, ("int8",)),
            Format("int8-weight", 1.0 + 2 / 128),
            Format("nvfp4", 9 / 16, ("nvfp4",)),
            Format("mxfp4", 17 / 32, ("mxfp8",), others="bf16"),
            Format("int4", 0.5 + 2.5 / 128),
            Format("q8_0", 34 / 32, head="q8_0"),
            Format("q6_k", 210 / 256, head="q6_k"),
            Format("q4_k_m", 4.85 / 8, head="q6_k"),
            Format("mxfp4_moe", 17 / 32, others="q8_0", head="q8_0"),
        )
    }
)
"""Weights by format. int4 is AWQ or GPTQ with a 16-bit scale and a zero for 128; nvfp4 has an 8-bit scale for 16, mxfp4
for 32 (as in gpt-oss, its experts alone); fp8-block is DeepSeek-V3's. The last four are llama.cpp's, which narrow the
output matrix too: 4.85 bits a weight over a Llama model, 210 bytes for 256 in q6_k (github.com/ggml-org/llama.cpp,
tools/quantize, ggml-common.h); its gpt-oss of 20.9 billion weights has 12.1 GB: all but the experts has 8 bits."""

CACHE: Mapping[str, float] = MappingProxyType(
    {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0 + 2 / 64, "int4": 0.5 + 4 / 64, "nvfp4": 9 / 16}
)
"""Bytes of one element of the KV cache."""


def weights(name: str) -> Format:
    """The weights' format called `name`; `UnknownName` if there is none."""
    if name not in WEIGHTS:
        raise UnknownName("format of weights", name, WEIGHTS)
    return WEIGHTS[name]


def cache_bytes(name: str) -> float:
    """Bytes of one element of the KV cache; `UnknownName` for an unknown format."""
    if name not in CACHE:
        raise UnknownName("format of the KV cache", name, CACHE)
    return CACHE[name]


def half(chip: Chip) -> tuple[str, ...]:
    """The chip's 16-bit precisions, or what comes nearest; `BadInput` where it has none."""
    found = tuple(each for each in HALF if each in chip.peak)
    if not found:
        raise BadInput(f"{chip.name} multiplies neither in 16 nor in 32 bits, so that no model is served on it.")
    return found
