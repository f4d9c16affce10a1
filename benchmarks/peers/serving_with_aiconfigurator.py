"""aiconfigurator (NVIDIA, github.com/ai-dynamo/aiconfigurator): its `cli_estimate`.

- It looks up kernels that NVIDIA measured on the chip and in the engine that a row names, in the engine's release that
  it takes by itself; where it has no measurement it answers in its "HYBRID" mode, which fills in its own formulas.
- No efficiency is among its inputs. Chips whose kernels it has not measured are refused; it has none for other makers.
- Models that it knows go by their names, dense ones that it does not know by a `config.json`, as its documentation
  says.
- A static batch is its static mode; anything else its continuous batching, at the row's requests at once an instance
  and attention group, or as many as fit. Rows with a rate are refused: it takes none.
- Sizes, formats and disaggregated instances are mapped as its own adapter of InferenceX's records does
  (`sdk/config_adapter/inferencex.py`), to the row's formats.
- The list of its measured releases, which it would read from its files anew in every call, is remembered, and shapes
  that it ships are taken from there (two of them it would fetch from elsewhere).
"""

from __future__ import annotations

import functools
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from aiconfigurator.cli import api
from aiconfigurator.sdk import common, perf_database
from worker import Answer, Job, Refusal, serve

SYSTEMS = {
    "a100-sxm4-80gb": "a100_sxm",
    "b200-sxm": "b200_sxm",
    "b300-sxm": "b300_sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "h100-sxm5": "h100_sxm",
    "h200-sxm": "h200_sxm",
    "l40s": "l40s",
    "rtx-pro-6000-server": "rtx_pro_6000_server",
}
ENGINES = {"vllm": "vllm", "sglang": "sglang", "tensorrt-llm": "trtllm"}
MODELS = {
    "deepseek-r1": "deepseek-ai/DeepSeek-R1",
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "kimi-k2.5": "moonshotai/Kimi-K2.5",
    "llama-3-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3-8b": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.1-405b": "meta-llama/Meta-Llama-3.1-405B",
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.3-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-4-maverick": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
    "mixtral-8x22b": "mistralai/Mixtral-8x22B-v0.1",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "nemotron-3-super-120b-a12b": "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B",
    "qwen3-32b": "Qwen/Qwen3-32B",
    "qwen3-8b": "Qwen/Qwen3-8B",
}
"""Of models whose shape it ships, under which name; Llama 3 has the shape of Llama 3.1."""
FORMATS = {
    "bf16": "bfloat16",
    "fp16": "bfloat16",
    "fp8": "fp8",
    "fp8-block": "fp8_block",
    "int4": "int4_wo",
    "int8": "sq",
    "int8-weight": "int8_wo",
    "nvfp4": "nvfp4",
}
CACHES = {"bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "int8": "int8"}
"""Formats in its words; mxfp4 is what it takes for gpt-oss by itself."""

folder = tempfile.TemporaryDirectory()


@functools.cache
def written(name: str, fields: str) -> str:
    """A folder with a dense model's `config.json`, as its documentation offers for models that it does not know."""
    path = Path(folder.name) / name
    path.mkdir()
    (path / "config.json").write_text(fields, encoding="utf-8")
    return str(path)


def model_path(job: Job) -> str:
    model = job["model"]
    if model["name"] in MODELS:
        return MODELS[model["name"]]
    if model["experts"] > 1 or not model["gated"] or not model["heads"]:
        raise Refusal(f"does not know the model {model['name']}")
    fields = {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": model["hidden"],
        "intermediate_size": model["ffn"],
        "max_position_embeddings": 131072,
        "num_attention_heads": model["heads"],
        "num_hidden_layers": model["layers"],
        "num_key_value_heads": model["kv_heads"],
        "head_dim": model["head_dim"],
        "vocab_size": model["vocab"],
        "model_type": "llama",
    }
    return written(model["name"], json.dumps(fields))


def quantised(job: Job) -> dict[str, str]:
    weights, cache = job["weights"]["format"], job["cache"]["format"]
    if cache not in CACHES:
        raise Refusal(f"has no cache in {cache}")
    given = {"kvcache_quant_mode": CACHES[cache]}
    if weights == "mxfp4":
        return given  # the model's own
    if weights not in FORMATS:
        raise Refusal(f"has no weights in {weights}")
    given["gemm_quant_mode"] = FORMATS[weights]
    if job["model"]["experts"] > 1:
        given["moe_quant_mode"] = FORMATS[weights]
    return given


def sizes(job: Job, pool: dict[str, int]) -> dict[str, int]:
    given = {"tp_size": pool["tp"], "pp_size": pool["pp"], "attention_dp_size": pool["dp"]}
    if job["model"]["experts"] > 1:
        ranks = pool["tp"] * pool["dp"]
        given |= {"moe_tp_size": ranks // pool["ep"], "moe_ep_size": pool["ep"]}
    return given


def loaded(job: Job) -> dict[str, Any]:
    """The arguments that say how, and under which load, a row was served."""
    pool, reader = job["pool"], job["prefill_pool"]
    if job["rate"] is not None:
        raise Refusal("takes no rate of arrivals")
    if not job["prompt"]:
        raise Refusal("does not decode alone")
    flight = job["concurrency"] or job["most"] * pool["instances"]
    batch = max(1, round(flight / pool["instances"] / pool["dp"]))
    if reader:
        given = {f"decode_{name}": value for name, value in sizes(job, pool).items()}
        given |= {f"prefill_{name}": value for name, value in sizes(job, reader).items()}
        given |= {"prefill_batch_size": 1, "prefill_num_workers": reader["instances"]}
        return given | {"mode": "disagg", "decode_batch_size": batch, "decode_num_workers": pool["instances"]}
    mode = "static" if job["scenario"] == "static" else "agg"
    return {**sizes(job, pool), "mode": mode, "batch_size": batch}


def predict(job: Job, _efficiency: None) -> Answer:
    if job["chip"]["name"] not in SYSTEMS:
        raise Refusal(f"has not measured {job['chip']['name']}")
    if job["engine"] not in ENGINES:
        raise Refusal(f"does not know the engine {job['engine']}")
    asked = {
        "model_path": model_path(job),
        "system_name": SYSTEMS[job["chip"]["name"]],
        "backend_name": ENGINES[job["engine"]],
        "isl": max(1, round(job["held"] + job["prompt"])),
        "prefix": round(job["held"]),
        # an answer of one token is a prompt read: the second is asked for and not counted
        "osl": max(2, round(job["output"])),
        **quantised(job),
        **loaded(job),
    }
    return answered(job, estimated(asked))


def estimated(asked: dict[str, Any]) -> Any:
    """Its estimate from measurements, or with its formulas where some are missing."""
    reason = ""
    for mode in ("SILICON", "HYBRID"):
        try:
            return api.cli_estimate(**asked, database_mode=mode)
        except Exception as error:  # the package raises what its layers raise
            reason = reason or f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
    raise Refusal(reason)


def answered(job: Job, found: Any) -> Answer:
    """Milliseconds to seconds; output tokens/s of all instances."""
    answer: dict[str, Any] = {"ttft": float(found.ttft) / 1e3}
    if job["output"] >= 2:
        answer["tpot"] = float(found.tpot) / 1e3
        whole = 1 if job["prefill_pool"] else job["pool"]["instances"]
        answer["throughput"] = float(found.raw["tokens/s"]) * whole
    return answer


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for name in ("get_supported_databases", "get_latest_database_version"):
        setattr(perf_database, name, functools.cache(getattr(perf_database, name)))
    common.DefaultHFModels.update(MODELS.values())
    serve(predict)
