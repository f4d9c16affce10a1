"""llm-analysis (Cheng Li, github.com/cli99/llm-analysis).

- Efficiency: an input. Its README, "How to Set FLOPS and Memory Efficiency": "up to `0.5` for large scale model
  training".
- The peak is the one of the row's number format, since the package knows 16, 8 and 4 bits of integers alone.
- Context parallelism is unknown to it. Its step time divides FLOPs by tensor x pipeline ranks, so for the time context
  ranks are counted as tensor ranks, which gives each chip its FLOPs; for the memory they are data ranks with their
  share of the sequence, which gives each chip its weights and activations.
- A gated feed-forward part is given as one of 1.5 times the width, which has as many weights. Its FLOPs are not an
  input: the package counts 16 x hidden^2 a token for every feed-forward part, gated, wide or of experts.
- It has no pipeline bubble and no data-parallel communication; interleaving makes no difference.
"""

from __future__ import annotations

import logging

from llm_analysis.analysis import ActivationRecomputation, DSZeRO, LLMAnalysis
from llm_analysis.config import DtypeConfig, GPUConfig, ModelConfig, ParallelismConfig
from llm_analysis.logger import logger
from worker import Answer, Job, serve

RECOMPUTATION = {
    "none": ActivationRecomputation.NONE,
    "selective": ActivationRecomputation.SELECTIVE,
    "full": ActivationRecomputation.FULL,
}


def analysis(job: Job, efficiency: float, *, tp: int, dp: int, seq_len: int, global_batch: int) -> dict:
    model, chip = job["model"], job["chip"]
    width = model["expert_ffn"] if model["experts"] > 1 else model["ffn"]
    return LLMAnalysis(
        ModelConfig(
            name=job["id"],
            num_layers=model["layers"],
            n_head=model["heads"],
            hidden_dim=model["hidden"],
            vocab_size=model["vocab"],
            max_seq_len=seq_len,
            num_key_value_heads=model["kv_heads"],
            ffn_embed_dim=width * 3 // 2 if model["gated"] else width,
            expansion_ratio=width / model["hidden"],
            moe_num_experts=model["experts"],
            moe_top_k=model["experts_per_token"],
        ),
        GPUConfig(
            name=chip["name"],
            mem_per_GPU_in_GB=chip["memory"] / 1024**3,
            hbm_bandwidth_in_GB_per_sec=chip["memory_bandwidth"] / 1e9,
            intra_node_bandwidth_in_GB_per_sec=job["domain"]["bandwidth"] / 1e9,
            intra_node_min_message_latency=job["domain"]["latency"],
            peak_fp16_TFLOPS=chip["peak"] / 1e12,
            inter_node_bandwidth_in_GB_per_sec=job["network"]["bandwidth"] / 1e9,
        ),
        DtypeConfig(),
        ParallelismConfig(tp_size=tp, pp_size=job["pp"], dp_size=dp, ep_size=job["ep"]),
        flops_efficiency=efficiency,
    ).training(
        batch_size_per_gpu=job["micro_batch"],
        global_batch_size=global_batch,
        seq_len=seq_len,
        activation_recomputation=RECOMPUTATION[job["recomputation"]],
        ds_zero=DSZeRO(job["zero"]),
        mlp_gated_linear_units=model["gated"],
    )


def predict(job: Job, efficiency: float) -> Answer:
    context = job["cp"]
    timed = held = analysis(
        job, efficiency, tp=job["tp"] * context, dp=job["dp"], seq_len=job["seq_len"], global_batch=job["global_batch"]
    )
    if context > 1:
        held = analysis(
            job, efficiency, tp=job["tp"], dp=job["dp"] * context,
            seq_len=job["seq_len"] // context, global_batch=job["global_batch"] * context,
        )  # fmt: skip
    return {
        "seconds": timed["latency_per_iter"],
        "bytes": held["(weight+op_state+grad+act)_memory_per_gpu"],
        "capacity": job["chip"]["memory"],
    }


if __name__ == "__main__":
    logger.setLevel(logging.CRITICAL)
    serve(predict)
