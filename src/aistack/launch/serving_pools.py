"""Two pools that read prompts and decode apart: a script for a replica of each, and the router before them.

On one host that holds both, replicas take accelerators and ports one pool after the other; elsewhere `PREFILL` and
`DECODE` tell the router the replicas' addresses.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aistack.launch import engines
from aistack.launch.serving_program import (
    PORT,
    Place,
    Router,
    ServingProgram,
    about,
    hosts,
    image,
    label,
    script,
    start_seconds,
)
from aistack.scenario.pools import HALVES
from aistack.scenario.pools_answer import PoolAnswer, PoolsAnswer
from aistack.serving.pool_capacity import Half

PORTS = {"prefill": 8100, "decode": 8200}
"""Where the first replica of each pool listens on a host that holds both."""


@dataclass(frozen=True)
class PoolFiles:
    """One pool with what starts a replica of it."""

    which: Half
    answer: PoolAnswer
    """Its scenario has the answers' length again, which an engine must take."""
    program: ServingProgram
    place: Place

    @property
    def count(self) -> int:
        """Replicas, spares included."""
        return self.answer.replicas + self.answer.standing.spares


def pools(answer: PoolsAnswer, engine: str) -> tuple[PoolFiles, PoolFiles]:
    """Both pools on `engine`. Raises `BadInput` naming what it cannot express."""
    halves = [
        replace(each, scenario=each.scenario.model_copy(update={"output": answer.scenario.output}))
        for each in answer.halves
    ]
    found: list[PoolFiles] = []
    deployments = halves[0].deployment, halves[1].deployment
    for which, each in zip(HALVES, halves, strict=True):
        program = engines.HALVES[engine](engines.PROGRAMS[engine](each), which, *deployments)
        before = sum(one.count * one.answer.accelerators_per_replica for one in found)
        one = PoolFiles(which, each, program, Place(which, PORTS[which]))
        # a pool that does not fit beside the other has hosts of its own
        if found and before + one.count * each.accelerators_per_replica <= hosts(each).chips:
            one = replace(one, place=replace(one.place, first=before))
        found.append(one)
    return found[0], found[1]


def files(answer: PoolsAnswer, engine: str) -> Mapping[str, str]:
    """Scripts, the engine's own files and container files."""
    both, router = pools(answer, engine), engines.ROUTERS[engine]
    scripts = tuple(f"{each.which}.sh" for each in both)
    settings = {name: text for each in both for name, text in each.program.files.items()}
    merged = replace(both[0].program, files=settings)
    largest = max((each.answer for each in both), key=start_seconds)
    return {
        **{f"{each.which}.sh": script(each.answer, each.program, each.place) for each in both},
        "router.sh": _router(both, router),
        **settings,
        "Dockerfile": image(largest, merged, scripts),
        "Dockerfile.router": _router_image(answer, router),
    }


def addresses(pool: PoolFiles, router: Router, hosts_of: list[str] | None = None) -> str:
    """The replicas' addresses as the router's script takes them; `hosts_of` replicas with a network of their own."""
    if hosts_of is not None:
        each = [(host, PORT, 0) for host in hosts_of]
    else:
        each = [("127.0.0.1", PORTS[pool.which] + number, number) for number in range(pool.count)]
    known = router.bootstrap if pool.which == "prefill" else None
    ends = [f",{known + number}" if known is not None else "" for _, _, number in each]
    scheme = "" if router.file else "http://"
    return " ".join(f"{scheme}{host}:{port}{end}" for (host, port, _), end in zip(each, ends, strict=True))


def _router(both: tuple[PoolFiles, PoolFiles], router: Router) -> str:
    prefill, decode = (addresses(each, router) for each in both)
    return f"""#!/usr/bin/env bash
# {about(both[0].answer)}: the router before both pools
# {router.name}. PREFILL="ADDRESS ..." DECODE="ADDRESS ..." ./router.sh, or its own options for finding replicas.
set -euo pipefail
PREFILL="${{PREFILL:-{prefill}}}" DECODE="${{DECODE:-{decode}}}"
HOST="${{HOST:-127.0.0.1}}" PORT="${{PORT:-{PORT}}}"
{_listed(router) if router.file else _options(router)}"""


def _options(router: Router) -> str:
    words = '"${each%,*}" "${each#*,}"' if router.bootstrap is not None else '"$each"'
    return f"""arguments=("$@")
if [[ $# -eq 0 ]]; then
  for each in $PREFILL; do arguments+=(--prefill {words}); done
  for each in $DECODE; do arguments+=(--decode "$each"); done
fi
exec {shlex.join(router.command)} "${{arguments[@]}}" --host "$HOST" --port "$PORT"
"""


def _listed(router: Router) -> str:
    return f"""settings="$(mktemp)"
{{
  printf 'hostname: "%s"\\nport: %s\\nbackend: pytorch\\n' "$HOST" "$PORT"
  for pool in context generation; do
    [[ $pool == context ]] && listed="$PREFILL" || listed="$DECODE"
    printf '%s_servers:\\n  num_instances: %s\\n  urls:\\n' "$pool" "$(wc -w <<<"$listed")"
    for each in $listed; do printf '    - "%s"\\n' "$each"; done
  done
}} >"$settings"
exec {shlex.join(router.command)} "$settings"
"""


def _router_image(answer: PoolsAnswer, router: Router) -> str:
    install = f"RUN {shlex.join(['python3', '-m', 'pip', 'install', '--no-cache-dir', *router.packages])}\n"
    return f"""# docker build -t {label(answer.prefill)}-router:1 -f Dockerfile.router .
FROM {router.image}
{install if router.packages else ""}WORKDIR /plan
COPY --chmod=0555 router.sh /plan/
ENV HOST=0.0.0.0 PORT={PORT}
EXPOSE {PORT}
ENTRYPOINT ["/plan/router.sh"]
"""
