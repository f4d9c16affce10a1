"""GenZ (Abhimanyu Bambhaniya and others, github.com/abhibambhaniya/GenZ-LLM-Analyzer): its prefill and decode models.

- Efficiency: an input, of arithmetic and memory alike, 1 by default. Every operation's time is in proportion to its
  reciprocal but what is sent, so both are asked for once at 1 and any efficiency follows exactly.
- The chip is the row's, its peak that of the row's format; tensor parallelism is its own. It never refuses for memory
  here, since the plans ran.
- Weights, activations and cache have one format in it: the weights' nearest of 16, 8 and 4 bits.
- Expert ranks stand beside tensor ranks in it; engines count them within. It is given tensor parallelism alone, which
  gives each chip its share of the weights.
- A layer is of one kind in it: a model's most common one. Its decoding reads as many experts as one token uses,
  whatever the batch.
- It knows a batch, and no engine around it: `serving_loop.py` puts it into one.
"""

from __future__ import annotations

from functools import cache

from GenZ.analyse_model import get_model_df, get_summary_table
from GenZ.LLM_inference.utils import get_inference_system
from GenZ.Models import ModelConfig, create_full_decode_model, create_full_prefill_model
from GenZ.unit import Unit
from serving_loop import Pool, answered, chips, continued
from worker import Answer, Job, Refusal, serve

BITS = {"bf16": 2.0, "fp8": 1.0, "int4": 0.5}
MULTIPLIED = {"bf16": 1.0, "fp8": 0.5, "int4": 0.25}
"""Its time of a product in each format, over 16 bits': divided out of the peak, which is the row's own."""
UNIT = Unit()


@cache
def config(name: str, shape: tuple[tuple[str, int], ...]) -> ModelConfig:
    return ModelConfig(model=name, **dict(shape))


def shaped(model: dict) -> ModelConfig:
    fields = {
        "vocab_size": model["vocab"],
        "hidden_size": model["hidden"],
        # it takes this for the width of experts too
        "intermediate_size": model["expert_ffn"] if model["experts"] > 1 else model["ffn"],
        "num_ffi": 2 if model["gated"] else 1,
        "num_decoder_layers": model["layers"],
        "num_attention_heads": model["heads"],
        "num_key_value_heads": model["kv_heads"],
        "head_dim": model["head_dim"],
    }
    if model["experts"] > 1:
        fields |= {"num_experts": model["experts"], "expert_top_k": model["experts_per_token"]}
    return config("model", tuple(fields.items()))


@cache
def timed(
    phase: str,
    shape: ModelConfig,
    bits: str,
    system: tuple[tuple[str, float], ...],
    tp: int,
    sequences: int,
    tokens: int,
) -> tuple[float, float]:
    """Seconds of a pass at full efficiency, on the chips and between them: its own steps, without its memory check."""
    create = create_full_prefill_model if phase == "prefill" else create_full_decode_model
    layers = create(name=shape, input_sequence_length=tokens, tensor_parallel=tp)
    machine = get_inference_system(
        system_name=dict(system), bits=bits, parallelism_heirarchy=f"TP{{{tp}}}_EP{{1}}_PP{{1}}"
    )
    found = get_summary_table(get_model_df(layers, machine, UNIT, sequences, intermediate_on_chip=True), UNIT)
    whole, sent = (float(found[f"{name} (msec)"].values[0]) / 1e3 for name in ("Latency", "Comm Latency"))
    return whole - sent, sent


def predict(job: Job, efficiency: float) -> Answer:
    chip = job["chip"]
    if not job["model"]["plain"]:
        raise Refusal("has no such layers")
    bits = min(BITS, key=lambda name: abs(BITS[name] - job["weights"]["bytes"]))
    system = (
        ("Flops", chip["peak"] / 1e12 * MULTIPLIED[bits]),
        ("Memory_size", 1e6),
        ("Memory_BW", chip["memory_bandwidth"] / 1e9),
        ("ICN", job["domain"]["bandwidth"] / 1e9),
        ("ICN_LL", job["domain"]["latency"] * 1e6),
        ("real_values", True),
    )

    def seconds(phase: str, pool: Pool, sequences: float, tokens: float) -> float:
        shape = shaped(job["model"])
        counts = max(1, round(sequences)), max(1, round(tokens))
        inside, between = timed(phase, shape, bits, system, chips(pool), *counts)
        return inside / efficiency + between

    def read(pool: Pool, sequences: float, tokens: float) -> float:
        return seconds("prefill", pool, sequences, tokens)

    def decode(pool: Pool, sequences: float, context: float) -> float:
        return seconds("decode", pool, sequences, context)

    return answered(job, continued(read), decode)


if __name__ == "__main__":
    serve(predict)
