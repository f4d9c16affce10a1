"""TensorRT-LLM: the arguments of `trtllm-serve` for a plan, and the file of options that the command line lacks.

Written for TensorRT-LLM 1.1 (`tensorrt_llm/commands/serve.py`, the PyTorch backend). Its `--tp_size` counts all ranks
of a layer; with attention in parallel over requests every rank is a group of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from aistack.launch.serving_program import (
    Metrics,
    Replica,
    Router,
    ServingProgram,
    as_yaml,
    checkpoint,
    expressible,
    hosts,
    longest,
    per_group,
    resident,
    served_formats,
)
from aistack.serving.deployment import Deployment, Speculation
from aistack.serving.pool_capacity import Half

NAME = "TensorRT-LLM 1.1"
IMAGE = "nvcr.io/nvidia/tensorrt-llm/release:1.1.0"
OPTIONS = "options.yaml"

FORMATS = ("bf16", "fp16", "fp8", "fp8-block", "int8-weight", "int4", "nvfp4", "mxfp4")
"""All of them are read from the checkpoint."""
LORA_TARGETS = ["attn_q", "attn_k", "attn_v", "attn_dense", "mlp_h_to_4h", "mlp_gate", "mlp_4h_to_h"]
"""Its names of a layer's matrices."""
CACHE = {"bf16": "auto", "fp16": "auto", "fp8": "fp8", "nvfp4": "nvfp4"}
METRICS = Metrics(
    path="/prometheus/metrics",
    ttft="trtllm_time_to_first_token_seconds",
    tpot="trtllm_time_per_output_token_seconds",
    latency="trtllm_e2e_request_latency_seconds",
    running="trtllm_num_requests_running",
    waiting="trtllm_num_requests_waiting",
    finished="trtllm_request_success_total",
)


def program(answer: Replica) -> ServingProgram:
    """The command that starts a replica. Raises `BadInput` naming everything that TensorRT-LLM cannot express."""
    plan = answer.deployment
    ranks = plan.tensor_parallel * plan.data_parallel
    expressible(NAME, {
        "it runs on NVIDIA's accelerators alone.": hosts(answer).amd,
        served_formats(FORMATS, plan.precision): plan.precision not in FORMATS,
        f"its cache is in 16 bits, fp8 or nvfp4, not {plan.kv_precision}.": plan.kv_precision not in CACHE,
        "attention in parallel over requests leaves no tensor parallelism to it; use one of them.":
            plan.data_parallel > 1 and plan.tensor_parallel > 1,
        f"experts are divided among a part of the {ranks} ranks of a layer.": ranks % plan.expert_parallel != 0,
    })  # fmt: skip
    halves = plan.precision in {"bf16", "fp16"}
    return ServingProgram(
        engine=NAME,
        image=IMAGE,
        command=("trtllm-serve",),
        options=tuple(_options(answer, plan)),
        listen=("--host", "--port"),
        metrics=METRICS,
        files={OPTIONS: as_yaml(_settings(answer, plan))},
        note="" if halves else checkpoint(plan.precision),
    )


def _options(answer: Replica, plan: Deployment) -> Iterator[str]:
    yield from ("--tp_size", str(plan.tensor_parallel * plan.data_parallel))
    yield from ("--pp_size", str(plan.pipeline_parallel))
    if plan.expert_parallel > 1:
        yield from ("--ep_size", str(plan.expert_parallel))
    yield from ("--max_seq_len", str(longest(answer)))
    yield from ("--max_batch_size", str(per_group(answer)))
    yield from ("--max_num_tokens", str(plan.chunk or max(8192, longest(answer))))
    yield from ("--extra_llm_api_options", OPTIONS)


def _settings(answer: Replica, plan: Deployment) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "enable_chunked_prefill": plan.chunk > 0,
        "kv_cache_config": {
            "dtype": CACHE[plan.kv_precision],
            "enable_block_reuse": answer.scenario.cached > 0,
            "free_gpu_memory_fraction": 0.9,
        },
        # times and counts of requests at /prometheus/metrics
        "return_perf_metrics": True,
        "enable_iter_perf_stats": True,
    }
    if plan.data_parallel > 1:
        settings["enable_attention_dp"] = True
    if plan.adapters is not None:
        # requests bring an adapter's name and folder
        settings["lora_config"] = {
            "lora_target_modules": LORA_TARGETS,
            "max_lora_rank": plan.adapters.rank,
            "max_loras": resident(answer),
            "max_cpu_loras": plan.adapters.count,
        }
    if plan.speculative is not None:
        settings["speculative_config"] = _speculation(plan.speculative)
    return settings


def _speculation(method: Speculation) -> dict[str, Any]:
    if method.method == "mtp":
        return {"decoding_type": "MTP", "num_nextn_predict_layers": method.tokens}
    if method.method == "ngram":
        return {"decoding_type": "NGram", "max_draft_len": method.tokens, "max_matching_ngram_size": 4}
    return {"decoding_type": "DraftTarget", "max_draft_len": method.tokens, "speculative_model_dir": method.draft}


ROUTER = Router(name=NAME, image=IMAGE, command=("trtllm-serve", "disaggregated", "-c"), file=True)


def half(program: ServingProgram, which: Half, prefill: Deployment, decode: Deployment) -> ServingProgram:
    """The program of one of two pools: caches pass over UCX, through a buffer for the longest request. Reading prompts
    does not overlap with scheduling there (`examples/disaggregated`). Raises `BadInput`."""
    expressible(NAME, {
        "both pools speculate alike, or neither.": prefill.speculative != decode.speculative,
    })  # fmt: skip
    values = dict(itertools.pairwise(program.options))
    settings = yaml.safe_load(program.files[OPTIONS])
    settings["cache_transceiver_config"] = {"backend": "UCX", "max_tokens_in_buffer": int(values["--max_seq_len"])}
    if which == "prefill":
        settings["disable_overlap_scheduler"] = True
    own = f"{which}.yaml"
    options = tuple(own if word == OPTIONS else word for word in program.options)
    return replace(program, options=options, files={own: as_yaml(settings)})
