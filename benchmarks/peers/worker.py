"""The loop that every adapter runs inside the peers' environment: jobs in, answers out, one line of JSON each.

A request is `{"jobs": [...], "efficiency": number}`. The reply is `{"seconds": wall time of the predictions alone,
"answers": [...]}`, an answer for each job or `{"refusal"}`: of training `{"seconds", "bytes", "capacity"}`, of serving
`{"throughput", "ttft", "tpot"}`, in output tokens/s and seconds.

A job's fields are listed in `training_jobs.py` and `serving_jobs.py`. This file and the adapters need nothing of ours
and no package but the peer's.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

Job = dict[str, Any]
Answer = dict[str, Any]


class Refusal(Exception):
    """The peer has no way to say what this job takes."""


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` up to `limit`: chips a node where nodes must be whole."""
    return max(size for size in range(1, min(number, limit) + 1) if number % size == 0)


def answer(predict: Callable[[Job, float], Answer], job: Job, efficiency: float) -> Answer:
    """What `predict` says of a job, or why it does not."""
    try:
        return predict(job, efficiency)
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    except (ValueError, AssertionError, NotImplementedError, RuntimeError, ZeroDivisionError) as error:
        # the peer's own way of saying that it cannot
        return {"refusal": f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"}


def serve(predict: Callable[[Job, float], Answer]) -> None:
    """Answer requests from standard input until it closes; whatever the peer prints goes to standard error."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        answers = [answer(predict, job, request["efficiency"]) for job in request["jobs"]]
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "answers": answers}), file=replies, flush=True)
