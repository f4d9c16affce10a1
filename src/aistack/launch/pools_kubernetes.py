"""Kubernetes for two pools: a Deployment of each that scales with its own requests under way, and a router before them.

The router finds replicas by their labels as they come and go, which takes a role that lists pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aistack.errors import BadInput
from aistack.launch import engines, serving_pools, watching
from aistack.launch.serving_kubernetes import (
    Pod,
    autoscaler,
    budget,
    deployment,
    labels,
    metadata,
    monitor,
    rules,
    service,
    volume,
    watched,
)
from aistack.launch.serving_pools import PoolFiles
from aistack.launch.serving_program import PORT, Router, about, as_yaml, label, start_seconds
from aistack.scenario.pools_answer import PoolsAnswer

ROUTERS = 2
"""Replicas of the router, which keeps nothing that the other needs."""


def rendered(answer: PoolsAnswer) -> Mapping[str, str]:
    """The engine's files, `serving.yaml`, `monitoring.yaml` and the adapter's rule. Raises `BadInput` where the engine
    cannot express the plan, or where its router does not find replicas that come later."""
    engine = answer.decode.deployment.engine
    router = engines.ROUTERS[engine]
    if router.file:
        raise BadInput(
            f"{router.name} takes a fixed list of replicas, which autoscaling changes. Take --launch compose or "
            f"--launch {engine}, or --engine vllm."
        )
    both = serving_pools.pools(answer, engine)
    name = label(answer.prefill)
    head = (
        f"# {about(answer.decode)}, and a pool that reads prompts\n# {both[0].program.engine}, {router.name}. Build "
        "and push both images, then: kubectl apply -f serving.yaml\n"
    )
    metrics = both[0].program.metrics
    groups = watching.pool_groups(answer, metrics, f"{name}-prefill-.*", f"{name}-decode-.*", router.at_once)
    return {
        **serving_pools.files(answer, engine),
        "serving.yaml": head
        + as_yaml(
            volume(both[0].answer),
            *(document for each in both for document in _pool(answer, each, router)),
            *_router(f"{name}-router", name),
        ),
        **watched(*(monitor(f"{name}-{each.which}", each.program) for each in both), rules(name, groups)),
    }


def _pool(answer: PoolsAnswer, pool: PoolFiles, router: Router) -> list[dict[str, Any]]:
    half = answer.prefill if pool.which == "prefill" else answer.decode
    name, spares = f"{label(half)}-{pool.which}", half.standing.spares
    tells = pool.which == "prefill" and router.bootstrap is not None
    pod = Pod(
        command=(f"/plan/{pool.which}.sh",),
        environment=({"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},),
        annotations={"sglang.ai/bootstrap-port": str(router.bootstrap)} if tells else {},
    )
    target = watching.pool_under_way(answer, half) * half.replicas / (half.replicas + spares)
    least, most = min(half.day.replicas) + spares, max(half.replicas, *half.day.replicas) + spares
    # of the accelerators that there are, this pool's part
    chips, _ = answer.scenario.system
    used = sum(each.replicas * each.accelerators_per_replica for each in answer.halves)
    room = half.replicas * chips // used
    return [
        deployment(pool.answer, name, pod),
        budget(name, spares),
        autoscaler(name, least, max(most, room), target, start_seconds(pool.answer)),
    ]


def _router(name: str, pools: str) -> list[dict[str, Any]]:
    finding = [
        "--service-discovery",
        "--service-discovery-namespace", "$(NAMESPACE)",
        "--service-discovery-port", str(PORT),
        "--prefill-selector", f"app.kubernetes.io/name={pools}-prefill",
        "--decode-selector", f"app.kubernetes.io/name={pools}-decode",
    ]  # fmt: skip
    health = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 5, "periodSeconds": 10}
    container = {
        "name": "router",
        "image": f"{pools}-router:1",
        "args": finding,
        "env": [{"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": {"requests": {"cpu": 2, "memory": "2G"}},
        "startupProbe": {**health, "failureThreshold": 60},
        "readinessProbe": {**health, "failureThreshold": 3},
        "livenessProbe": {**health, "failureThreshold": 6},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata(name),
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata(name),
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": name}],
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata(name),
            "spec": {
                "replicas": ROUTERS,
                "selector": {"matchLabels": labels(name)},
                "template": {
                    "metadata": {"labels": labels(name)},
                    "spec": {"serviceAccountName": name, "enableServiceLinks": False, "containers": [container]},
                },
            },
        },
        service(name),
        budget(name, 1),
    ]
