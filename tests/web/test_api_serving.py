"""The serving planner over HTTP: the answers of the command line, bounded, and nothing read from this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema
import pytest
from starlette.testclient import TestClient

from aistack import scenario as stack
from aistack.scenario import ServingScenario
from aistack.web import openapi
from aistack.web.app import create_app

SERVE, SEARCH = "/api/plan/serve", "/api/plan/serve/search"
ASKED = {"model": "llama-3.1-8b", "on": "2xh100-sxm5", "prompt": 512, "output": 64, "rate": "8/s", "ttft": "500ms"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with TestClient(create_app(), base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as opened:
        yield opened


def test_query_body_and_python_give_the_same_answer(client: httpx.Client) -> None:
    from_query, from_body = client.get(SERVE, params=ASKED), client.post(SERVE, json=ASKED)
    assert from_query.status_code == from_body.status_code == 200
    expected = stack.to_json(stack.answer_serving(ServingScenario.from_mapping(ASKED)))
    assert from_query.json() == from_body.json() == json.loads(json.dumps(expected))


def test_a_goal_that_is_missed_is_answered_with_remedies(client: httpx.Client) -> None:
    found = client.get(SERVE, params={**ASKED, "tpot": "1ms"}).json()
    assert not found["meets"] and found["remedies"] and found["binding"]["name"] == "tpot"


def test_a_search_gives_the_cheapest_first(client: httpx.Client) -> None:
    found = client.get(SEARCH, params=ASKED).json()
    assert found["plans"] and all(each["meets"] for each in found["plans"])
    costs = [each["cost"]["usd_per_hour"] for each in found["plans"]]
    assert costs[0] == min(costs)
    assert client.get(SEARCH, params={**ASKED, "on": "4096xh100-sxm5"}).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": "10 GB"}, {"rate": -1}, {"ttft": "-1s"}, {"prompt": 0}, {"concurrency": 4}, {"modle": "x"},
        {"model": "/etc/passwd"}, {"model": "../config.json"}, {"draft": "/etc/passwd", "speculative": "draft"},
        {"rate": 1e308}, {"prompt": 10**8}, {"percentile": 100}, {"place": "$(touch x)"}, {"replicas": 10**9},
        {"date": "today"}, {"price": float("inf")}, {"spread": 1e9}, {"max_batch": 10**9}, {"tp": 2**40},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_and_hostile_values_are_refused_in_words(wrong: dict[str, object], client: httpx.Client) -> None:
    body = json.dumps({**ASKED, **wrong})
    answered = client.post(SERVE, content=body, headers={"content-type": "application/json"})
    assert answered.status_code in {200, 400, 422}, answered.text
    assert "Traceback" not in answered.text and "root:" not in answered.text
    if answered.status_code == 200:
        json.loads(answered.text, parse_constant=lambda name: pytest.fail(name))


def test_paths_are_not_read(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "secret"}')
    for name in ("model", "draft"):
        refused = client.post(
            SERVE, json={**ASKED, "speculative": "draft", "draft": "llama-3.2-1b", name: str(tmp_path)}
        )
        assert refused.status_code == 422 and refused.json()["error"].startswith("There is no model named")


def test_the_description_describes(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    jsonschema.validate(
        {**ASKED, "rate": 8, "ttft": 0.5}, {**schemas["ServingScenario"], "components": document["components"]}
    )
    answered = client.get(SERVE, params=ASKED).json()
    assert set(answered) == set(schemas["ServingAnswer"]["required"])
    for path in (SERVE, SEARCH):
        named = {each["name"] for each in document["paths"][path]["get"]["parameters"]}
        assert all(set(names) & named for names in openapi.spellings(ServingScenario))
    page = client.get("/api").text
    assert all(" or ".join(names) in page for names in openapi.spellings(ServingScenario))


def test_every_key_and_engine_is_on_the_page() -> None:
    from aistack import launch

    page = (Path(__file__).parent.parent.parent / "docs" / "serving-planner.md").read_text(encoding="utf-8")
    for names in openapi.spellings(ServingScenario):
        assert all(f"`{name}`" in page for name in names), names
    assert all(f"| `{engine}` |" in page for engine in launch.SERVING_ENGINES)
