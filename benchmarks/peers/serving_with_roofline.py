"""No planner: what must be computed and what must be read, at the data sheet's peak and bandwidth.

It says how much of the rows' spread the hardware alone explains, and what any planner must beat.

- Reading prompts: two FLOPs a weight used and token, and attention's by its causal half, at the peak of the weights'
  precision, or the weights once at the memory's bandwidth, whichever takes longer.
- A step: the weights once and the cache of every sequence, at the memory's bandwidth, or its FLOPs. Of experts, those
  that so many sequences touch if each picks its own evenly.
- Nothing is sent, launched or scheduled. Efficiency scales peak and bandwidth alike.
"""

from __future__ import annotations

from serving_loop import Pool, answered, chips
from worker import Answer, Job, serve


def weight_bytes(job: Job, tokens: float) -> float:
    """Bytes of the weights that a pass over so many tokens reads."""
    model, weights = job["model"], job["weights"]
    missed = 1 - model["experts_per_token"] / model["experts"]
    experts = (model["parameters"] - model["active_parameters"]) / missed if missed else 0.0
    touched = experts * (1 - missed ** max(1.0, tokens))
    rest = weights["others"] if experts else weights["bytes"]
    return rest * (model["parameters"] - experts) + weights["bytes"] * touched


def predict(job: Job, efficiency: float) -> Answer:
    model, chip = job["model"], job["chip"]
    cache = model["cache_elements"] * job["cache"]["bytes"]
    pairs = 4 * model["layers"] * model["heads"] * model["head_dim"]

    def seconds(pool: Pool, flops: float, moved: float) -> float:
        each = chips(pool) * efficiency
        return max(flops / (each * chip["peak"]), moved / (each * chip["memory_bandwidth"]))

    def prefill(pool: Pool, sequences: float, tokens: float, held: float) -> float:
        flops = sequences * tokens * (2 * model["active_parameters"] + pairs * (held + tokens / 2))
        return seconds(pool, flops, weight_bytes(job, sequences * tokens))

    def decode(pool: Pool, sequences: float, context: float) -> float:
        flops = sequences * (2 * model["active_parameters"] + pairs * context)
        return seconds(pool, flops, weight_bytes(job, sequences) + sequences * context * cache)

    return answered(job, prefill, decode)


if __name__ == "__main__":
    serve(predict)
