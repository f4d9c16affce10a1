"""mlsysim (Vijay Janapa Reddi, mlsysbook.ai/mlsysim): its `DistributedModel`.

- Efficiency: an input, 0.5 by default (its `DEFAULT_COMPUTE_EFFICIENCY`).
- Communication overlaps, with its default share of 0.85 ("reflects typical Megatron-LM overlap efficiency").
- FLOPs of a token may be given: twice the active parameters and causal attention, which it would leave out by itself.
- Its node is the domain of fast links; where that does not divide the chips, the largest number below it that does.
- The peak is the one of the row's number format, under the name bf16, so that what is stored and sent stays 16 bits.
- Context parallelism is unknown to it: a context rank is given as a data rank with its share of the sequence. FLOPs,
  activations and messages come out right; the exchange of keys and values is left out.
- Expert ranks stand beside data ranks in it (tensor x pipeline x expert x data = chips); Megatron counts them within.
- Without a pipeline, micro-batches are its gradient accumulation, which its memory model reads.
"""

from __future__ import annotations

from functools import cache

from mlsysim.core.units import Q_, ureg
from mlsysim.engine.solvers.distributed import DistributedModel
from mlsysim.hardware.types import ComputeCore, HardwareNode, IOInterconnect, MemoryHierarchy
from mlsysim.models.types import SparseTransformerWorkload, TransformerWorkload
from mlsysim.systems.types import Fleet, NetworkFabric, Node
from worker import Answer, Job, largest_divisor, serve


@cache
def fleet(chips: int, chip: tuple, domain: tuple, network: tuple) -> Fleet:
    name, peak, memory, bandwidth = chip
    size, links, links_latency = domain
    fabric, fabric_latency = network
    node_size = largest_divisor(chips, size)
    flops, rate = peak * ureg.flop / ureg.second, ureg.byte / ureg.second
    accelerator = HardwareNode(
        name=name,
        release_year=2020,
        compute=ComputeCore(peak_flops=flops, precision_flops={"bf16": flops}),
        memory=MemoryHierarchy(capacity=memory * ureg.byte, bandwidth=bandwidth * rate),
        nvlink=IOInterconnect(name="links", bandwidth=links * rate, latency=Q_(links_latency, "s")),
    )
    return Fleet(
        name="cluster",
        node=Node(name="node", accelerator=accelerator, accelerators_per_node=node_size, intra_node_bw=links * rate),
        count=chips // node_size,
        fabric=NetworkFabric(name="fabric", bandwidth=fabric * rate, latency=Q_(fabric_latency, "s")),
    )


def workload(job: Job) -> TransformerWorkload:
    model = job["model"]
    # QK^T and AV are two products of 2 x head width a pair of positions, of which causality leaves half
    attention = 2 * job["seq_len"] * model["layers"] * model["heads"] * model["head_dim"]
    fields = {
        "name": job["id"],
        "architecture": "transformer",
        "parameters": model["parameters"] * ureg.count,
        "layers": model["layers"],
        "hidden_dim": model["hidden"],
        "heads": model["heads"],
        "kv_heads": model["kv_heads"],
        "inference_flops": (2 * model["active_parameters"] + attention) * ureg.flop,
    }
    if model["experts"] > 1:
        return SparseTransformerWorkload(
            **fields,
            active_parameters=model["active_parameters"] * ureg.count,
            experts=model["experts"],
            active_experts_per_token=model["experts_per_token"],
        )
    return TransformerWorkload(**fields)


def predict(job: Job, efficiency: float) -> Answer:
    chip, domain, network = job["chip"], job["domain"], job["network"]
    micro_batches = job["global_batch"] // (job["dp"] * job["micro_batch"])
    found = DistributedModel().solve(
        workload(job),
        fleet(
            job["tp"] * job["pp"] * job["dp"] * job["cp"],
            (chip["name"], chip["peak"], chip["memory"], chip["memory_bandwidth"]),
            (domain["size"], domain["bandwidth"], domain["latency"]),
            (network["bandwidth"], network["latency"]),
        ),
        batch_size=job["global_batch"] * job["cp"],
        seq_len=job["seq_len"] // job["cp"],
        precision="bf16",
        efficiency=efficiency,
        tp_size=job["tp"],
        pp_size=job["pp"],
        ep_size=job["ep"],
        v_stages=job["interleave"],
        microbatch_count=micro_batches,
        zero_stage=job["zero"],
        activation_recomputation=job["recomputation"] == "full",
        overlap_comm=True,
        gradient_accumulation_steps=micro_batches if job["pp"] == 1 else 1,
    )
    return {
        "seconds": float(found.step_latency_total.m_as("s")),
        "bytes": float(found.node_profile.memory_footprint.m_as("byte")),
        "capacity": chip["memory"],
    }


if __name__ == "__main__":
    serve(predict)
