"""No planner: model FLOPs (six a weight and token, attention by its causal half) over peak and one utilisation.

It says how much of the rows' spread a single constant explains, and what any planner must beat.
"""

from __future__ import annotations

from worker import Answer, Job, serve


def predict(job: Job, efficiency: float) -> Answer:
    model = job["model"]
    attention = 6 * job["seq_len"] * model["layers"] * model["heads"] * model["head_dim"]
    flops = (6 * model["active_parameters"] + attention) * job["seq_len"] * job["global_batch"]
    chips = job["tp"] * job["pp"] * job["dp"] * job["cp"]
    return {"seconds": flops / (chips * job["chip"]["peak"] * efficiency)}


if __name__ == "__main__":
    serve(predict)
