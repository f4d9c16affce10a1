"""Kubernetes for a plan that serves: a Deployment of replicas that scales with the requests under way.

CPU and accelerator load say nothing about a queue: a replica that decodes one request looks as busy as a full one. The
autoscaler follows requests computed or waiting in each replica, up to as many as the goals allow. It reads them through
prometheus-adapter; PodMonitor and PrometheusRule are the Prometheus operator's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aistack.launch import engines, watching
from aistack.launch.serving_program import (
    PORT,
    Replica,
    ServingProgram,
    about,
    as_yaml,
    files,
    hosts,
    label,
    start_seconds,
)
from aistack.scenario.serving_answer import ServingAnswer

GRACE = 120
"""Seconds that answers under way have to end when a replica goes."""
CORES, HOST_MEMORY = 8, 32
"""Cores of the host an accelerator, and GB of its memory beside the weights, which pass through it."""


@dataclass(frozen=True)
class Pod:
    """What a pod of one of two pools has beyond that of a whole replica."""

    command: tuple[str, ...] = ()
    """Instead of the image's own."""
    environment: tuple[dict[str, Any], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


def rendered(answer: ServingAnswer) -> Mapping[str, str]:
    """The engine's files, `serving.yaml`, `monitoring.yaml` and the adapter's rule. Raises `BadInput` where the engine
    cannot express the plan or a replica is larger than a host."""
    program = engines.program(answer)
    name = label(answer)
    head = f"# {about(answer)}\n# {program.engine}. Build and push the image, then: kubectl apply -f serving.yaml\n"
    served = [volume(answer), deployment(answer, name), service(name), budget(name, answer.standing.spares),
              _autoscaler(answer)]  # fmt: skip
    return {
        **files(answer, program),
        "serving.yaml": head + as_yaml(*served),
        **watched(monitor(name, program), _rules(answer, program)),
    }


def watched(*documents: dict[str, Any]) -> dict[str, str]:
    """What watches the plan, for the Prometheus operator, and the rule for prometheus-adapter."""
    monitoring = "# For the Prometheus operator: kubectl apply -f monitoring.yaml\n"
    adapter = "# A rule for prometheus-adapter (values of its chart): requests under way, by pod\n"
    return {
        "monitoring.yaml": monitoring + as_yaml(*documents),
        "adapter-values.yaml": adapter + as_yaml({"rules": {"custom": [_adapter_rule()]}}),
    }


def metadata(name: str) -> dict[str, Any]:
    """A name, which is the label that others find it by."""
    return {"name": name, "labels": labels(name)}


def labels(name: str) -> dict[str, str]:
    """What the pods of `name` are found by."""
    return {"app.kubernetes.io/name": name}


def volume(answer: Replica) -> dict[str, Any]:
    """Where checkpoints are kept."""
    # the checkpoint as published, in 16 bits, and room for another
    size = max(10, math.ceil(4 * answer.scenario.spec.parameters / 1e9))
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(f"{label(answer)}-models"),
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": f"{size}G"}}},
    }


def deployment(answer: Replica, name: str, pod: Pod = Pod()) -> dict[str, Any]:
    """Replicas called `name`; their number is the autoscaler's."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name),
        "spec": {
            "progressDeadlineSeconds": start_seconds(answer) + 600,
            # accelerators are rarely free for one replica more
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": labels(name)},
            "template": {
                "metadata": {"labels": labels(name), **({"annotations": pod.annotations} if pod.annotations else {})},
                "spec": {
                    "terminationGracePeriodSeconds": GRACE,
                    "enableServiceLinks": False,
                    "automountServiceAccountToken": False,
                    "containers": [_container(answer, pod)],
                    "volumes": [
                        {"name": "models", "persistentVolumeClaim": {"claimName": f"{label(answer)}-models"}},
                        # engines' processes share memory beyond the container's 64 MiB
                        {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
                    ],
                },
            },
        },
    }


def _container(answer: Replica, pod: Pod) -> dict[str, Any]:
    name, each, machines = label(answer), answer.accelerators_per_replica, hosts(answer)
    weights = sum(part.bytes for part in answer.memory if part.name == "weights") * each
    health = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 5}
    period = 10
    return {
        "name": "engine",
        "image": f"{name}:1",
        **({"command": list(pod.command)} if pod.command else {}),
        "env": [
            {"name": "HF_HOME", "value": "/models"},
            {
                "name": "HF_TOKEN",
                "valueFrom": {"secretKeyRef": {"name": f"{name}-hub", "key": "token", "optional": True}},
            },
            *pod.environment,
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": {
            "requests": {"cpu": CORES * each, "memory": f"{HOST_MEMORY + math.ceil(weights / 1e9)}G"},
            "limits": {machines.resource: each},
        },
        # a start reads all weights; until it is over nothing else is asked
        "startupProbe": {**health, "periodSeconds": period,
                         "failureThreshold": math.ceil(start_seconds(answer) / period)},
        "readinessProbe": {**health, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**health, "periodSeconds": period, "failureThreshold": 6},
        # no new requests reach a pod that goes before it is told to end
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "15"]}}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "models", "mountPath": "/models"},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
    }  # fmt: skip


def service(name: str) -> dict[str, Any]:
    """One address for the pods called `name`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name),
        "spec": {"selector": labels(name), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def budget(name: str, spares: int) -> dict[str, Any]:
    """How many pods may be down by intent."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name),
        "spec": {"maxUnavailable": max(1, spares), "selector": {"matchLabels": labels(name)}},
    }


def _autoscaler(answer: ServingAnswer) -> dict[str, Any]:
    spares = answer.standing.spares
    least, most = min(answer.day.replicas) + spares, max(answer.replicas, *answer.day.replicas) + spares
    target = watching.under_way_at_capacity(answer) * answer.replicas / (answer.replicas + spares)
    return autoscaler(label(answer), least, max(most, answer.available), target, start_seconds(answer))


def autoscaler(name: str, least: int, most: int, target: float, start: int) -> dict[str, Any]:
    """From `least` to `most` replicas with `target` requests under way in each, which take `start` seconds to come."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": max(1, least),
            "maxReplicas": max(1, most),
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": watching.UNDER_WAY},
                        "target": {"type": "AverageValue", "averageValue": f"{max(1, math.floor(1000 * target))}m"},
                    },
                }
            ],
            "behavior": {
                # a start takes minutes: grow at once, and shrink when the load has stayed low
                "scaleUp": {"stabilizationWindowSeconds": 0},
                "scaleDown": {
                    "stabilizationWindowSeconds": max(300, min(3600, start)),
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
                },
            },
        },
    }


def monitor(name: str, program: ServingProgram) -> dict[str, Any]:
    """Which pods Prometheus asks."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(name),
        "spec": {
            "selector": {"matchLabels": labels(name)},
            "podMetricsEndpoints": [{"port": "http", "path": program.metrics.path, "interval": "15s"}],
        },
    }


def rules(name: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Prometheus' rules as a document."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(name),
        "spec": {"groups": groups},
    }


def _rules(answer: ServingAnswer, program: ServingProgram) -> dict[str, Any]:
    return rules(label(answer), watching.groups(answer, program.metrics, f"{label(answer)}-.*"))


def _adapter_rule() -> dict[str, Any]:
    return {
        "seriesQuery": f'{watching.UNDER_WAY}{{namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"matches": watching.UNDER_WAY},
        "metricsQuery": "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    }
