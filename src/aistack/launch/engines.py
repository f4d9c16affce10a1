"""Which engine serves a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aistack.errors import BadInput
from aistack.launch import sglang, tensorrt_llm, vllm
from aistack.launch.serving_program import Replica, Router, ServingProgram
from aistack.serving.deployment import Deployment
from aistack.serving.pool_capacity import Half

PROGRAMS: Mapping[str, Callable[[Replica], ServingProgram]] = {
    "vllm": vllm.program,
    "sglang": sglang.program,
    "tensorrt-llm": tensorrt_llm.program,
}
HALVES: Mapping[str, Callable[[ServingProgram, Half, Deployment, Deployment], ServingProgram]] = {
    "vllm": vllm.half,
    "sglang": sglang.half,
    "tensorrt-llm": tensorrt_llm.half,
}
"""How a program becomes that of one of two pools."""
ROUTERS: Mapping[str, Router] = {"vllm": vllm.ROUTER, "sglang": sglang.ROUTER, "tensorrt-llm": tensorrt_llm.ROUTER}


def program(answer: Replica) -> ServingProgram:
    """The program of the plan's own engine. Raises `BadInput` for engines that these files do not start."""
    name = answer.deployment.engine
    if name not in PROGRAMS:
        raise BadInput(f"Launch files start {', '.join(PROGRAMS)}, not {name}: name one with --engine.")
    return PROGRAMS[name](answer)
