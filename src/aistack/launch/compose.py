"""Compose: all replicas of a plan on one host, a proxy before them, and Prometheus with the plan's rules.

Each replica is a service with accelerators of its own; the proxy (nginx) gives a request to the replica with the fewest
under way. Only this machine reaches the proxy and Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aistack.errors import BadInput
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

PROXY_IMAGE = "nginx:1.29-alpine"
PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
READ_TIMEOUT = 3600
"""Seconds that an answer may take between two pieces."""


PROMETHEUS = {
    "image": PROMETHEUS_IMAGE,
    "command": ["--config.file=/etc/prometheus/prometheus.yaml"],
    "ports": ["127.0.0.1:9090:9090"],
    "volumes": [
        "./prometheus.yaml:/etc/prometheus/prometheus.yaml:ro",
        "./rules.yaml:/etc/prometheus/rules.yaml:ro",
    ],
    "restart": "unless-stopped",
}
"""The service that watches the others."""


def rendered(answer: ServingAnswer) -> Mapping[str, str]:
    """The engine's files, `compose.yaml` and what it mounts. Raises `BadInput` where one host does not hold all
    replicas, or the engine cannot express the plan."""
    program = engines.program(answer)
    inside = hosts(answer)
    count = answer.replicas + answer.standing.spares
    if count > inside.replicas:
        raise BadInput(
            f"Compose runs one host, which holds {inside.replicas:,} replicas of {answer.accelerators_per_replica:,} "
            f"accelerators; the plan has {count:,}. Use --launch kubernetes, or --replicas {inside.replicas}."
        )
    head = f"# {about(answer)}\n# {program.engine}. docker compose up --build; then http://127.0.0.1:{PORT}/v1\n"
    return {
        **files(answer, program),
        "compose.yaml": head + as_yaml(_project(answer, count)),
        "nginx.conf": _proxy(count),
        "prometheus.yaml": as_yaml(scraping(program, [f"replica-{number}" for number in range(count)])),
        "rules.yaml": as_yaml({"groups": watching.groups(answer, program.metrics, "replica-[0-9]+")}),
    }


def _project(answer: ServingAnswer, count: int) -> dict[str, Any]:
    replicas = {
        f"replica-{number}": replica(answer, number * answer.accelerators_per_replica) for number in range(count)
    }
    return {
        "name": label(answer),
        "services": {
            **replicas,
            "proxy": {
                "image": PROXY_IMAGE,
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "volumes": ["./nginx.conf:/etc/nginx/nginx.conf:ro"],
                "depends_on": {name: {"condition": "service_healthy"} for name in replicas},
                "restart": "unless-stopped",
            },
            "prometheus": PROMETHEUS,
        },
        "volumes": {"models": {}},
    }


def replica(answer: Replica, first: int) -> dict[str, Any]:
    """A service of one replica that has the accelerators from the `first` on."""
    each = answer.accelerators_per_replica
    service: dict[str, Any] = {
        "build": ".",
        "image": f"{label(answer)}:1",
        # a name without a value passes what the caller's environment has, if anything
        "environment": ["MODEL", "HF_TOKEN"],
        "volumes": ["models:/root/.cache/huggingface"],
        # engines' processes share memory beyond the container's 64 MiB
        "ipc": "host",
        "stop_grace_period": "60s",
        "restart": "unless-stopped",
        "healthcheck": {
            "test": ["CMD", "python3", "-c", _HEALTHY],
            "interval": "10s",
            "timeout": "6s",
            "retries": 3,
            "start_period": f"{start_seconds(answer)}s",
        },
    }
    if hosts(answer).amd:
        own = ",".join(map(str, range(first, first + each)))
        service["environment"] = [*service["environment"], f"HIP_VISIBLE_DEVICES={own}"]
        service["devices"] = ["/dev/kfd", "/dev/dri"]
        service["group_add"] = ["video"]
    else:
        device = {"driver": "nvidia", "device_ids": [str(first + place) for place in range(each)],
                  "capabilities": ["gpu"]}  # fmt: skip
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    return service


_HEALTHY = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"


def _proxy(count: int) -> str:
    servers = "".join(f"    server replica-{number}:{PORT};\n" for number in range(count))
    return f"""events {{}}
http {{
  upstream replicas {{
    least_conn;
{servers}  }}
  server {{
    listen {PORT};
    client_max_body_size 64m;
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      # tokens go out as they come
      proxy_buffering off;
      proxy_read_timeout {READ_TIMEOUT}s;
    }}
  }}
}}
"""


def scraping(program: ServingProgram, names: Iterable[str]) -> dict[str, Any]:
    """Prometheus' settings for the services called `names`."""
    targets = [{"targets": [f"{name}:{PORT}"], "labels": {"pod": name, "namespace": "compose"}} for name in names]
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "replicas", "metrics_path": program.metrics.path, "static_configs": targets}],
    }
