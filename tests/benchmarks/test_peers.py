"""The comparison with peers: its page is its results, its scores are right, and its adapters map rows sanely."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
PEERS = REPOSITORY / "benchmarks" / "peers"
PYTHON = PEERS / ".venv" / "bin" / "python"


def load(name: str) -> ModuleType:
    """One of the benchmark's modules; they lie beside each other, outside any package."""
    sys.path.insert(0, str(PEERS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(PEERS))


page, adapters, training, serving, loop = map(
    load, ("page", "adapters", "training_comparison", "serving_comparison", "serving_loop")
)

# GPT-3 175B as in Narayanan et al. 2021 (arXiv:2104.04473), table 2: 1,536 sequences on 384 A100s
GPT_3: dict[str, Any] = {
    "id": "gpt-3",
    "model": {
        "layers": 96, "dense_layers": 96, "hidden": 12288, "ffn": 49152, "gated": False, "heads": 96, "kv_heads": 96,
        "head_dim": 128, "vocab": 51200, "experts": 1, "experts_per_token": 1, "expert_ffn": 0, "tied": True,
        "parameters": 174.6e9, "active_parameters": 174.6e9,
    },
    "seq_len": 2048, "global_batch": 1536, "micro_batch": 1, "tp": 8, "pp": 12, "dp": 4, "cp": 1, "ep": 1,
    "interleave": 1, "zero": 1, "recomputation": "full",
    "chip": {"name": "a100", "peak": 312e12, "memory": 80e9, "memory_bandwidth": 2.039e12},
    "domain": {"size": 8, "bandwidth": 300e9, "latency": 3e-6},
    "network": {"bandwidth": 25e9, "latency": 5e-6},
}  # fmt: skip


# Llama 3.1 8B in 16 bits on one H100
LLAMA: dict[str, Any] = {
    "id": "llama",
    "model": {
        "name": "llama-3.1-8b", "layers": 32, "dense_layers": 32, "hidden": 4096, "ffn": 14336, "gated": True,
        "heads": 32, "kv_heads": 8, "head_dim": 128, "vocab": 128256, "experts": 1, "experts_per_token": 1,
        "expert_ffn": 0, "tied": False, "plain": True, "parameters": 8.03e9, "active_parameters": 8.03e9,
        "cache_elements": 65536,
    },
    "scenario": "static", "prompt": 1024, "output": 128, "held": 0, "concurrency": 1, "rate": None, "most": 256,
    "pool": {"instances": 1, "tp": 1, "pp": 1, "ep": 1, "dp": 1}, "prefill_pool": None, "engine": "vllm",
    "weights": {"format": "bf16", "bytes": 2.0, "others": 2.0}, "cache": {"format": "bf16", "bytes": 2.0},
    "chip": {"name": "h100-sxm5", "peak": 989e12, "memory": 80e9, "memory_bandwidth": 3.35e12},
    "domain": {"size": 8, "bandwidth": 450e9, "latency": 3e-6},
}  # fmt: skip


def test_the_page_shows_the_stored_results() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run: python benchmarks/peers/page.py"


def middle(sizes: list[float]) -> float:
    ordered = sorted(sizes)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def test_the_stored_scores_of_training_follow_from_the_stored_rows() -> None:
    """Median errors of every planner, recomputed from the seconds that the results keep of each row."""
    results = page.stored("training")
    for column, entry in enumerate(results["entries"]):
        sizes = [
            abs(row["predicted"][column] / row["published"] - 1)
            for row in results["each"]
            if row["complete"] and row["predicted"][column] is not None
        ]
        assert len(sizes) == entry["scores"]["complete"]["predicted"]
        assert entry["scores"]["complete"]["median"] == pytest.approx(middle(sizes), abs=1e-3)


@pytest.mark.parametrize("metric", ["throughput", "ttft", "tpot"])
def test_the_stored_scores_of_serving_follow_from_the_stored_rows(metric: str) -> None:
    """Medians of every planner, and ours on what it answers, recomputed from the values that the results keep."""
    results = page.stored("serving")
    rows = [
        (row["published"][metric], [values[list(row["published"]).index(metric)] for values in row["predicted"]])
        for row in results["each"]
        if metric in row["published"]
    ]
    for column, entry in enumerate(results["entries"]):
        answered = [(published, values) for published, values in rows if values[column]]
        score = entry["scores"][metric]
        assert len(answered) == score["peer"]["groups"] == score["ours"]["groups"]
        for of, place in (("peer", column), ("ours", 0)):
            found = middle([abs(values[place] / published - 1) for published, values in answered])
            assert score[of]["median"] == pytest.approx(found, abs=1e-3)


def test_every_peer_is_pinned_and_no_index_is_named() -> None:
    text = (PEERS / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==\S+$", text.replace("_", "-"), re.MULTILINE))
    assert set(adapters.PACKAGES) <= pinned
    assert {*training.PEERS, *serving.PEERS} <= set(adapters.PACKAGES)
    assert "://" not in text and "index" not in text


def started(script: str, documented: float | None) -> Any:
    """A peer behind its adapter; those that are no packages need no environment."""
    alone = script in {training.CONSTANT[0], serving.ROOFLINE[0]}
    if not alone and not PYTHON.exists():
        pytest.skip("peers are not installed: python benchmarks/peers/run.py --install")
    return adapters.Adapter(Path(sys.executable) if alone else PYTHON, script, documented)


@pytest.fixture(scope="module", params=[training.CONSTANT, *training.PEERS.values()], ids=str)
def planner(request: pytest.FixtureRequest) -> Any:
    adapter = started(*request.param)
    yield adapter
    adapter.close()


@pytest.fixture(scope="module", params=[serving.ROOFLINE, *serving.PEERS.values()], ids=str)
def server(request: pytest.FixtureRequest) -> Any:
    adapter = started(*request.param)
    yield adapter
    adapter.close()


def changed(**values: Any) -> dict[str, Any]:
    return {**GPT_3, "id": "changed", **values}


def test_adapters_come_within_a_factor_of_two_of_a_published_step(planner: Any) -> None:
    """144 TFLOP/s a GPU, without recomputation, is 23.5 s a step (the paper's equation 3 gives 4.5e18 FLOPs in all)."""
    answers, seconds = planner.ask([GPT_3], 0.5)
    flops = 96 * 1536 * 2048 * 96 * 12288**2 * (1 + 2048 / (6 * 12288) + 51200 / (16 * 96 * 12288))
    published = flops / (384 * 153e12)
    assert published / 2 < answers["gpt-3"]["seconds"] < published * 2
    assert seconds > 0


def test_adapters_answer_to_what_matters(planner: Any) -> None:
    """More work takes longer, a faster chip or a higher efficiency less; every job gets its own answer."""
    twice = changed(global_batch=3072)
    answers, _ = planner.ask([GPT_3, twice], 0.4)
    assert answers["changed"]["seconds"] > 1.7 * answers["gpt-3"]["seconds"]
    faster = changed(chip={**GPT_3["chip"], "peak": 989e12})
    answers, _ = planner.ask([GPT_3, faster], 0.4)
    assert answers["changed"]["seconds"] < answers["gpt-3"]["seconds"]
    (slow, _), (fast, _) = planner.ask([GPT_3], 0.3), planner.ask([GPT_3], 0.6)
    assert fast["gpt-3"]["seconds"] < slow["gpt-3"]["seconds"]


def test_what_a_peer_cannot_do_is_a_refusal_with_a_reason(planner: Any) -> None:
    impossible = changed(model={**GPT_3["model"], "layers": 97}, zero=3, dp=0)
    answers, _ = planner.ask([GPT_3, impossible])
    assert "seconds" in answers["gpt-3"]
    assert len(answers["changed"]["refusal"]) > 5


def served(**values: Any) -> dict[str, Any]:
    return {**LLAMA, "id": "changed", **values}


def test_a_single_sequence_decodes_at_about_the_memorys_bandwidth(server: Any) -> None:
    """16 GB of weights a token at 3.35 TB/s are 4.8 ms at the least; no planner should say over twice that."""
    answers, seconds = server.ask([LLAMA])
    least = 2 * 8.03e9 / 3.35e12
    assert 0.85 * least < answers["llama"]["tpot"] < 2 * least
    assert answers["llama"]["throughput"] == pytest.approx(1 / answers["llama"]["tpot"], rel=0.1)
    # 1,024 tokens are 1.6e13 FLOPs
    assert 1.6e13 / 989e12 < answers["llama"]["ttft"] < 4 * 1.6e13 / 989e12
    assert seconds > 0


def test_serving_adapters_answer_to_what_matters(server: Any) -> None:
    jobs = [
        served(id="many", concurrency=64),
        served(id="long", prompt=8192),
        served(id="clients", scenario="closed", concurrency=64),
        served(id="halves", pool={**LLAMA["pool"], "instances": 2}, scenario="closed", concurrency=64),
    ]
    answers, _ = server.ask([LLAMA, *jobs])
    alone = answers["llama"]
    assert 10 * alone["throughput"] < answers["many"]["throughput"] < 64 * alone["throughput"]
    assert answers["long"]["ttft"] > 6 * alone["ttft"]
    # prompts are read one by one beside decoding sequences, not all before
    assert answers["clients"]["ttft"] < answers["many"]["ttft"]
    assert answers["clients"]["tpot"] > answers["many"]["tpot"]
    assert answers["halves"]["throughput"] > answers["clients"]["throughput"]


def test_the_loop_conserves_requests() -> None:
    """As many requests are in flight as are sent in the time that one takes, by Little's law, one prompt at a time."""
    job = served(scenario="closed", concurrency=32)
    found = loop.answered(job, lambda *_: 0.05, lambda *_: 0.02)
    stay = 32 * job["output"] / found["throughput"]
    assert stay == pytest.approx(32 * 0.05 + 128 * 0.02)
    assert found["tpot"] * 128 == pytest.approx(stay - 0.05)
    rated = loop.answered(served(scenario="rate", concurrency=None, rate=4.0), lambda *_: 0.05, lambda *_: 0.02)
    assert rated["throughput"] == pytest.approx(4.0 * 128, rel=0.05)


def test_aiconfigurator_says_what_its_readme_prints() -> None:
    """Qwen3 32B in FP8 on four H200s, 16 requests of 4,000 + 500 tokens, 500 of them cached: its README has 251.1 ms to
    the first token and 108.5 tokens/s a user, with the measurements of an earlier release."""
    qwen = {**LLAMA["model"], "name": "qwen3-32b"}
    job = served(
        model=qwen, scenario="closed", prompt=3500, held=500, output=500, concurrency=16, engine="tensorrt-llm",
        pool={**LLAMA["pool"], "tp": 4}, weights={"format": "fp8-block", "bytes": 1.0, "others": 1.0},
        chip={**LLAMA["chip"], "name": "h200-sxm"},
    )  # fmt: skip
    adapter = started(*serving.PEERS["aiconfigurator"])
    answer = adapter.ask([job])[0]["changed"]
    adapter.close()
    assert answer["ttft"] == pytest.approx(0.2511, rel=0.1)
    assert 1 / answer["tpot"] == pytest.approx(108.48, rel=0.1)


@pytest.mark.parametrize(
    ("script", "call"),
    [
        (
            "serving_with_genz.py",
            """
from GenZ.LLM_inference import decode_moddeling, prefill_moddeling
given = {"system_name": "H100_GPU", "bits": "bf16", "system_eff": 0.8, "tensor_parallel": 2,
         "parallelism_heirarchy": "TP{2}_EP{1}_PP{1}"}
print(prefill_moddeling("meta-llama/Llama-3.1-8B", 4, 1024, **given)["Latency"] / 1e3,
      decode_moddeling("meta-llama/Llama-3.1-8B", 4, 1088, Bb=1, **given)["Latency"] / 1e3)
""",
        ),
        (
            "serving_with_mlsysim.py",
            """
from mlsysim import Hardware, Models
from mlsysim.solvers import ServingModel
chip, model = Hardware.Cloud.H100, Models.Language.Llama3_8B
asked = {"model": model, "hardware": chip, "batch_size": 4, "precision": "fp16", "efficiency": 0.8}
print(ServingModel().solve(seq_len=1024, **asked).ttft.m_as("s"),
      ServingModel().solve(seq_len=1088, **asked).itl.m_as("s"))
""",
        ),
        (
            "serving_with_llm_analysis.py",
            """
from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import DtypeConfig, GPUConfig, ModelConfig, ParallelismConfig
shape = ModelConfig(name="llama-3.1-8b", num_layers=32, n_head=32, hidden_dim=4096, vocab_size=128256,
                    num_key_value_heads=8, ffn_embed_dim=21504, expansion_ratio=3.5)
chip = GPUConfig(name="h100", mem_per_GPU_in_GB=80, hbm_bandwidth_in_GB_per_sec=3350, peak_fp16_TFLOPS=989,
                 intra_node_bandwidth_in_GB_per_sec=450, intra_node_min_message_latency=3e-6)
made = LLMAnalysis(shape, chip, DtypeConfig(), ParallelismConfig(), flops_efficiency=0.8, hbm_memory_efficiency=0.8)
asked = {"batch_size_per_gpu": 4, "num_tokens_to_generate": 1}
print(made.inference(seq_len=1024, **asked)["prefill_latency"], made.inference(seq_len=1088, **asked)["decode_latency"])
""",
        ),
    ],
    ids=["genz", "mlsysim", "llm-analysis"],
)
def test_an_adapter_says_what_its_package_says_of_its_own_names(script: str, call: str) -> None:
    """The package called as it documents, with its own entries of model and chip where it has them."""
    links = {**LLAMA["domain"], "latency": 1e-6}  # GenZ's own
    job = served(concurrency=4, domain=links, pool={**LLAMA["pool"], "tp": 2 if "genz" in script else 1})
    adapter = started(script, None)
    answer = adapter.ask([job], 0.8)[0]["changed"]
    adapter.close()
    done = subprocess.run([str(PYTHON), "-c", call], capture_output=True, text=True, check=True)
    prefill, decode = map(float, done.stdout.split()[-2:])
    assert answer["ttft"] == pytest.approx(prefill, rel=0.03)
    assert answer["tpot"] == pytest.approx(decode, rel=0.03)
