"""vLLM: the arguments of `vllm serve` for a plan.

Written for vLLM 0.11 (`vllm/engine/arg_utils.py`, the V1 engine). With experts in parallel it divides them among all
tensor and data ranks; `--max-num-seqs` and `--max-num-batched-tokens` count for each data rank.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from aistack.launch.serving_program import (
    FORMATS,
    Metrics,
    Replica,
    Router,
    ServingProgram,
    checkpoint,
    expressible,
    hosts,
    longest,
    memory_fraction,
    per_group,
    repository,
    resident,
    served_formats,
)
from aistack.serving.deployment import Deployment, Speculation
from aistack.serving.pool_capacity import Half

NAME = "vLLM 0.11"
IMAGE = "vllm/vllm-openai:v0.11.0"
IMAGE_AMD = "rocm/vllm:latest"

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Of LoRA adapters, what it keeps room for."""
CACHE = {"bf16": "auto", "fp16": "auto", "fp8": "fp8"}
METRICS = Metrics(
    path="/metrics",
    ttft="vllm:time_to_first_token_seconds",
    tpot="vllm:request_time_per_output_token_seconds",
    latency="vllm:e2e_request_latency_seconds",
    running="vllm:num_requests_running",
    waiting="vllm:num_requests_waiting",
    finished="vllm:request_success_total",
)


def program(answer: Replica) -> ServingProgram:
    """The command that starts a replica. Raises `BadInput` naming everything that vLLM cannot express."""
    plan = answer.deployment
    ranks = plan.tensor_parallel * plan.data_parallel
    expressible(NAME, {
        served_formats(FORMATS, plan.precision): plan.precision not in FORMATS,
        f"its cache is in 16 bits or fp8, not {plan.kv_precision}.": plan.kv_precision not in CACHE,
        f"experts are divided among all {ranks} tensor and data ranks, or not at all.":
            plan.expert_parallel not in {1, ranks},
        "pipeline stages do not go with data ranks of one replica.":
            plan.pipeline_parallel > 1 and plan.data_parallel > 1,
        "draft models came with a later version; take mtp or ngram.":
            plan.speculative is not None and plan.speculative.method == "draft",
        f"its adapters have ranks up to {RANKS[-1]}.": plan.adapters is not None and plan.adapters.rank > RANKS[-1],
    })  # fmt: skip
    return ServingProgram(
        engine=NAME,
        image=IMAGE_AMD if hosts(answer).amd else IMAGE,
        command=("vllm", "serve"),
        options=tuple(_options(answer, plan)),
        listen=("--host", "--port"),
        metrics=METRICS,
        adapters="--lora-modules" if plan.adapters else "",
        note="" if FORMATS[plan.precision] else checkpoint(plan.precision),
    )


def _options(answer: Replica, plan: Deployment) -> Iterator[str]:
    yield from ("--served-model-name", repository(answer))
    yield from ("--tensor-parallel-size", str(plan.tensor_parallel))
    if plan.pipeline_parallel > 1:
        yield from ("--pipeline-parallel-size", str(plan.pipeline_parallel))
    if plan.data_parallel > 1:
        yield from ("--data-parallel-size", str(plan.data_parallel))
    if plan.expert_parallel > 1:
        yield "--enable-expert-parallel"
    yield from FORMATS[plan.precision]
    if plan.kv_precision == "fp8":
        yield from ("--kv-cache-dtype", CACHE["fp8"])
    yield from ("--max-model-len", str(longest(answer)))
    yield from ("--max-num-seqs", str(per_group(answer)))
    if plan.chunk:
        yield from ("--max-num-batched-tokens", str(max(plan.chunk, per_group(answer))))
    else:
        yield "--no-enable-chunked-prefill"
        yield from ("--max-num-batched-tokens", str(max(8192, longest(answer))))
    yield from ("--gpu-memory-utilization", f"{memory_fraction(answer):g}")
    if answer.scenario.cached:
        yield "--enable-prefix-caching"
    if plan.adapters is not None:
        rank = next(each for each in RANKS if each >= plan.adapters.rank)
        yield from ("--enable-lora", "--max-loras", str(resident(answer)), "--max-lora-rank", str(rank))
        yield from ("--max-cpu-loras", str(plan.adapters.count))
    if plan.speculative is not None:
        yield from ("--speculative-config", json.dumps(_speculation(plan.speculative)))


def _speculation(method: Speculation) -> dict[str, object]:
    looked_up = {"prompt_lookup_max": 4} if method.method == "ngram" else {}
    return {"method": method.method, "num_speculative_tokens": method.tokens, **looked_up}


ROUTER = Router(
    name="vLLM Router 0.1.17",
    image="python:3.12-slim",
    command=("vllm-router", "--vllm-pd-disaggregation", "--policy", "round_robin"),
    packages=("vllm-router==0.1.17",),
)
SIDE_CHANNEL = 5600
"""Where the first accelerator tells others how to read its cache; the others' follow."""


def half(program: ServingProgram, which: Half, prefill: Deployment, decode: Deployment) -> ServingProgram:
    """The program of one of two pools: caches pass through NIXL, read by the replica that decodes. Which pool a server
    is in the router decides; its role only says so. Raises `BadInput`."""
    expressible(NAME, {
        "caches are handed on to as many tensor ranks, or a multiple of them: decode takes fewer than prefill.":
            decode.tensor_parallel % prefill.tensor_parallel != 0,
        "pipeline stages do not go with handing caches on.":
            max(prefill.pipeline_parallel, decode.pipeline_parallel) > 1,
    })  # fmt: skip
    role = {"prefill": "kv_producer", "decode": "kv_consumer"}[which]
    transfer = json.dumps({"kv_connector": "NixlConnector", "kv_role": role})
    return replace(
        program,
        options=(*program.options, "--kv-transfer-config", transfer),
        environment=(
            f"# NIXL's own address, which the other pool reaches: ports from {SIDE_CHANNEL} on, one an accelerator",
            'export VLLM_NIXL_SIDE_CHANNEL_HOST="${ADDRESS:-127.0.0.1}"',
            f'export VLLM_NIXL_SIDE_CHANNEL_PORT="$(({SIDE_CHANNEL} + FIRST))"',
        ),
        packages=("nixl>=0.5.1",),
    )
