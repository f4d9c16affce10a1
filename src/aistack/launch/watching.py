"""Prometheus' rules for a plan that serves: one for each goal, and what autoscaling follows.

Groups of rules are plain mappings, as Prometheus' own rule files and the operator's PrometheusRule take them.
"""

from __future__ import annotations

from typing import Any

from aistack.launch.serving_program import Metrics
from aistack.scenario.pools_answer import PoolAnswer, PoolsAnswer
from aistack.scenario.serving_answer import ServingAnswer

WINDOW = "5m"
"""Over which shares of requests are taken."""
PATIENCE = "10m"
"""How long a goal is missed before it is said."""
UNDER_WAY = "serving_requests_under_way"
"""What autoscaling follows: requests of each replica, computed or waiting."""
SUMMARIES = {
    "ttft": "time to the first token",
    "tpot": "time per output token",
    "latency": "time of the whole answer",
}


def groups(answer: ServingAnswer, metrics: Metrics, pods: str) -> list[dict[str, Any]]:
    """The groups of rules: what autoscaling follows, and an alert for each goal.

    `pods` is a pattern of the replicas' names, which keeps other services of the same engine out.
    """
    of = _of(pods)
    percentile = answer.scenario.percentile
    goals = [
        _missed(name, _quantile(metrics.of(name), of, percentile), percentile, asked)
        for name, asked in answer.scenario.goals.items()
    ]
    also = [*_rate(answer.most, metrics, of), _queue(metrics, of)]
    return [_under_way(metrics, of), {"name": "serving-goals", "rules": [*goals, *also]}]


def pool_groups(
    answer: PoolsAnswer, metrics: Metrics, prefill: str, decode: str, at_once: bool
) -> list[dict[str, Any]]:
    """The same of two pools, by patterns of their replicas' names.

    Where a request is sent to both pools `at_once`, the one that decodes sees its times whole. Else it comes there when
    its prompt has been read: its time to the first token is that of the first pool, and the mean that the second adds.
    """
    reading, decoding, percentile = _of(prefill), _of(decode), answer.scenario.percentile
    whole = {name: _quantile(metrics.of(name), decoding, percentile) for name in SUMMARIES}
    if not at_once:
        first = _quantile(metrics.ttft, reading, percentile)
        whole["ttft"] = f"{first} + {_mean(metrics.ttft, decoding)}"
        whole["latency"] = f"{whole['latency']} + {_mean(metrics.ttft, reading)}"
    goals = [_missed(name, whole[name], percentile, asked) for name, asked in answer.scenario.goals.items()]
    queues = [_queue(metrics, of, half) for of, half in ((reading, "Prefill"), (decoding, "Decode"))]
    return [
        _under_way(metrics, _of(f"{prefill}|{decode}")),
        {"name": "serving-goals", "rules": [*goals, *_rate(answer.most, metrics, decoding), *queues]},
    ]


def _of(pods: str) -> str:
    return f'{{pod=~"{pods}"}}'


def _under_way(metrics: Metrics, of: str) -> dict[str, Any]:
    each = " + ".join(f"sum by (namespace, pod) ({gauge}{of})" for gauge in (metrics.running, metrics.waiting))
    return {"name": "serving", "rules": [{"record": UNDER_WAY, "expr": each}]}


def under_way_at_capacity(answer: ServingAnswer) -> float:
    """Requests of one replica when it carries as many as the goals allow, by Little's law; at least one."""
    within = max(answer.most, answer.rate) / answer.replicas
    return max(1.0, within * answer.latency.mean)


def _missed(name: str, expression: str, percentile: float, asked: float) -> dict[str, Any]:
    return _alert(
        f"Serving{name.capitalize()}Missed",
        f"{expression} > {asked:g}",
        f"The {SUMMARIES[name]} at p{percentile:g} is above its goal of {asked:g} s",
    )


def _quantile(histogram: str, of: str, percentile: float) -> str:
    return f"histogram_quantile({percentile / 100:g}, sum by (le) (rate({histogram}_bucket{of}[{WINDOW}])))"


def _mean(histogram: str, of: str) -> str:
    return f"sum(rate({histogram}_sum{of}[{WINDOW}])) / sum(rate({histogram}_count{of}[{WINDOW}]))"


def _rate(most: float, metrics: Metrics, of: str) -> list[dict[str, Any]]:
    if not most > 0:
        return []
    return [
        _alert(
            "ServingRateAbovePlan",
            f"sum(rate({metrics.finished}{of}[{WINDOW}])) > {most:.6g}",
            f"More requests come than the {most:.3g}/s that the plan carries within its goals",
        )
    ]


def _queue(metrics: Metrics, of: str, half: str = "") -> dict[str, Any]:
    return _alert(
        f"Serving{half}QueueStands",
        f"min_over_time(sum({metrics.waiting}{of})[{WINDOW}:30s]) > 0",
        "Requests have waited without a pause: replicas are too few",
    )


def pool_under_way(answer: PoolsAnswer, half: PoolAnswer) -> float:
    """Requests of one replica of a pool when both carry as many as the goals allow, by Little's law; at least one."""
    stay = answer.ttft.mean if half is answer.prefill else answer.latency.mean - answer.ttft.mean
    return max(1.0, max(answer.most, answer.rate) / half.replicas * stay)


def _alert(name: str, expression: str, summary: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": PATIENCE,
        "labels": {"severity": "warning"},
        "annotations": {"summary": summary},
    }
