"""Plans of pools that read prompts and decode apart: asked alike everywhere, consistent within, held to the parts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from aistack import scenario as stack
from aistack.errors import BadInput, DoesNotFit
from aistack.infrastructure.cluster import cluster
from aistack.scenario import PoolsAnswer, ServingScenario, pools, pools_remedies, serving_play
from aistack.serving import pool_capacity, steady_pools
from aistack.web.app import create_app

AISTACK = str(Path(sys.executable).with_name("aistack"))
ASKED = {"model": "llama-3.1-8b", "on": "8xh100-sxm5", "prompt": 2000, "output": 200, "rate": "12/s", "ttft": "500ms",
         "tpot": "15ms"}  # fmt: skip
BOTH = {"prefill": "tp=1", "decode": "tp=2 max_batch=128"}


def make(**given: object) -> PoolsAnswer:
    return stack.answer_pools(ServingScenario.from_mapping({**ASKED, **BOTH, **given}))


@pytest.fixture(scope="module")
def answer() -> PoolsAnswer:
    return make()


def test_words_and_mappings_ask_the_same(tmp_path: Path) -> None:
    mapping = {"prefill": {"tp": 1}, "decode": {"tensor_parallel": 2, "max_batch": 128}}
    by_words = ServingScenario.from_mapping({**ASKED, **BOTH})
    assert by_words == ServingScenario.from_mapping({**ASKED, **mapping})
    file = tmp_path / "plan.yaml"
    for given in (BOTH, mapping):
        file.write_text(yaml.safe_dump({**ASKED, **given}))
        assert ServingScenario.read(file) == by_words
    assert by_words.decode is not None
    assert ServingScenario.from_mapping({**ASKED, **BOTH, "decode": str(by_words.decode)}) == by_words
    one = ServingScenario.from_mapping({**ASKED, "prefill": "tp=2"})
    assert one.apart and one.decode is None and not ServingScenario.from_mapping(ASKED).apart


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prefill": "replica=2"}, "nearest: replicas"),
        ({"prefill": "tp=2 tensor_parallel=2"}, "two names of one thing"),
        ({"prefill": "tp=2 tp=4"}, "more than once"),
        ({"prefill": "two"}, "is not written like"),
        ({"decode": {"tp": 0}}, "decode.tp"),
        ({"prefill": "tp=2", "tp": 4}, "tp is said of each"),
        ({"prefill": "tp=2", "output": 1}, "no pool that decodes"),
        ({"transfer": "400 Gbit/s"}, "between pools"),
        ({"prefill": "tp=2", "transfer": "4 m"}, "transfer"),
    ],
)
def test_what_cannot_be_asked_is_named(given: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        ServingScenario.from_mapping({**ASKED, **given})


def test_pools_that_cannot_be_are_refused() -> None:
    for given, says in (
        ({"engine": "llama.cpp"}, "hands no keys and values on"),
        ({"prefill": "replicas=8", "decode": "replicas=8"}, "need 16 accelerators"),
        ({"on": "1xh100-sxm5", "decode": "tp=1"}, "One replica of each pool"),
    ):
        with pytest.raises(BadInput, match=says):
            make(**given)
    with pytest.raises(DoesNotFit, match="does not fit as TP 1"):
        make(model="llama-3.1-70b")
    with pytest.raises(BadInput, match="answer_pools"):
        stack.answer_serving(ServingScenario.from_mapping({**ASKED, **BOTH}))


def test_the_answer_holds_together(answer: PoolsAnswer) -> None:
    assert answer.meets and answer.binding is not None
    for shares, mean in ((answer.ttft_waterfall, answer.ttft.mean), (answer.tpot_waterfall, answer.tpot.mean)):
        assert sum(share.seconds for share in shares) == pytest.approx(mean)
        assert all(share.seconds >= -1e-6 * mean for share in shares)
    moved = answer.transfer
    assert moved.seconds == pytest.approx(moved.share * answer.ttft.mean)
    assert answer.concurrency == pytest.approx(answer.rate * answer.latency.mean)
    assert answer.tokens_per_second == pytest.approx(12 * 200)
    assert answer.rate <= answer.most <= min(each.most for each in answer.halves) * (1 + 1e-9)
    used = sum(each.replicas * each.accelerators_per_replica for each in answer.halves)
    assert used <= 8 and answer.tokens_per_second_per_accelerator == pytest.approx(12 * 200 / used)
    for each in answer.halves:
        assert sum(part.bytes for part in each.memory) == pytest.approx(each.capacity)
    # both are up as often as is asked for
    up = answer.prefill.standing.availability * answer.decode.standing.availability
    assert up >= answer.scenario.availability
    assert set(answer.elasticity["ttft"]) == set(answer.elasticity["throughput"])
    assert answer.elasticity["tpot"]["scale-out link"] == pytest.approx(0, abs=1e-6)


def test_no_fewer_replicas_would_do(answer: PoolsAnswer) -> None:
    counts = answer.prefill.replicas, answer.decode.replicas
    for fewer in ((counts[0] - 1, counts[1]), (counts[0], counts[1] - 1)):
        if min(fewer) < 1:
            continue
        fixed = pools.with_replicas(answer.scenario, fewer)
        assert not stack.answer_pools(fixed).meets


def test_halves_are_what_each_carries_alone(answer: PoolsAnswer) -> None:
    both, level = pools.pools(answer.scenario)
    full = steady_pools.most(both, 2000, 200)
    assert [each.most for each in answer.halves] == pytest.approx(list(map(float, full)))
    carried = pool_capacity.estimate(both, *_of(answer.scenario))
    assert min(each.rate for each in answer.halves) == pytest.approx(carried.rate)
    assert level.size == int(both.chips)


def _of(scenario: ServingScenario):  # type: ignore[no-untyped-def]
    from aistack.scenario import serving_deployment as deployments

    return deployments.workload(scenario), deployments.goals(scenario)


def test_the_link_is_that_between_the_accelerators() -> None:
    inside = make().transfer
    assert "NVLink" in inside.link
    across = make(on="16xh100-sxm5", prefill="tp=1 replicas=8", decode="tp=8 replicas=1").transfer
    outermost = cluster(16, "h100-sxm5").levels[-1]
    assert across.link == outermost.link and across.bandwidth == outermost.bandwidth
    slow = make(transfer="10 Gbit/s")
    # 32 layers, keys and values of 8 heads of 128, in 16 bits, 2,000 tokens, at 1.25 GB/s
    assert slow.transfer.seconds == pytest.approx(2000 * 32 * 2 * 8 * 128 * 2 / 1.25e9, rel=0.01)
    assert slow.binding_half == "transfer" and not slow.meets
    assert slow.transfer.utilisation > 0.5


def test_what_is_played_is_what_is_answered(answer: PoolsAnswer) -> None:
    played = serving_play.play(answer.scenario, count=6000)
    assert (played.readers, played.replicas) == (answer.prefill.replicas, answer.decode.replicas)
    assert played.seen["ttft"].mean == pytest.approx(answer.ttft.mean, rel=0.1)
    assert played.seen["tpot"].mean == pytest.approx(answer.tpot.mean, rel=0.05)
    assert serving_play.to_json(played)["readers"] == played.readers


def test_without_a_load_the_most_on_all_accelerators_is_answered() -> None:
    found = make(rate=None)
    assert found.meets and found.rate == pytest.approx(found.most, rel=0.03)
    clients = make(rate=None, concurrency=16, ttft=None, tpot=None)
    assert clients.concurrency == pytest.approx(16, rel=0.1)


def test_goals_that_cannot_be_met_name_the_half_that_binds(answer: PoolsAnswer) -> None:
    many = make(rate="500/s")
    with pytest.raises(DoesNotFit, match="The rate binds"):
        pools_remedies.require_pools(many)
    tight = make(tpot="3ms")
    with pytest.raises(DoesNotFit, match=r"tpot binds.*decoding keeps"):
        pools_remedies.require_pools(tight)
    pools_remedies.require_pools(answer)


def test_the_command_line_and_http_say_what_python_says(answer: PoolsAnswer, tmp_path: Path) -> None:
    words = [word for name, value in {**ASKED, **BOTH}.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    expected = json.loads(json.dumps(stack.to_json(answer)))
    done = subprocess.run([AISTACK, "plan", "serve", *words, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout) == expected
    shown = subprocess.run([AISTACK, "plan", "serve", *words], capture_output=True, text=True, timeout=60).stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    for said in ("handing on keys and values", "memory of an accelerator, prefill", "instead", "carried"):
        assert said in shown
    missed = subprocess.run(
        [AISTACK, "plan", "serve", *words, "--tpot", "3ms"], capture_output=True, text=True, timeout=60
    )
    assert missed.returncode == 3 and "tpot binds" in missed.stderr
    with TestClient(create_app(), base_url="http://127.0.0.1:8765") as client:
        query = client.get("/api/plan/serve", params={**ASKED, **BOTH})
        body = client.post(
            "/api/plan/serve", json={**ASKED, "prefill": {"tp": 1}, "decode": {"tp": 2, "max_batch": 128}}
        )
        assert query.json() == body.json() == expected
        assert "remedies" in client.get("/api/plan/serve", params={**ASKED, **BOTH, "tpot": "3ms"}).json()
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert set(schemas["PoolsAnswer"]["required"]) == set(expected)
    assert "Pool" in schemas
