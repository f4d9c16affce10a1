"""Files that serve a plan: options that engines have, scripts that run, manifests that schemas take, a rule a goal."""

import itertools
import json
import os
import re
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
from aistack.scenario import ServingAnswer, ServingScenario, answer_serving

Make = Callable[..., ServingAnswer]
USUAL = {"model": "llama-3.1-8b", "on": "8xh100-sxm5", "prompt": 512, "output": 64, "rate": "8/s", "ttft": "500ms",
         "tpot": "50ms", "engine": "vllm"}  # fmt: skip

# Names of options as the engines' own parsers have them: vllm/engine/arg_utils.py and vllm/entrypoints (vLLM 0.11.0),
# python/sglang/srt/server_args.py (SGLang 0.5.4), tensorrt_llm/commands/serve.py (TensorRT-LLM 1.1).
OPTIONS = {
    "vllm": {
        "--served-model-name", "--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size",
        "--enable-expert-parallel", "--dtype", "--quantization", "--kv-cache-dtype", "--max-model-len",
        "--max-num-seqs",
        "--max-num-batched-tokens", "--no-enable-chunked-prefill", "--gpu-memory-utilization",
        "--enable-prefix-caching", "--speculative-config", "--host", "--port",
        "--enable-lora", "--max-loras", "--max-lora-rank", "--max-cpu-loras", "--lora-modules",
    },
    "sglang": {
        "--model-path", "--served-model-name", "--tp-size", "--pp-size", "--dp-size", "--enable-dp-attention",
        "--ep-size", "--dtype", "--quantization", "--kv-cache-dtype", "--context-length", "--max-running-requests",
        "--chunked-prefill-size", "--mem-fraction-static", "--enable-metrics", "--disable-radix-cache",
        "--speculative-algorithm", "--speculative-draft-model-path", "--speculative-num-steps",
        "--speculative-eagle-topk", "--speculative-num-draft-tokens", "--host", "--port",
        "--enable-lora", "--max-loras-per-batch", "--max-lora-rank", "--lora-target-modules", "--lora-paths",
    },
    "tensorrt-llm": {
        "--tp_size", "--pp_size", "--ep_size", "--max_seq_len", "--max_batch_size", "--max_num_tokens",
        "--extra_llm_api_options", "--host", "--port",
    },
}  # fmt: skip
PROGRAMS = {"vllm": "vllm", "sglang": "python3", "tensorrt-llm": "trtllm-serve"}
CONFIG = {
    "model_type": "llama", "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 4, "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 4096,
    "tie_word_embeddings": False, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
}  # fmt: skip
HOSTILE = ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "a\ntouch pwned", "${{x}} %s {0}", "- a: b",
           "---\nkind: Pod", "{{.Values}}"]  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Make:
    known: dict[str, ServingAnswer] = {}

    def make(**given: object) -> ServingAnswer:
        key = json.dumps(given, sort_keys=True)
        if key not in known:
            known[key] = answer_serving(ServingScenario.from_mapping({**USUAL, **given}))
        return known[key]

    return make


@pytest.fixture
def words(tmp_path: Path) -> Callable[..., list[str]]:
    """Run `serve.sh` with stand-ins for the engines; what the engine was given comes back, with its accelerators."""

    def run(script: Path, **environment: str) -> list[str]:
        stand_ins, told = tmp_path / "stand-ins", tmp_path / "told.json"
        stand_ins.mkdir(exist_ok=True)
        for name in PROGRAMS.values():
            (stand_ins / name).write_text(
                f"#!{sys.executable}\nimport json, os, sys\njson.dump([os.environ.get('CUDA_VISIBLE_DEVICES', "
                f"os.environ.get('HIP_VISIBLE_DEVICES', '')), *sys.argv[1:]], open({str(told)!r}, 'w'))\n"
            )
            (stand_ins / name).chmod(0o755)
        done = subprocess.run(
            ["bash", str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path,
            env={"PATH": f"{stand_ins}:{os.environ['PATH']}", "HOME": str(tmp_path), **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: list[str] = json.loads(told.read_text())
        return found

    return run


def _documents(answer: ServingAnswer, name: str = "serving.yaml") -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(launch.render_serving(answer, "kubernetes")[name])}


@pytest.mark.parametrize("engine", list(OPTIONS))
@pytest.mark.parametrize(
    "given",
    [
        {"tp": 2, "precision": "fp8", "kv_precision": "fp8", "cached": 0.5},
        {"model": "deepseek-v3", "prompt": 512, "tp": 1, "dp": 8, "ep": 8, "precision": "nvfp4", "on": "8xb200-sxm",
         "speculative": "mtp", "chunk": 0, "ttft": None, "tpot": None},
        {"tp": 2, "pp": 2, "chunk": 0},
        {"speculative": "ngram", "draft_tokens": 4},
    ],
    ids=["fp8", "experts", "stages", "ngram"],
)  # fmt: skip
def test_an_engine_is_told_what_it_knows(
    engine: str, given: dict[str, object], plan: Make, words: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer = plan(**given)
    folder = tmp_path / "out"
    launch.write_serving(answer, engine, folder)
    devices, *told = words(folder / "serve.sh", REPLICA="1", MODEL="own/model")
    assert {word for word in told if word.startswith("--")} <= OPTIONS[engine]
    each = answer.accelerators_per_replica
    assert devices == ",".join(str(each + place) for place in range(each))
    assert "own/model" in told and told[-4:] == ["--host", "127.0.0.1", "--port", "8001"]
    values = dict(itertools.pairwise(told))
    ranks = answer.deployment.tensor_parallel * answer.deployment.data_parallel
    if engine == "vllm":
        assert int(values["--tensor-parallel-size"]) == answer.deployment.tensor_parallel
        assert json.loads(values.get("--speculative-config", "{}")).get("method") in {None, given.get("speculative")}
    else:
        assert int(values["--tp-size" if engine == "sglang" else "--tp_size"]) == ranks
    if engine == "tensorrt-llm":
        settings = yaml.safe_load((folder / "options.yaml").read_text())
        assert settings.get("enable_attention_dp", False) == (answer.deployment.data_parallel > 1)
        assert settings["enable_chunked_prefill"] == (answer.deployment.chunk > 0)


@pytest.mark.parametrize("engine", list(OPTIONS))
def test_an_engine_keeps_as_many_adapters_as_planned(
    engine: str, plan: Make, words: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer = plan(adapters=500, adapter_rank=20, engine=engine)
    folder, own = tmp_path / "out", tmp_path / "my adapters"
    for name in ("first", "second one"):
        (own / name).mkdir(parents=True)
    launch.write_serving(answer, engine, folder)
    told = words(folder / "serve.sh", ADAPTERS=str(own))
    assert {word for word in told if word.startswith("--")} <= OPTIONS[engine]
    values = dict(itertools.pairwise(told))
    # as many as the plan's memory holds, of rank 20 beside seven matrices of 32 layers in 16 bits
    each = 2 * 32 * 20 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336))
    held = sum(part.bytes for part in answer.memory if part.name == "adapters") / each
    if engine == "tensorrt-llm":
        found = yaml.safe_load((folder / "options.yaml").read_text())["lora_config"]
        assert (found["max_loras"], found["max_lora_rank"], found["max_cpu_loras"]) == (round(held), 20, 500)
        return
    assert "--enable-lora" in told
    assert int(values["--max-loras" if engine == "vllm" else "--max-loras-per-batch"]) == round(held) == held
    assert values["--max-lora-rank"] == ("32" if engine == "vllm" else "20")
    at = told.index("--lora-modules" if engine == "vllm" else "--lora-paths")
    assert told[at + 1 : at + 3] == [f"first={own}/first", f"second one={own}/second one"]
    without = words(folder / "serve.sh")
    assert not {"--lora-modules", "--lora-paths"} & set(without)


@pytest.mark.parametrize("engine", launch.SERVING_ENGINES)
def test_files_parse(engine: str, plan: Make, tmp_path: Path) -> None:
    for path in launch.write_serving(plan(), engine, tmp_path):
        if path.suffix == ".sh":
            subprocess.run(["bash", "-n", str(path)], check=True, timeout=10)
        if path.suffix == ".yaml":
            assert list(yaml.safe_load_all(path.read_text()))
        if path.name == "Dockerfile":
            text = path.read_text()
            assert text.count("\nFROM ") == 1
            copied = re.findall(r"^COPY --chmod=0555 (.*) /plan/$", text, re.MULTILINE)[0].split()
            assert all((tmp_path / name).exists() for name in copied)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_words_and_never_code(name: str, words: Callable[..., list[str]], tmp_path: Path) -> None:
    model = tmp_path / name
    model.mkdir()
    (model / "config.json").write_text(json.dumps(CONFIG))
    answer = answer_serving(ServingScenario.from_mapping({**USUAL, "model": str(model)}))
    folder = tmp_path / "out put $(touch pwned)"
    for engine in ("kubernetes", "compose"):
        launch.write_serving(answer, engine, folder)
    assert str(model) in words(folder / "serve.sh")
    assert not list(tmp_path.rglob("pwned")) and not Path("pwned").exists()
    documents = list(yaml.safe_load_all((folder / "serving.yaml").read_text()))
    kinds = [each["kind"] for each in documents]
    assert kinds == ["PersistentVolumeClaim", "Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"]
    for each in documents:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", each["metadata"]["name"])
    for text in (folder / "Dockerfile", folder / "nginx.conf"):
        assert "touch pwned" not in text.read_text()


def test_what_an_engine_cannot_do_is_refused_and_nothing_written(plan: Make, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    for engine, given, says in (
        ("vllm", {"precision": "q4_k_m"}, "not q4_k_m"),
        ("sglang", {"kv_precision": "int8"}, "not int8"),
        ("tensorrt-llm", {"on": "8xmi300x"}, "NVIDIA's accelerators alone"),
        ("kubernetes", {"engine": "llama.cpp"}, "not llama.cpp"),
        ("vllm", {"adapters": 2, "adapter_rank": 1024}, "ranks up to 512"),
        ("compose", {"on": "16xh100-sxm5", "replicas": 16, "tp": 1}, "one host"),
        ("vllm", {"on": "4xtpu-v5p", "tp": 1}, "Google"),
        ("vllm", {"on": "16xh100-sxm5", "tp": 8, "pp": 2}, "several hosts"),
    ):
        with pytest.raises(BadInput, match=says):
            launch.write_serving(plan(**given), engine, folder)
    with pytest.raises(UnknownName, match="sglang"):
        launch.write_serving(plan(), "sglan", folder)
    assert not folder.exists()


def test_the_deployment_has_the_plans_accelerators_and_probes(plan: Make) -> None:
    answer = plan(on="8xmi300x", tp=2)
    documents = _documents(answer)
    spec = documents["Deployment"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"amd.com/gpu": 2}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert documents["Service"]["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    volumes = {each["name"]: each for each in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    claim = documents["PersistentVolumeClaim"]
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_it_scales_with_requests_under_way(plan: Make) -> None:
    answer = plan()
    spec = _documents(answer)["HorizontalPodAutoscaler"]["spec"]
    metric = spec["metrics"][0]["pods"]
    assert metric["metric"]["name"] == watching.UNDER_WAY
    target = float(metric["target"]["averageValue"].removesuffix("m")) / 1000
    # a replica at the plan's load has fewer under way, one that decodes its whole batch more
    assert answer.concurrency / answer.replicas <= target * 1.01
    assert target <= answer.deployment.max_batch
    assert spec["minReplicas"] <= answer.replicas + answer.standing.spares <= spec["maxReplicas"]
    adapter = yaml.safe_load(launch.render_serving(answer, "kubernetes")["adapter-values.yaml"])
    assert watching.UNDER_WAY in adapter["rules"]["custom"][0]["seriesQuery"]


@pytest.mark.parametrize("engine", list(OPTIONS))
def test_every_goal_has_a_rule(engine: str, plan: Make) -> None:
    answer = plan(engine=engine, latency="20s")
    rules = yaml.safe_load(launch.render_serving(answer, "compose")["rules.yaml"])["groups"]
    found = {rule["alert"]: rule["expr"] for group in rules for rule in group["rules"] if "alert" in rule}
    for name, asked in answer.scenario.goals.items():
        expression = found[f"Serving{name.capitalize()}Missed"]
        assert expression.endswith(f"> {asked:g}") and "histogram_quantile(0.95" in expression
        assert expression.count("(") == expression.count(")")
    assert "ServingRateAbovePlan" in found
    inside = _documents(answer, "monitoring.yaml")["PrometheusRule"]["spec"]["groups"]
    assert [each["name"] for each in inside] == [each["name"] for each in rules]


def test_compose_gives_every_replica_accelerators_of_its_own(plan: Make) -> None:
    answer = plan(replicas=4, tp=2)
    project = yaml.safe_load(launch.render_serving(answer, "compose")["compose.yaml"])
    replicas = {name: each for name, each in project["services"].items() if name.startswith("replica-")}
    devices = [
        number
        for each in replicas.values()
        for number in each["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"]
    ]
    assert len(devices) == len(set(devices)) == 2 * len(replicas) and len(replicas) >= 4
    proxy = launch.render_serving(answer, "compose")["nginx.conf"]
    assert all(f"server {name}:8000;" in proxy for name in replicas)
    ports = [port for each in project["services"].values() for port in each.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_kubernetes_schemas_take_every_document(plan: Make) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for answer in (plan(), plan(on="8xmi300x", tp=2)):
        for each in _documents(answer).values():
            validator.validate(each, "1.31", strict=True)
