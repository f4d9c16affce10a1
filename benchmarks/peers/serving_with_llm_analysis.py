"""llm-analysis (Cheng Li, github.com/cli99/llm-analysis): its `inference`.

- Efficiency: two inputs, of arithmetic and of memory. Its README, "How to Set FLOPS and Memory Efficiency": "up to
  `0.7` for inference; `0.9` can be an aggressive target for memory efficiency". The documented run has these two, the
  fitted one a single number for both.
- Weights and activations have 16, 8 or 4 bits in it: the weights' nearest. The peak is the one of the row's format, as
  16 bits of both, where the chip multiplies in it; the cache has the row's bytes.
- A gated feed-forward part is given as one of 1.5 times the width, which has as many weights. Its FLOPs are not an
  input: the package counts 16 x hidden^2 a token for every feed-forward part, gated, wide or of experts.
- Heads are as wide as the model divided among them. All experts' weights are read in every step.
- Its check that all fits is asked of a chip with memory to spare, since the plans here ran.
- It knows a batch, and no engine around it: `serving_loop.py` puts it into one.
"""

from __future__ import annotations

import logging

from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import DtypeConfig, GPUConfig, ModelConfig, ParallelismConfig
from llm_analysis.logger import logger
from serving_loop import Pool, answered, chips, continued
from worker import Answer, Job, Refusal, serve

ARITHMETIC, MEMORY = 0.7, 0.9


def analysis(job: Job, tp: int, efficiency: float | None) -> LLMAnalysis:
    model, chip = job["model"], job["chip"]
    width = model["expert_ffn"] if model["experts"] > 1 else model["ffn"]
    bits = min((16, 8, 4), key=lambda each: abs(each / 8 - job["weights"]["bytes"]))
    return LLMAnalysis(
        ModelConfig(
            name="model",
            num_layers=model["layers"],
            n_head=model["heads"],
            hidden_dim=model["hidden"],
            vocab_size=model["vocab"],
            num_key_value_heads=model["kv_heads"],
            ffn_embed_dim=width * 3 // 2 if model["gated"] else width,
            expansion_ratio=width / model["hidden"],
            moe_num_experts=model["experts"],
            moe_top_k=model["experts_per_token"],
        ),
        GPUConfig(
            name=chip["name"],
            mem_per_GPU_in_GB=1e6,
            hbm_bandwidth_in_GB_per_sec=chip["memory_bandwidth"] / 1e9,
            intra_node_bandwidth_in_GB_per_sec=job["domain"]["bandwidth"] / 1e9,
            intra_node_min_message_latency=job["domain"]["latency"],
            peak_fp16_TFLOPS=chip["peak"] / 1e12,
        ),
        DtypeConfig(weight_bits=bits),
        ParallelismConfig(tp_size=tp),
        flops_efficiency=efficiency or ARITHMETIC,
        hbm_memory_efficiency=efficiency or MEMORY,
    )


def predict(job: Job, efficiency: float | None) -> Answer:
    if not job["model"]["plain"]:
        raise Refusal("has no such layers")

    def inferred(pool: Pool, sequences: float, tokens: float) -> dict:
        return analysis(job, chips(pool), efficiency).inference(
            batch_size_per_gpu=max(1, round(sequences)),
            seq_len=max(1, round(tokens)),
            num_tokens_to_generate=1,
            kv_cache_dtype_bytes=job["cache"]["bytes"],
        )

    def read(pool: Pool, sequences: float, tokens: float) -> float:
        return inferred(pool, sequences, tokens)["prefill_latency"]

    def decode(pool: Pool, sequences: float, context: float) -> float:
        return inferred(pool, sequences, context)["decode_latency"]

    return answered(job, continued(read), decode)


if __name__ == "__main__":
    logger.setLevel(logging.CRITICAL)
    serve(predict)
