"""What the words in a published serving row mean: accelerators, engines, number formats, in our vocabulary."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from aistack import catalog
from aistack.errors import AistackError, BadInput
from aistack.evidence.serving_rows import ServingRow

Scenario = Literal["static", "closed", "offline", "rate"]
"""A batch that starts and ends together; a fixed number of requests at once; all requests at once, as many running as
fit; requests that arrive at a rate."""

_SCENARIOS: dict[str, Scenario] = {
    "static batch": "static",
    "single stream (batch 1)": "static",
    "fixed concurrency": "closed",
    "offline max throughput": "offline",
    "fixed request rate": "rate",
}

_ACCELERATORS = {
    "nvidia h100-sxm-80gb": "h100-sxm5",
    "nvidia h100-sxm-80gb (power capped)": "h100-sxm5",
    "nvidia h200-sxm-141gb": "h200-sxm",
    "nvidia h800": "h800-sxm5",
    "nvidia b200-sxm-180gb": "b200-sxm",
    "nvidia b200-sxm": "b200-sxm",
    "nvidia b300-sxm-270gb": "b300-sxm",
    "nvidia a100-sxm4-80gb": "a100-sxm4-80gb",
    "nvidia a100-sxm4-40gb": "a100-sxm4-40gb",
    "nvidia a100-pcie-80gb": "a100-pcie-80gb",
    "nvidia h100-pcie-80gb": "h100-pcie",
    "nvidia h100-nvl-94gb": "h100-nvl",
    "nvidia h200-nvl-141gb": "h200-nvl",
    "nvidia gh200 144gb": "gh200",
    "nvidia gh200 96gb": "gh200-96gb",
    "nvidia gb10 (dgx spark)": "dgx-spark-gb10",
    "nvidia rtx pro 6000 blackwell server edition": "rtx-pro-6000-server",
    "intel data center gpu max 1550": "intel-max-1550",
    "apple m2 ultra 76-core gpu": "apple-m2-ultra",
    "apple m1 max 32-core gpu": "apple-m1-max",
    "apple m3 max 40-core gpu": "apple-m3-max",
}
"""Names that the catalog writes in another way."""

_VARIANTS = {
    "nvidia a100 (variant not stated)": ("a100-sxm4-80gb", "the A100 on SXM4 with 80 GB"),
    "nvidia h100 (variant not stated)": ("h100-sxm5", "the H100 on SXM5"),
    "nvidia h200 (variant not stated)": ("h200-sxm", "the H200 on SXM"),
    "nvidia gh200": ("gh200", "the GH200 with 144 GB"),
}
"""Names of several accelerators: the likeliest, which a row does not state."""

_PARTS = {"inferentia2": 2, "trainium1": 2, "trainium2": 4}
"""Devices of frameworks on one accelerator of the catalog: sizes of plans count NeuronCores."""


@dataclass(frozen=True)
class Engine:
    """The engine of a row: its own name, and the profile of ours that stands for it."""

    name: str
    profile: Literal["vllm", "sglang", "tensorrt-llm", "llama.cpp"]
    assumption: str = ""


_ENGINES: tuple[tuple[str, str, Literal["vllm", "sglang", "tensorrt-llm", "llama.cpp"], bool], ...] = (
    # words, name, profile, whether the profile is of that engine
    (r"^vllm", "vllm", "vllm", True),
    (r"^sglang", "sglang", "sglang", True),
    (r"^tensorrt-llm", "tensorrt-llm", "tensorrt-llm", True),
    (r"llama\.cpp", "llama.cpp", "llama.cpp", True),
    (r"fastertransformer", "fastertransformer", "tensorrt-llm", False),
    (r"megatron-lm", "megatron-lm", "tensorrt-llm", False),
    (r"deepspeed-mii", "deepspeed-mii", "vllm", False),
    (r"deepspeed", "deepspeed", "vllm", False),
    (r"neuronx", "neuronx", "vllm", False),
    (r"^pytorch", "pytorch", "vllm", False),
    (r"exllama", "exllama", "llama.cpp", False),
    (r"autoawq", "autoawq", "llama.cpp", False),
    (r"^mlc", "mlc", "llama.cpp", False),
    (r"deepseek in-house", "deepseek", "sglang", False),
)


@dataclass(frozen=True)
class Formats:
    """Number formats that a row ran in, by the names of `aistack.serving.formats`."""

    weights: str
    kv: str
    assumptions: tuple[str, ...]
    stated: bool
    """Whether the row, or its model's name, says what the weights are."""


def scenario(row: ServingRow) -> Scenario:
    """How requests came. Raises `BadInput` for words that are none of those known."""
    try:
        return _SCENARIOS[row.scenario.lower()]
    except KeyError:
        known = ", ".join(repr(each) for each in _SCENARIOS)
        raise BadInput(f"the scenario {row.scenario!r} is none of {known}") from None


def accelerator(row: ServingRow) -> tuple[str, str, bool]:
    """The catalog's accelerator, what was assumed, and whether the row settles the variant. Raises `BadInput`."""
    if not row.accelerator:
        raise BadInput("the row names no accelerator")
    words = row.accelerator.lower()
    if words.startswith("api provider"):
        raise BadInput("a service's hardware is not disclosed")
    if words.startswith("mixed:"):
        raise BadInput("several kinds of accelerators served together")
    if words == "apple m4":
        raise BadInput("the catalog knows the M4 Max, and not the M4")
    if words in _VARIANTS:
        name, said = _VARIANTS[words]
        return name, said, False
    return _accelerator(words), "", "power capped" not in words


@functools.cache
def _accelerator(words: str) -> str:
    bare = re.sub(r"\([^)]*\)", " ", words)
    bare = " ".join(re.sub(r"\b(nvidia|amd|aws|intel|apple|instinct)\b", " ", bare).split())
    for each in (words, _ACCELERATORS.get(words, ""), bare):
        try:
            return catalog.accelerator(each).id
        except AistackError:
            continue
    raise BadInput(f"{words!r} is no accelerator of the catalog, or could be several of them")


def devices_per_chip(accelerator: str) -> int:
    """Devices that plans count on one accelerator of the catalog."""
    return _PARTS.get(accelerator, 1)


def engine(row: ServingRow) -> Engine:
    """The engine, with the profile that stands for it. Raises `BadInput` for one that none could stand for."""
    words = row.engine.lower()
    if not words:
        return Engine("not stated", "vllm", "the engine, which the row does not state, is taken for vLLM")
    for pattern, name, profile, own in _ENGINES:
        if re.search(pattern, words):
            return Engine(name, profile, "" if own else f"{row.engine} is taken for {profile}")
    raise BadInput(f"no engine here stands for {row.engine!r}")


def formats(row: ServingRow, accelerator: str, engine: Engine) -> Formats:
    """The formats of weights and cache. Raises `BadInput` for one that is not known."""
    said: list[str] = []
    weights, stated = _weights(row, accelerator, engine)
    if not row.precision:
        said.append(f"weights in {weights}")
    kv = _cache(row.kv_precision)
    if kv is None:
        kv = _usual_cache(weights, engine)
        if kv == "fp8":
            said.append("a KV cache in fp8")
    return Formats(weights, kv, tuple(said), stated)


def _weights(row: ServingRow, accelerator: str, engine: Engine) -> tuple[str, bool]:
    words = row.precision.lower()
    if "gpt-oss" in row.model.lower() and "fp4" in words:
        # its only 4-bit weights, whatever 4-bit name a table gives them
        return ("mxfp4_moe" if engine.profile == "llama.cpp" else "mxfp4"), True
    if not words:
        return _usual_weights(row, accelerator, engine)
    for pattern, name in (
        (r"nvfp4", "nvfp4"),
        (r"mxfp4", "mxfp4"),
        (r"^fp4", "nvfp4" if _generation(accelerator).startswith("blackwell") else "mxfp4"),
        (r"fp8_block", "fp8-block"),
        (r"^fp8", "fp8"),
        (r"^int8", "int8"),
        (r"^u?int4|awq|gptq", "int4"),
        (r"^q4_k", "q4_k_m"),
        (r"^q8_0", "q8_0"),
        (r"^bf16", "bf16"),
        (r"^fp16", "fp16"),
    ):
        if re.search(pattern, words):
            if name == "fp8" and _in_blocks(row):
                return "fp8-block", True
            return name, True
    raise BadInput(f"{row.precision!r} is no format of weights that is known here")


def _in_blocks(row: ServingRow) -> bool:
    """Whether a model's own fp8 weights have a scale for every block of 128 x 128, as DeepSeek-V3's and Qwen3's do."""
    return bool(re.search(r"deepseek-(v3|r1)|qwen3|minimax|glm-5", row.model.lower()))


def _usual_weights(row: ServingRow, accelerator: str, engine: Engine) -> tuple[str, bool]:
    """Weights of a row that does not state them, and whether its engine implies them: vLLM and SGLang load a model in
    the format in which it was published.
    """
    model = row.model.lower()
    if "ollama" in row.notes.lower():
        return ("mxfp4_moe" if "gpt-oss" in model else "q4_k_m"), False
    if "mlperf" in row.source.lower():
        return ("fp8" if "fp8" in catalog.accelerator(accelerator).peaks else "fp16"), False
    implied = engine.name in {"vllm", "sglang"}
    if "gpt-oss" in model:
        return "mxfp4", True
    if re.search(r"-fp8\b", model):
        return "fp8", True
    if re.search(r"minimax-m2|deepseek-(v3|r1)", model):
        return "fp8-block", implied
    return "fp16", implied


def _generation(accelerator: str) -> str:
    return str(catalog.accelerator(accelerator).architecture).lower()


def _cache(words: str) -> str | None:
    if not words:
        return None
    found = re.match(r"fp8|int8|fp16|bf16", words.lower())
    if not found:
        raise BadInput(f"{words!r} is no format of a KV cache that is known here")
    return found[0]


def _usual_cache(weights: str, engine: Engine) -> str:
    """16 bits, but fp8 where TensorRT-LLM builds small weights with it."""
    if engine.name == "tensorrt-llm" and weights in {"fp8", "fp8-block", "nvfp4"}:
        return "fp8"
    return "fp16" if weights == "fp16" else "bf16"


def speculation(row: ServingRow) -> str:
    """ "" where tokens are decoded one by one, else the method; "unknown" where the row cannot tell."""
    words = row.speculative.lower()
    if words.startswith("no"):
        return ""
    if "mtp" in words:
        return "mtp"
    if words:
        return "draft model"
    predicts = re.search(r"deepseek|glm-5|qwen3\.5", row.model.lower())
    return "unknown" if predicts and "MTP status not recorded" in row.notes else ""
