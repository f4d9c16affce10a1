import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_endpoint import FakeServer

from aistack.applications.lab.assistant import Answer, answer, open_index, quote
from aistack.applications.lab.endpoint import Endpoint, EndpointFailed
from aistack.applications.lab.index import Index, build
from aistack.applications.passages import Passage


@pytest.fixture
def index(tmp_path: Path, passages: list[Passage]) -> Iterator[Index]:
    build(tmp_path / "index.sqlite", passages)
    with open_index(tmp_path / "index.sqlite") as opened:
        yield opened


def test_an_answer_is_quotations_with_citations(index: Index) -> None:
    found = answer(index, "How long does an all-reduce take, and which gradients does it sum?")
    assert found.passages[0].passage.id == "network#0"
    texts = {number: each.passage.text for number, each in enumerate(found.passages, 1)}
    assert found.quotes
    for each in found.quotes:
        assert each.text in texts[each.citation]
        assert each.highlights
        words = [each.text[start:end].lower() for start, end in each.highlights]
        assert all(word.startswith(("all", "reduc", "gradient", "sum", "take", "long")) for word in words), words
    assert found.generated is None


def test_nothing_found_is_an_empty_answer(index: Index, server: FakeServer) -> None:
    with Endpoint(server.url) as endpoint:
        found = answer(index, "xylophone?", endpoint=endpoint)
    assert found.passages == () and found.quotes == () and found.generated is None
    assert server.requests == []


def test_quotes_fall_back_to_the_first_sentence() -> None:
    (only,) = quote("xylophone", ["The key-value cache keeps keys for later. And more."])
    assert (only.text, only.citation, only.highlights) == ("The key-value cache keeps keys for later.", 1, ())
    assert quote("anything", []) == ()


def test_generation_sees_the_passages_and_cites_only_them(index: Index, server: FakeServer) -> None:
    server.text = "Shards hold packed tokens [1], as everybody knows [7]."
    with Endpoint(server.url, key="secret") as endpoint:
        found = answer(index, "What is a shard?", endpoint=endpoint)
    assert found.generated and found.generated.checked and found.generated.problem is None
    assert found.generated.model == "tiny"
    assert found.generated.checked.citations == (1,) and found.generated.checked.refused == (7,)
    assert "[7]" not in found.generated.checked.text
    path, body, headers = server.requests[-1]
    assert path == "/v1/chat/completions" and body["model"] == "tiny" and headers["Authorization"] == "Bearer secret"
    (message,) = body["messages"]
    assert found.passages[0].passage.text in message["content"] and "What is a shard?" in message["content"]
    # a third of the bytes of 256 tokens less answer and template
    assert len(message["content"].encode()) <= 3 * (256 - 64 - 16)


def test_a_base_model_is_asked_to_go_on(index: Index, server: FakeServer) -> None:
    with Endpoint(f"{server.url}/v1/", chat=False) as endpoint:
        found = answer(index, "What is a shard?", endpoint=endpoint)
    assert found.generated and found.generated.checked
    path, body, _ = server.requests[-1]
    assert path == "/v1/completions" and body["prompt"].endswith("Question: What is a shard?\nAnswer:")


def test_a_context_too_short_for_any_passage_is_told(index: Index, server: FakeServer) -> None:
    server.models[0]["max_model_len"] = 110
    with Endpoint(server.url) as endpoint:
        found = answer(index, "What is a shard?", endpoint=endpoint)
    assert found.generated and "No passage fits" in str(found.generated.problem)
    assert found.quotes


def _asked(index: Index, url: str, **given: object) -> tuple[Answer, str]:
    with Endpoint(url, timeout=0.5) as endpoint:
        found = answer(index, "What is a shard?", endpoint=endpoint, **given)  # type: ignore[arg-type]
    assert found.quotes and found.passages
    assert found.generated and found.generated.checked is None and found.generated.problem
    return found, found.generated.problem


def test_a_refused_connection_leaves_the_passages(index: Index) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    _, problem = _asked(index, f"http://127.0.0.1:{port}")
    assert "cannot be reached" in problem and str(port) in problem


def test_a_slow_server_leaves_the_passages(index: Index, server: FakeServer) -> None:
    server.delay = 1.0
    _, problem = _asked(index, server.url)
    assert "did not answer within 0.5 s" in problem


def test_an_unknown_model_lists_what_is_served(index: Index, server: FakeServer) -> None:
    _, problem = _asked(index, server.url, model="huge")
    assert "no model named 'huge'" in problem and "tiny" in problem


@pytest.mark.parametrize(
    ("path", "reply", "words"),
    [
        ("/v1/chat/completions", (500, '{"error": {"message": "out of memory"}}'), "HTTP 500: out of memory"),
        ("/v1/chat/completions", (400, "context length exceeded"), "HTTP 400: context length exceeded"),
        ("/v1/chat/completions", (200, "<html>hello</html>"), "something else than a JSON object"),
        ("/v1/chat/completions", (200, b"\xff\xfe\x00"), "something else than a JSON object"),
        ("/v1/chat/completions", (200, "[1, 2]"), "something else than a JSON object"),
        ("/v1/chat/completions", (200, '{"choices": []}'), "without a text"),
        ("/v1/chat/completions", (200, '{"choices": [{"message": {"content": null}}]}'), "without a text"),
        ("/v1/models", (404, ""), "HTTP 404: no reason given"),
        ("/v1/models", (200, '{"data": "none"}'), "without a list of models"),
        ("/v1/models", (200, '{"data": [{"id": "x", "max_model_len": "long"}]}'), "HTTP 418"),
    ],
)
def test_bad_answers_leave_the_passages(
    index: Index, server: FakeServer, path: str, reply: tuple[int, str], words: str
) -> None:
    server.replies["/v1/chat/completions"] = (418, "a teapot")
    server.replies[path] = reply
    _, problem = _asked(index, server.url)
    assert words in problem


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "http://127.0.0.1:99999999", "ftp://127.0.0.1/x", "http://[::1"]
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(EndpointFailed), Endpoint(url, timeout=0.5) as endpoint:
        endpoint.model()


def test_the_same_question_gets_the_same_answer(index: Index) -> None:
    first, second = (answer(index, "Which keys does the cache keep?").to_json() for _ in range(2))
    assert first | {"seconds": 0} == second | {"seconds": 0}
