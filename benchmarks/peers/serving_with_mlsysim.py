"""mlsysim (Vijay Janapa Reddi, mlsysbook.ai/mlsysim): its `ServingModel`.

- Efficiency: an input, 0.5 by default. It scales the arithmetic of reading prompts; decoding takes the whole bandwidth
  of the memory and 10 microseconds a layer.
- Tensor parallelism is unknown to it: the chips of an instance are given as one with their peak, bandwidth and memory,
  so that nothing is sent between them.
- It counts all weights of a mixture of experts. For prompts it is given the ones a token uses, as its `inference_flops`
  would be; a step reads all.
- Weights and cache have one format in it, and it knows those of 16, 8 and 4 bits: the weights' nearest.
- It knows a batch, and no engine around it: `serving_loop.py` puts it into one.
"""

from __future__ import annotations

from functools import cache

from mlsysim.core.units import ureg
from mlsysim.engine.solvers.serving import ServingModel
from mlsysim.hardware.types import ComputeCore, HardwareNode, MemoryHierarchy
from mlsysim.models.types import TransformerWorkload
from serving_loop import Pool, answered, chips
from worker import Answer, Job, serve


@cache
def hardware(name: str, count: int, peak: float, memory: float, bandwidth: float) -> HardwareNode:
    flops = count * peak * ureg.flop / ureg.second
    return HardwareNode(
        name=name,
        release_year=2020,
        compute=ComputeCore(peak_flops=flops, precision_flops=dict.fromkeys(("fp16", "int8", "int4"), flops)),
        memory=MemoryHierarchy(
            capacity=count * memory * ureg.byte, bandwidth=count * bandwidth * ureg.byte / ureg.second
        ),
    )


@cache
def workload(parameters: float, layers: int, hidden: int, heads: int, kv_heads: int, head_dim: int):
    return TransformerWorkload(
        name="model",
        architecture="transformer",
        parameters=parameters * ureg.count,
        layers=layers,
        hidden_dim=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
    )


def precision(job: Job) -> str:
    """The format of its own whose size is nearest the weights'."""
    sizes = {"fp16": 2.0, "int8": 1.0, "int4": 0.5}
    return min(sizes, key=lambda name: abs(sizes[name] - job["weights"]["bytes"]))


def predict(job: Job, efficiency: float) -> Answer:
    model, chip = job["model"], job["chip"]
    shape = (model["layers"], model["hidden"], model["heads"], model["kv_heads"], model["head_dim"])

    def solved(pool: Pool, parameters: float, sequences: float, tokens: float, held: float = 0):
        return ServingModel().solve(
            workload(parameters, *shape),
            hardware(chip["name"], chips(pool), chip["peak"], chip["memory"], chip["memory_bandwidth"]),
            seq_len=max(1, round(held + tokens)),
            batch_size=max(1, round(sequences)),
            precision=precision(job),
            efficiency=efficiency,
            cached_prefix_len=round(held),
        )

    def prefill(pool: Pool, sequences: float, tokens: float, held: float) -> float:
        return float(solved(pool, model["active_parameters"], sequences, tokens, held).ttft.m_as("s"))

    def decode(pool: Pool, sequences: float, context: float) -> float:
        return float(solved(pool, model["parameters"], sequences, context).itl.m_as("s"))

    return answered(job, prefill, decode)


if __name__ == "__main__":
    serve(predict)
