"""Files that serve two pools: options that engines and routers have, scripts that run, manifests that schemas take."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aistack import launch
from aistack.errors import BadInput, UnknownName
from aistack.launch import watching
from aistack.scenario import PoolsAnswer, ServingScenario, answer_pools

Make = Callable[..., PoolsAnswer]
USUAL = {"model": "llama-3.1-8b", "on": "8xh100-sxm5", "prompt": 2000, "output": 200, "rate": "12/s", "ttft": "500ms",
         "tpot": "15ms", "latency": "6s", "prefill": "tp=1 replicas=2", "decode": "tp=2 replicas=2 max_batch=128",
         "engine": "vllm", "availability": 0.5}  # fmt: skip
# What hands caches on, as the engines' own parsers have it: vllm/engine/arg_utils.py (0.11.0) and
# python/sglang/srt/server_args.py (0.5.4).
HANDING = {
    "vllm": {"--kv-transfer-config"},
    "sglang": {"--disaggregation-mode", "--disaggregation-bootstrap-port"},
    "tensorrt-llm": set[str](),
}
# Names of the routers' options: vllm_router/router_args.py (vllm-router 0.1.17), sglang_router/router_args.py (0.3.2).
ROUTERS = {
    "vllm": {"--vllm-pd-disaggregation", "--policy", "--prefill", "--decode", "--host", "--port"},
    "sglang": {"--pd-disaggregation", "--policy", "--prefill", "--decode", "--host", "--port"},
}
DISCOVERY = {"--service-discovery", "--service-discovery-namespace", "--service-discovery-port", "--prefill-selector",
             "--decode-selector"}  # fmt: skip
STAND_INS = ("vllm", "python3", "trtllm-serve", "vllm-router")


@pytest.fixture(scope="module")
def plan() -> Make:
    known: dict[str, PoolsAnswer] = {}

    def make(**given: object) -> PoolsAnswer:
        key = json.dumps(given, sort_keys=True)
        if key not in known:
            known[key] = answer_pools(ServingScenario.from_mapping({**USUAL, **given}))
        return known[key]

    return make


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a script with stand-ins for what it starts; the words and the environment that it got come back."""

    def run(script: Path, **environment: str) -> dict[str, Any]:
        folder, found = tmp_path / "stand-ins", tmp_path / "told.json"
        folder.mkdir(exist_ok=True)
        for name in STAND_INS:
            (folder / name).write_text(
                f"#!{sys.executable}\nimport json, os, sys\n"
                "files = {word: open(word).read() for word in sys.argv[1:] if os.path.isfile(word)}\n"
                "json.dump({'words': sys.argv[1:], 'environment': dict(os.environ), 'files': files}, "
                f"open({str(found)!r}, 'w'))\n"
            )
            (folder / name).chmod(0o755)
        done = subprocess.run(
            ["bash", str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path,
            env={"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        started: dict[str, Any] = json.loads(found.read_text())
        return started

    return run


@pytest.mark.parametrize("engine", list(HANDING))
def test_replicas_of_both_pools_start_side_by_side(
    engine: str, plan: Make, told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    launch.write_pools(plan(), engine, folder)
    seen: dict[str, list[str]] = {"devices": [], "ports": [], "channels": []}
    for half, replica in itertools.product(("prefill", "decode"), ("0", "1")):
        started = told(folder / f"{half}.sh", REPLICA=replica)
        words, environment = started["words"], started["environment"]
        values = dict(itertools.pairwise(words))
        seen["devices"] += environment["CUDA_VISIBLE_DEVICES"].split(",")
        seen["ports"].append(values["--port"])
        if engine == "vllm":
            config = json.loads(values["--kv-transfer-config"])
            assert config["kv_connector"] == "NixlConnector"
            assert config["kv_role"] == {"prefill": "kv_producer", "decode": "kv_consumer"}[half]
            seen["channels"].append(environment["VLLM_NIXL_SIDE_CHANNEL_PORT"])
            assert values["--tensor-parallel-size"] == {"prefill": "1", "decode": "2"}[half]
        if engine == "sglang":
            assert values["--disaggregation-mode"] == half
            assert ("--disaggregation-bootstrap-port" in words) == (half == "prefill")
            seen["channels"].append(values.get("--disaggregation-bootstrap-port", f"{half}{replica}"))
        if engine == "tensorrt-llm":
            settings = yaml.safe_load((folder / values["--extra_llm_api_options"]).read_text())
            assert settings["cache_transceiver_config"]["max_tokens_in_buffer"] >= 2200
            assert settings.get("disable_overlap_scheduler", False) == (half == "prefill")
        # a prompt that one pool takes must fit into the other
        longest = {"vllm": "--max-model-len", "sglang": "--context-length", "tensorrt-llm": "--max_seq_len"}[engine]
        assert int(values[longest]) >= 2200
    assert sorted(seen["devices"]) == list("012345")
    assert all(len(set(each)) == len(each) for each in seen.values())


@pytest.mark.parametrize("engine", list(ROUTERS))
def test_the_router_is_told_every_replica(
    engine: str, plan: Make, told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    launch.write_pools(plan(), engine, tmp_path / "out")
    words = told(tmp_path / "out" / "router.sh")["words"]
    assert {word for word in words if word.startswith("--")} == ROUTERS[engine]
    started = [told(tmp_path / "out" / f"{half}.sh", REPLICA=replica)["words"]
               for half, replica in itertools.product(("prefill", "decode"), ("0", "1"))]  # fmt: skip
    ports = {dict(itertools.pairwise(each))["--port"] for each in started}
    assert {word.rsplit(":", 1)[1] for word in words if word.startswith("http://")} == ports
    if engine == "sglang":
        told_of = {words[place + 2] for place, word in enumerate(words) if word == "--prefill"}
        given = {dict(itertools.pairwise(each)).get("--disaggregation-bootstrap-port") for each in started[:2]}
        assert told_of == given
    elsewhere = told(tmp_path / "out" / "router.sh", PREFILL="http://a:1,9", DECODE="http://b:2 http://c:3")["words"]
    assert [word for word in elsewhere if word.startswith("http://")][-2:] == ["http://b:2", "http://c:3"]


def test_tensorrt_llms_router_reads_a_file(plan: Make, told: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    launch.write_pools(plan(), "tensorrt-llm", tmp_path / "out")
    started = told(tmp_path / "out" / "router.sh", PREFILL="a:1 b:2", DECODE="c:3")
    assert started["words"][:2] == ["disaggregated", "-c"]
    settings = yaml.safe_load(started["files"][started["words"][2]])
    assert settings["context_servers"] == {"num_instances": 2, "urls": ["a:1", "b:2"]}
    assert settings["generation_servers"] == {"num_instances": 1, "urls": ["c:3"]}


@pytest.mark.parametrize("engine", launch.SERVING_ENGINES)
def test_files_parse_and_images_have_what_they_copy(engine: str, plan: Make, tmp_path: Path) -> None:
    written = launch.write_pools(plan(), engine, tmp_path)
    names = {path.name for path in written}
    for path in written:
        if path.suffix == ".sh":
            subprocess.run(["bash", "-n", str(path)], check=True, timeout=10)
        if path.suffix == ".yaml":
            assert list(yaml.safe_load_all(path.read_text()))
        if path.name.startswith("Dockerfile"):
            copied = [line.split()[2:-1] for line in path.read_text().splitlines() if line.startswith("COPY ")]
            assert set(copied[0]) <= names


def test_what_cannot_be_is_refused_and_nothing_written(plan: Make, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    for engine, given, says in (
        ("vllm", {"prefill": "tp=2", "decode": "tp=1"}, "decode takes fewer"),
        ("vllm", {"prefill": "pp=2"}, "no.* go with handing caches on|do not go with handing"),
        ("sglang", {"decode": "pp=2"}, "no pipeline stages"),
        ("kubernetes", {"engine": "tensorrt-llm"}, "fixed list of replicas"),
        ("compose", {"on": "16xh100-sxm5", "prefill": "tp=1 replicas=8", "decode": "tp=2"}, "one host"),
    ):
        with pytest.raises(BadInput, match=says):
            launch.write_pools(plan(**given), engine, folder)
    with pytest.raises(UnknownName, match="sglang"):
        launch.write_pools(plan(), "sglan", folder)
    assert not folder.exists()


def _documents(answer: PoolsAnswer, name: str = "serving.yaml") -> dict[tuple[str, str], dict[str, Any]]:
    text = launch.render_pools(answer, "kubernetes")[name]
    return {(each["kind"], each["metadata"]["name"].rsplit("-", 1)[-1]): each for each in yaml.safe_load_all(text)}


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_each_pool_scales_with_its_own_requests(engine: str, plan: Make) -> None:
    answer = plan(engine=engine)
    documents = _documents(answer)
    targets = {}
    for half, pool in (("prefill", answer.prefill), ("decode", answer.decode)):
        pod = documents["Deployment", half]["spec"]["template"]
        container = pod["spec"]["containers"][0]
        assert container["resources"]["limits"] == {"nvidia.com/gpu": pool.accelerators_per_replica}
        assert container["command"] == [f"/plan/{half}.sh"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert ("annotations" in pod["metadata"]) == (engine == "sglang" and half == "prefill")
        scaler = documents["HorizontalPodAutoscaler", half]["spec"]
        assert scaler["scaleTargetRef"]["name"] == documents["Deployment", half]["metadata"]["name"]
        assert scaler["minReplicas"] <= pool.replicas <= scaler["maxReplicas"]
        metric = scaler["metrics"][0]["pods"]
        assert metric["metric"]["name"] == watching.UNDER_WAY
        targets[half] = float(metric["target"]["averageValue"].removesuffix("m")) / 1000
    # few requests are read at a time, and many decoded
    assert targets["decode"] > 3 * targets["prefill"] and targets["decode"] <= 128
    router = documents["Deployment", "router"]["spec"]["template"]["spec"]
    words = router["containers"][0]["args"]
    assert {word for word in words if word.startswith("--")} == DISCOVERY
    for half in ("prefill", "decode"):
        name, value = words[words.index(f"--{half}-selector") + 1].split("=")
        assert documents["Deployment", half]["spec"]["template"]["metadata"]["labels"][name] == value
    assert router["serviceAccountName"] == documents["ServiceAccount", "router"]["metadata"]["name"]
    assert documents["Role", "router"]["rules"][0]["verbs"] == ["get", "list", "watch"]
    assert documents["RoleBinding", "router"]["roleRef"]["name"] == documents["Role", "router"]["metadata"]["name"]


@pytest.mark.parametrize("engine", list(HANDING))
def test_every_goal_has_a_rule(engine: str, plan: Make) -> None:
    answer = plan(engine=engine)
    rules = yaml.safe_load(launch.render_pools(answer, "compose")["rules.yaml"])["groups"]
    found = {rule["alert"]: rule["expr"] for group in rules for rule in group["rules"] if "alert" in rule}
    for name, asked in answer.scenario.goals.items():
        expression = found[f"Serving{name.capitalize()}Missed"]
        assert expression.endswith(f"> {asked:g}") and "histogram_quantile(0.95" in expression
        assert expression.count("(") == expression.count(")")
    assert {"ServingRateAbovePlan", "ServingPrefillQueueStands", "ServingDecodeQueueStands"} <= set(found)
    # a request that goes to both pools at once is seen whole where it is decoded
    assert ("prefill" in found["ServingTtftMissed"]) == (engine != "sglang")
    assert "prefill" not in found["ServingTpotMissed"]


def test_compose_gives_every_replica_accelerators_and_a_name_of_its_own(plan: Make) -> None:
    answer = plan()
    services = yaml.safe_load(launch.render_pools(answer, "compose")["compose.yaml"])["services"]
    replicas = {name: each for name, each in services.items() if name.startswith(("prefill-", "decode-"))}
    devices = [number for each in replicas.values()
               for number in each["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"]]  # fmt: skip
    assert sorted(devices) == list("012345") and len(replicas) == 4
    assert all(f"ADDRESS={name}" in each["environment"] for name, each in replicas.items())
    listed = dict(line.split("=", 1) for line in services["router"]["environment"])
    addresses = " ".join(listed.values())
    assert all(f"http://{name}:8000" in addresses for name in replicas)
    assert set(services["router"]["depends_on"]) == set(replicas)
    ports = [port for each in services.values() for port in each.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_kubernetes_schemas_take_every_document(plan: Make) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for answer in (plan(), plan(engine="sglang")):
        for each in _documents(answer).values():
            validator.validate(each, "1.31", strict=True)
