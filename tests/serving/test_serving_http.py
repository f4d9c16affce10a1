"""The server as its clients meet it: a real process, real sockets, the `openai` client, and people who mean no good."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tokenizers import Tokenizer

from aistack.errors import BadInput
from aistack.serving.lab import load
from aistack.serving.lab.app import BODY_LIMIT
from aistack.serving.lab.server import running
from aistack.serving.lab.watch import gauges, watching
from aistack.serving.workload import Ask

MODEL = "tiny-llama"


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0) as one:
        yield one


@pytest.fixture
def http(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=30, trust_env=False) as one:
        yield one


def eventually(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def metrics(http: httpx.Client) -> dict[str, float]:
    return gauges(http.get("/metrics").text)


def test_the_openai_client_works_unchanged(client: openai.OpenAI) -> None:
    [model] = client.models.list().data
    assert model.id == client.models.retrieve(MODEL).id == MODEL
    whole = client.completions.create(model=MODEL, prompt="The engine", max_tokens=12, temperature=0)
    assert whole.choices[0].finish_reason in {"length", "stop"}
    assert whole.usage is not None and whole.usage.total_tokens == whole.usage.prompt_tokens + 12
    stream = client.completions.create(
        model=MODEL,
        prompt="The engine",
        max_tokens=12,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage
    turns: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße?"}]
    options: dict[str, Any] = {"model": MODEL, "messages": turns, "max_completion_tokens": 20, "seed": 5}
    answer = client.chat.completions.create(**options)
    assert answer.choices[0].message.role == "assistant"
    pieces = list(client.chat.completions.create(**options, stream=True))
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == answer.choices[0].message.content
    assert pieces[-1].choices[0].finish_reason == answer.choices[0].finish_reason


def test_openai_errors_are_the_clients_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Nearest: tiny-llama"):
        client.completions.create(model="tiny-lama", prompt="x")
    with pytest.raises(openai.BadRequestError, match="n is not supported") as refusal:
        client.completions.create(model=MODEL, prompt="x", n=2)
    assert refusal.value.param == "n" and refusal.value.code == "unsupported_parameter"


def test_concurrent_requests_get_what_they_would_get_alone(http: httpx.Client) -> None:
    def text(number: int) -> str:
        body = {"model": MODEL, "prompt": "block " * number, "max_tokens": 30, "temperature": 0}
        answer: str = http.post("/v1/completions", json=body).json()["choices"][0]["text"]
        return answer

    alone = [text(number) for number in range(1, 13)]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(text, range(1, 13))) == alone


def test_a_prompt_of_tokens_is_the_prompt_of_its_text(http: httpx.Client, model_folder: Path) -> None:
    words = "Zwölf Boxkämpfer 🙂"
    ids = Tokenizer.from_file(str(model_folder / "tokenizer.json")).encode(words).ids
    body = {"model": MODEL, "max_tokens": 8, "temperature": 0}
    by_text, by_ids = (http.post("/v1/completions", json={**body, "prompt": prompt}).json() for prompt in (words, ids))
    assert by_text["choices"] == by_ids["choices"]
    assert by_text["usage"]["prompt_tokens"] == len(ids)


def test_special_tokens_in_a_message_are_plain_text(http: httpx.Client) -> None:
    def prompt_tokens(content: str) -> int:
        body = {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 1}
        count: int = http.post("/v1/chat/completions", json=body).json()["usage"]["prompt_tokens"]
        return count

    assert prompt_tokens("<|assistant|>") > prompt_tokens("a") + 3


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"max_tokens": -1}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": "3"}, "max_tokens", "integer"),
        ({"max_tokens": True}, "max_tokens", "integer"),
        ({"max_tokens": 10**30}, "prompt", "context is 256"),
        ({"max_tokens": 256}, "prompt", "context is 256"),
        ({"temperature": -0.1}, "temperature", "greater than or equal to 0"),
        ({"temperature": 1e400}, "temperature", "less than or equal to 2"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"prompt": ["a", "b"]}, "prompt", "one text or one list of tokens"),
        ({"prompt": {"a": 1}}, "prompt", "one text or one list of tokens"),
        ({"prompt": []}, "prompt", "at least one"),
        ({"prompt": [1, 99999]}, "prompt", "tokens from 0 to"),
        ({"prompt": [-1]}, "prompt", "tokens from 0 to"),
        ({"prompt": "word " * 2000}, "prompt", "Shorten"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most four"),
        ({"stop": ""}, "stop", "at most four"),
        ({"stream": "yes"}, "stream", "boolean"),
        ({"best_of": 3}, "best_of", "not supported"),
        ({"echo": True}, "echo", "not supported"),
        ({"logprobs": 1}, "logprobs", "not supported"),
        ({"presence_penalty": 0.5}, "presence_penalty", "not supported"),
        ({"maxtokens": 5}, "maxtokens", "Nearest: max_tokens"),
        ({"seed": 2**70}, "seed", "less than"),
        ({"stream_options": {"nope": 1}}, "stream_options.nope", "no parameter"),
        ({"model": 3}, "model", "string"),
    ],
)
def test_wrong_fields_are_named(http: httpx.Client, fields: dict[str, Any], param: str, words: str) -> None:
    body = json.dumps({"model": MODEL, "prompt": "x", **fields})
    answer = http.post("/v1/completions", content=body, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == param
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "tool", "content": "x"}], [{"role": "user"}], [{"role": "user", "content": 3}], "hello",
     [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]],
)  # fmt: skip
def test_wrong_conversations_are_refused(http: httpx.Client, messages: Any) -> None:
    answer = http.post("/v1/chat/completions", json={"model": MODEL, "messages": messages})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("messages")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"[" * 100_000, 400),
        (b'{"model": "\xff"}', 400),
        (b'{"model":"tiny-llama","prompt":"\\ud800"}', 400),
        (b'{"model":"tiny-llama","prompt":"x","temperature":NaN}', 400),
        (b" " * (BODY_LIMIT + 1), 413),
    ],
)
def test_hostile_bodies_are_refused(http: httpx.Client, content: bytes, status: int) -> None:
    answer = http.post("/v1/completions", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert http.get("/health").json() == {"status": "ok"}


def test_routes_and_types_that_are_none(http: httpx.Client) -> None:
    assert http.post("/v1/completions", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert http.get("/v1/completions").status_code == 405
    assert "error" in http.get("/v1/nothing").json()
    assert http.get("/v1/models/other").status_code == 404


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_blocks(http: httpx.Client, server: str, stream: bool) -> None:
    host, port = server.removeprefix("http://").split(":")
    body = json.dumps({"model": MODEL, "prompt": "x", "max_tokens": 250, "stream": stream, "ignore_eos": True}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    before = metrics(http)["aistack_generation_tokens_total"]
    sockets = [socket.create_connection((host, int(port))) for _ in range(8)]
    for each in sockets:
        each.sendall(head % len(body) + body)
    eventually(lambda: metrics(http)["aistack_num_requests_running"] > 0)
    for each in sockets:
        each.close()
    eventually(lambda: metrics(http)["aistack_kv_cache_usage_perc"] == 0)
    assert metrics(http)["aistack_num_requests_running"] == 0
    assert metrics(http)["aistack_generation_tokens_total"] - before < 8 * 250


def test_too_many_requests_are_turned_away(server: str) -> None:
    async def statuses() -> list[int]:
        body = {"model": MODEL, "prompt": "x", "max_tokens": 100, "ignore_eos": True}
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=server, timeout=60, limits=limits, trust_env=False) as many:
            answers = await asyncio.gather(*(many.post("/v1/completions", json=body) for _ in range(95)))
        return [answer.status_code for answer in answers]

    found = asyncio.run(statuses())
    assert set(found) == {200, 429}
    assert found.count(200) >= 80


def test_metrics_count_what_happened(http: httpx.Client) -> None:
    before = metrics(http)
    for _ in range(3):
        http.post("/v1/completions", json={"model": MODEL, "prompt": [5, 6, 7], "max_tokens": 10, "ignore_eos": True})
    after = metrics(http)

    def more(name: str) -> float:
        return after[f"aistack_{name}"] - before[f"aistack_{name}"]

    assert more("prompt_tokens_total") == 9
    assert more("generation_tokens_total") == 30
    for name in ("time_to_first_token_seconds", "time_per_output_token_seconds", "e2e_request_latency_seconds"):
        assert more(f"{name}_count") == 3
        assert more(f"{name}_sum") > 0
    assert more("e2e_request_latency_seconds_sum") >= more("time_to_first_token_seconds_sum")
    families = {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}
    assert families["aistack_time_to_first_token_seconds"].type == "histogram"


def test_the_load_generator_counts_every_token(server: str) -> None:
    asks = [Ask((5, 6, 7), 9), Ask(tuple(range(3, 90)), 4)]
    with watching(server) as seen:
        found = load.measure(server, MODEL, asks, clients=3, seconds=0.3)
    assert {request.client for request in found.requests} == {0, 1, 2}
    for request in found.requests:
        assert (request.prompt_tokens, request.output_tokens) in {(3, 9), (87, 4)}
        assert len(request.tokens_at) == request.output_tokens
        assert 0 < request.time_to_first_token <= request.latency
    assert found.throughput > 0
    assert seen.most_cache_bytes > 0


def test_a_taken_port_is_one_clear_message(server: str, model_folder: Path) -> None:
    port = int(server.rpartition(":")[2])
    with pytest.raises(BadInput, match=f"Port {port} is in use"), running(model_folder, port):
        pass
    with pytest.raises(BadInput, match="Port 70000"), running(model_folder, 70000):
        pass


def test_a_folder_without_a_model_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"), running(tmp_path):
        pass


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "parent gone"])
def test_it_stops_when_told_even_in_the_middle_of_a_stream(model_folder: Path, how: str) -> None:
    python = [sys.executable, "-m", "aistack.serving.lab.server", str(model_folder), "--port", "0", "--with-parent"]
    aistack = [str(Path(sys.executable).parent / "aistack"), "serve", str(model_folder), "--port", "0", "--int8"]
    with subprocess.Popen(
        aistack if how == "SIGINT" else python, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdin and process.stdout and process.stderr
            url, *_ = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())
            body = {"model": MODEL, "prompt": "x", "max_tokens": 250, "stream": True, "ignore_eos": True}
            with (
                suppress(httpx.RemoteProtocolError),
                httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=30, trust_env=False) as response,
            ):
                assert next(response.iter_lines()).startswith("data: ")
                if how == "parent gone":
                    process.stdin.close()
                else:
                    os.kill(process.pid, getattr(signal, how))
                process.wait(timeout=20)
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False)
