"""SGLang: the arguments of `sglang.launch_server` for a plan.

Written for SGLang 0.5 (`python/sglang/srt/server_args.py`). Its `--tp-size` counts all ranks of a layer; with
`--enable-dp-attention` groups of them attend to requests of their own. `--max-running-requests` counts for all groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from aistack.launch import serving_program
from aistack.launch.serving_program import (
    Metrics,
    Replica,
    Router,
    ServingProgram,
    checkpoint,
    expressible,
    hosts,
    longest,
    repository,
    resident,
    served_formats,
)
from aistack.serving.deployment import Deployment, Speculation
from aistack.serving.pool_capacity import Half

NAME = "SGLang 0.5"
IMAGE = "lmsysorg/sglang:v0.5.4"
IMAGE_AMD = "rocm/sgl-dev:latest"

FORMATS = {name: words for name, words in serving_program.FORMATS.items() if name != "int8-weight"}
CACHE = {"bf16": "auto", "fp16": "auto", "fp8": "fp8_e4m3"}
METRICS = Metrics(
    path="/metrics",
    ttft="sglang:time_to_first_token_seconds",
    tpot="sglang:inter_token_latency_seconds",
    latency="sglang:e2e_request_latency_seconds",
    running="sglang:num_running_reqs",
    waiting="sglang:num_queue_reqs",
    finished="sglang:num_requests_total",
)


def program(answer: Replica) -> ServingProgram:
    """The command that starts a replica. Raises `BadInput` naming everything that SGLang cannot express."""
    plan = answer.deployment
    ranks = plan.tensor_parallel * plan.data_parallel
    expressible(NAME, {
        served_formats(FORMATS, plan.precision): plan.precision not in FORMATS,
        f"its cache is in 16 bits or fp8, not {plan.kv_precision}.": plan.kv_precision not in CACHE,
        f"experts are divided among a part of the {ranks} ranks of a layer.": ranks % plan.expert_parallel != 0,
        "pipeline stages do not go with speculation.":
            plan.pipeline_parallel > 1 and plan.speculative is not None,
    })  # fmt: skip
    return ServingProgram(
        engine=NAME,
        image=IMAGE_AMD if hosts(answer).amd else IMAGE,
        command=("python3", "-m", "sglang.launch_server", "--model-path"),
        options=tuple(_options(answer, plan)),
        listen=("--host", "--port"),
        metrics=METRICS,
        adapters="--lora-paths" if plan.adapters else "",
        note="" if FORMATS[plan.precision] else checkpoint(plan.precision),
    )


def _options(answer: Replica, plan: Deployment) -> Iterator[str]:
    yield from ("--served-model-name", repository(answer))
    yield from ("--tp-size", str(plan.tensor_parallel * plan.data_parallel))
    if plan.pipeline_parallel > 1:
        yield from ("--pp-size", str(plan.pipeline_parallel))
    if plan.data_parallel > 1:
        yield from ("--dp-size", str(plan.data_parallel))
        yield "--enable-dp-attention"
    if plan.expert_parallel > 1:
        yield from ("--ep-size", str(plan.expert_parallel))
    yield from FORMATS[plan.precision]
    if plan.kv_precision == "fp8":
        yield from ("--kv-cache-dtype", CACHE["fp8"])
    yield from ("--context-length", str(longest(answer)))
    yield from ("--max-running-requests", str(plan.max_batch))
    yield from ("--chunked-prefill-size", str(plan.chunk or -1))
    yield from ("--mem-fraction-static", f"{_static(answer):g}")
    yield "--enable-metrics"
    if not answer.scenario.cached:
        yield "--disable-radix-cache"
    if plan.adapters is not None:
        yield from ("--enable-lora", "--max-loras-per-batch", str(resident(answer)))
        yield from ("--max-lora-rank", str(plan.adapters.rank), "--lora-target-modules", "all")
    if plan.speculative is not None:
        yield from _speculation(plan.speculative)


def _static(answer: Replica) -> float:
    """Share of the memory for weights and cache together, which is what SGLang's fraction means."""
    other = {"activations", "engine and graphs", "left to others"}
    held = sum(part.bytes for part in answer.memory if part.name not in other)
    return math.floor(100 * held / answer.capacity) / 100


def _speculation(method: Speculation) -> Iterator[str]:
    if method.method == "ngram":
        yield from ("--speculative-algorithm", "NGRAM", "--speculative-num-draft-tokens", str(method.tokens + 1))
        return
    yield from ("--speculative-algorithm", "STANDALONE" if method.method == "draft" else "EAGLE")
    if method.draft is not None:
        yield from ("--speculative-draft-model-path", method.draft)
    yield from ("--speculative-num-steps", str(method.tokens), "--speculative-eagle-topk", "1")
    yield from ("--speculative-num-draft-tokens", str(method.tokens + 1))


BOOTSTRAP = 8998
"""Where a replica that reads prompts tells others how to reach its cache."""
ROUTER = Router(
    name="SGLang Router 0.3.2",
    image="python:3.12-slim",
    command=("python3", "-m", "sglang_router.launch_router", "--pd-disaggregation", "--policy", "round_robin"),
    packages=("sglang-router==0.3.2",),
    bootstrap=BOOTSTRAP,
    at_once=True,
)


def half(program: ServingProgram, which: Half, prefill: Deployment, decode: Deployment) -> ServingProgram:
    """The program of one of two pools: caches pass through Mooncake's engine, which SGLang takes by default. Raises
    `BadInput`."""
    expressible(NAME, {
        "a pool that decodes has no pipeline stages.": decode.pipeline_parallel > 1,
        "both pools speculate alike, or neither.": prefill.speculative != decode.speculative,
    })  # fmt: skip
    ports = {"--disaggregation-bootstrap-port": BOOTSTRAP} if which == "prefill" else {}
    return replace(program, options=(*program.options, "--disaggregation-mode", which), ports=ports)
