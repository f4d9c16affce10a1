"""Compose: two pools on one host, the router before them, and Prometheus with the plan's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aistack.errors import BadInput
from aistack.launch import compose, engines, serving_pools, watching
from aistack.launch.serving_pools import PoolFiles
from aistack.launch.serving_program import PORT, Router, about, as_yaml, hosts, label
from aistack.scenario.pools_answer import PoolsAnswer


def rendered(answer: PoolsAnswer) -> Mapping[str, str]:
    """The engine's files, `compose.yaml` and what it mounts. Raises `BadInput` where one host does not hold both pools,
    or the engine cannot express the plan."""
    engine = answer.decode.deployment.engine
    both, router = serving_pools.pools(answer, engine), engines.ROUTERS[engine]
    needed = sum(each.count * each.answer.accelerators_per_replica for each in both)
    inside = hosts(both[0].answer).chips
    if needed > inside:
        raise BadInput(
            f"Compose runs one host of {inside:,} accelerators; the two pools have {needed:,}. Use --launch kubernetes."
        )
    program = both[0].program
    groups = watching.pool_groups(answer, program.metrics, "prefill-[0-9]+", "decode-[0-9]+", router.at_once)
    head = (
        f"# {about(answer.decode)}, and a pool that reads prompts\n# {program.engine}, {router.name}. docker compose "
        f"up --build; then http://127.0.0.1:{PORT}/v1\n"
    )
    names = [name for each in both for name in _names(each)]
    return {
        **serving_pools.files(answer, engine),
        "compose.yaml": head + as_yaml(_project(answer, both, router)),
        "prometheus.yaml": as_yaml(compose.scraping(program, names)),
        "rules.yaml": as_yaml({"groups": groups}),
    }


def _names(pool: PoolFiles) -> list[str]:
    return [f"{pool.which}-{number}" for number in range(pool.count)]


def _project(answer: PoolsAnswer, both: tuple[PoolFiles, PoolFiles], router: Router) -> dict[str, Any]:
    replicas = {name: service for each in both for name, service in _replicas(each).items()}
    addresses = [f"{each.which.upper()}={serving_pools.addresses(each, router, _names(each))}" for each in both]
    return {
        "name": label(answer.prefill),
        "services": {
            **replicas,
            "router": {
                "build": {"context": ".", "dockerfile": "Dockerfile.router"},
                "image": f"{label(answer.prefill)}-router:1",
                "environment": addresses,
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "depends_on": {name: {"condition": "service_healthy"} for name in replicas},
                "restart": "unless-stopped",
            },
            "prometheus": compose.PROMETHEUS,
        },
        "volumes": {"models": {}},
    }


def _replicas(pool: PoolFiles) -> dict[str, dict[str, Any]]:
    found = {}
    for number, name in enumerate(_names(pool)):
        service = compose.replica(pool.answer, pool.place.first + number * pool.answer.accelerators_per_replica)
        # the other pool reaches it by its name
        environment = [*service["environment"], f"ADDRESS={name}"]
        found[name] = {**service, "entrypoint": [f"/plan/{pool.which}.sh"], "environment": environment}
    return found
