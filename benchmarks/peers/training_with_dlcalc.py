"""dlcalc (Justin Chiu, github.com/jfc4050/dlcalc): its `3dtrn` calculator.

- Efficiency: a constant of its source, `ASSUMED_GEMM_UTIL` = 0.7 of peak in every matrix product.
- It is a command that prints. The adapter gives it its settings without a file, silences the printing (which would only
  slow it) and takes the last table of times that it makes, the parts of the iteration, whose sum it prints.
- The machine is the row's (its own list has six machines). Links between nodes are shared by the node's chips in it.
- It models ZeRO-1 alone: ZeRO-2 and ZeRO-3 are refused, as it does itself; replicas that divide nothing are taken.
- "none" is not among the recomputations it can do; it advises "selective" in its place. It gives recomputation memory
  but no time.
- Gradients and weights travel in one bucket, which leaves it the least latency. Nothing overlaps in it.
- The vocabulary is padded to a multiple of the tensor ranks, as engines do. Experts have capacity factor 1 and are not
  split by tensor ranks.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

from dlcalc import training_3d
from dlcalc.utils.hardware import DeviceSpec, LinkSpec, MachineSpec
from worker import Answer, Job, Refusal, largest_divisor, serve

PRINTERS = ("print", *(name for name in vars(training_3d) if name.startswith("print_")))
tables: list[dict[str, float]] = []
summary: list[str] = []


class Settings(SimpleNamespace):
    """What the calculator reads from its file and its machine list."""

    machine: MachineSpec
    config: dict[str, Any]


settings = Settings()


def recorded(values: dict[str, float]) -> OrderedDict:
    tables.append(values)
    return OrderedDict(values)


def install() -> None:
    """Put the adapter's ears and hands into the calculator's module."""
    for name in PRINTERS:
        setattr(training_3d, name, lambda *_, **__: None)
    training_3d.print_success = lambda text, *_, **__: summary.append(text)
    training_3d.OrderedDict = recorded
    training_3d.yaml = SimpleNamespace(safe_load=lambda _: settings.config)
    training_3d.MachineSpec = SimpleNamespace(from_str=lambda _: settings.machine)
    sys.argv = ["3dtrn", "/dev/null"]


def machine(job: Job) -> MachineSpec:
    chips = job["tp"] * job["pp"] * job["dp"] * job["cp"]
    size = largest_divisor(chips, job["domain"]["size"])
    return MachineSpec(
        n_devices=size,
        device_spec=DeviceSpec(
            peak_flops=int(job["chip"]["peak"]),
            mem_bandwidth_bytes_per_sec=int(job["chip"]["memory_bandwidth"]),
            mem_capacity_bytes=int(job["chip"]["memory"]),
        ),
        intra_node_connect=LinkSpec(int(job["domain"]["bandwidth"]), job["domain"]["latency"]),
        inter_node_connect=LinkSpec(int(job["network"]["bandwidth"] * size), job["network"]["latency"]),
    )


def configuration(job: Job) -> dict[str, Any]:
    model = job["model"]
    config: dict[str, Any] = {
        "model": {
            "n_layers": model["layers"],
            "hidden_sz": model["hidden"],
            "inter_sz": model["ffn"],
            "n_q_heads": model["heads"],
            "n_kv_heads": model["kv_heads"],
            "head_dim": model["head_dim"],
            "vocab_sz": -(-model["vocab"] // job["tp"]) * job["tp"],
            "glu": model["gated"],
            "rotary_embeds": model["gated"],
            "dropout": False,
            "tie_embeddings": model["tied"],
        },
        "parallelism": {
            "tp": job["tp"],
            "cp": job["cp"],
            "pp": job["pp"],
            "dp": job["dp"],
            "ep": job["ep"],
            "vpp": job["interleave"],
            "sp": True,
            "zero_level": 1,
            "n_param_buckets": 1,
        },
        "performance": {"activation_checkpointing_type": "full" if job["recomputation"] == "full" else "selective"},
        "data": {"gbs": job["global_batch"], "seqlen": job["seq_len"], "microbatch_sz": job["micro_batch"]},
        "hardware": {"node_type": "the row's"},
    }
    if model["experts"] > 1:
        config["model"]["moe"] = {
            "n_experts": model["experts"],
            "expert_inter_sz": model["expert_ffn"],
            "experts_per_token": model["experts_per_token"],
            "capacity_factor": 1.0,
            "moe_frequency": 1 - model["dense_layers"] / model["layers"],
            "expert_tp_degree": 1,
        }
    return config


def predict(job: Job, efficiency: float) -> Answer:
    if job["zero"] > 1:
        raise Refusal("models ZeRO-1 alone")
    settings.config, settings.machine = configuration(job), machine(job)
    training_3d.ASSUMED_GEMM_UTIL = efficiency
    tables.clear()
    summary.clear()
    training_3d.main()
    (required,) = (text for text in summary if text.startswith("Total Memory Required"))
    return {
        "seconds": sum(tables[-1].values()),
        "bytes": float(required.split()[3]) * 1024**3,
        "capacity": job["chip"]["memory"],
    }


if __name__ == "__main__":
    install()
    serve(predict)
