"""The HTTP API as programs and attackers meet it: a real server process, real sockets."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema
import pytest

from aistack import scenario as stack
from aistack.scenario import TrainingScenario
from aistack.web import openapi

AISTACK = Path(sys.executable).with_name("aistack")
ASKED = {"model": "llama-3.1-8b", "on": "64xh100-sxm5", "seq_len": 8192, "global_batch": 128, "tp": 2}
PLAN = "/api/plan/train"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    process = subprocess.Popen(
        [str(AISTACK), "open", "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in complaints, complaints


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=30) as opened:
        yield opened


def _port(server: str) -> int:
    return int(server.rpartition(":")[2])


def _raw(server: str, sent: bytes) -> bytes:
    """What comes back for these very bytes."""
    with socket.create_connection(("127.0.0.1", _port(server)), timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def test_query_body_and_python_give_the_same_answer(client: httpx.Client) -> None:
    from_query = client.get(PLAN, params=ASKED)
    from_body = client.post(PLAN, json=ASKED)
    assert from_query.status_code == from_body.status_code == 200
    expected = json.loads(json.dumps(stack.to_json(stack.answer(TrainingScenario.model_validate(ASKED)))))
    assert from_query.json() == from_body.json() == expected


def test_numbers_add_up(client: httpx.Client) -> None:
    found = client.post(PLAN, json={**ASKED, "tokens": "1T"}).json()
    assert sum(share["seconds"] for share in found["waterfall"]) == pytest.approx(found["step_seconds"])
    assert sum(part["bytes"] for part in found["memory"]) == pytest.approx(found["memory_total"])
    assert found["tokens_per_second"] * found["step_seconds"] == pytest.approx(ASKED["seq_len"] * ASKED["global_batch"])  # type: ignore[operator]
    assert found["run"]["steps"] * found["tokens_per_step"] >= 1e12
    assert found["run"]["days"] == pytest.approx(found["run"]["seconds"] / 86400)


def test_a_plan_that_does_not_fit_is_answered_with_remedies(client: httpx.Client) -> None:
    found = client.get(PLAN, params={**ASKED, "on": "8xh100-sxm5", "micro_batch": 16}).json()
    assert not found["fits"] and found["remedies"]


def test_what_the_command_line_refuses_is_refused_in_the_same_words(client: httpx.Client) -> None:
    for wrong in ({"modle": "x"}, {"on": "64 h100"}, {"seq_len": "many"}, {"tp": 3}, {"on": "64xh10"}, {"zero": "no"}):
        values = {**ASKED, **wrong}
        refused = client.get(PLAN, params=values)
        assert refused.status_code == 422
        words = [*(f"--{name.replace('_', '-')}={value}" for name, value in values.items())]
        done = subprocess.run([str(AISTACK), "plan", "train", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        if "modle" in wrong:
            assert "'modle' is no key" in refused.json()["error"] and "model" in refused.json()["error"]
        else:
            said = refused.json()["error"].replace("The request", "The plan")
            assert said in done.stderr


def test_all_that_is_wrong_is_said_at_once(client: httpx.Client) -> None:
    error = client.post(PLAN, json={"model": "llama-3.1-8b", "seq_len": 0, "tensor": 2}).json()["error"]
    assert all(word in error for word in ("on is missing", "global_batch is missing", "seq_len", "'tensor' is no key"))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404), ("DELETE", PLAN, 405), ("PUT", PLAN, 405), ("PATCH", "/", 405), ("POST", "/", 405),
        ("GET", "/api/catalog/nothing", 422), ("GET", "/../../etc/passwd", 404), ("OPTIONS", PLAN, 405),
        ("GET", "/api/catalog/%2e%2e%2f", 404), ("TRACE", "/", 405),
    ],
)  # fmt: skip
def test_wrong_paths_and_methods(method: str, path: str, status: int, client: httpx.Client) -> None:
    answered = client.request(method, path)
    assert answered.status_code == status and set(answered.json()) == {"error"}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost@evil", "", "127.0.0.2", "0.0.0.0"]
)
def test_other_hosts_are_refused(host: str, server: str) -> None:
    answered = _raw(server, f"GET {PLAN} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answered.startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 "))


def test_its_own_names_are_answered(server: str) -> None:
    port = _port(server)
    for host in ("127.0.0.1", "localhost", f"localhost:{port}", f"127.0.0.1:{port}", "LOCALHOST"):
        answered = _raw(server, f"GET /api/catalog HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert answered.startswith(b"HTTP/1.1 200 ")
    twice = "GET /api/catalog HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert _raw(server, twice.encode()).startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 "))


def test_it_listens_on_this_machine_alone(server: str) -> None:
    others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        with pytest.raises(OSError), socket.create_connection((address, _port(server)), timeout=2):
            pass


def test_large_bodies_are_refused_before_they_are_read(server: str, client: httpx.Client) -> None:
    assert client.post(PLAN, content=b"x" * 64_001, headers={"content-type": "application/json"}).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(2000):
            yield b"[" * 1000

    assert client.post(PLAN, content=endless(), headers={"content-type": "application/json"}).status_code == 413
    just = json.dumps({**ASKED, "place": "W" * 63_000}).encode()
    assert client.post(PLAN, content=just, headers={"content-type": "application/json"}).status_code != 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b'"text"', 400), (b"\xff\xfe", 400), (b"[" * 60_000, 400),
        (b'{"global_batch": ' + b"9" * 5000 + b"}", 400), (b"{}", 422), (b'{"model": null}', 422),
        (b'{"model": {"a": 1}}', 422), (b'{"model": "x", "model": "y"}', 422),
    ],
)  # fmt: skip
def test_broken_bodies(body: bytes, status: int, client: httpx.Client) -> None:
    answered = client.post(PLAN, content=body, headers={"content-type": "application/json"})
    assert answered.status_code == status and set(answered.json()) == {"error"}


def test_bodies_of_other_kinds_are_refused(client: httpx.Client) -> None:
    # a form is what another site's page could send without asking first
    assert client.post(PLAN, data={key: str(value) for key, value in ASKED.items()}).status_code == 415
    assert client.post(PLAN, content=json.dumps(ASKED), headers={"content-type": "text/plain"}).status_code == 415
    assert client.post(f"{PLAN}?tp=4", json=ASKED).status_code == 400
    assert client.get(f"{PLAN}?tp=1&tp=2&model=x").status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": 1e308}, {"tokens": float("inf")}, {"tokens": float("nan")}, {"price": float("inf")},
        {"global_batch": 10**9}, {"on": "10000000xh100-sxm5"}, {"seq_len": 10**8}, {"micro_batch": 10**9},
        {"interleave": 10**9}, {"tp": 2**40}, {"pue": float("nan")}, {"oversubscription": 1e308}, {"tp": True},
        {"model": "\x00"}, {"model": "a" * 10_000}, {"place": "$(touch x)"}, {"network": "1e400 Gbit/s"},
        {"on": "９xh100-sxm5"}, {"shard_group": -1}, {"lora_rank": 65536}, {"sequence_parallel": "maybe"},
        {"engine": "none"}, {"node": "../../x"},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_values_are_answered_or_refused_and_never_crash(wrong: dict[str, object], client: httpx.Client) -> None:
    body = json.dumps({**ASKED, **wrong})
    answered = client.post(PLAN, content=body, headers={"content-type": "application/json"})
    assert answered.status_code in {200, 400, 422}, answered.text
    assert "Traceback" not in answered.text
    if answered.status_code == 200:
        json.loads(answered.text, parse_constant=lambda name: pytest.fail(name))


def test_paths_are_not_read(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "secret"}')
    for path in (str(tmp_path), str(tmp_path / "config.json"), "/etc/passwd", "../config.json", "~/.bashrc"):
        refused = client.post(PLAN, json={**ASKED, "model": path})
        assert refused.status_code == 422 and "secret" not in refused.text
        assert refused.json()["error"].startswith("There is no model named")


def test_every_answer_keeps_browsers_to_themselves(client: httpx.Client) -> None:
    for path in ("/", PLAN, "/nowhere", "/openapi.json", "/api", "/book/assets/style.css"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers and "server" not in headers


def test_the_page_lists_every_route_and_key(client: httpx.Client) -> None:
    page = client.get("/api").text
    for path in openapi.document()["paths"]:
        assert path in page
    for names in openapi.spellings():
        assert " or ".join(names) in page
    linked = re.search(r'href="(/api/[^"]+)"', page)
    assert linked is not None
    assert client.get(linked[1].replace("&amp;", "&")).status_code == 200


def test_the_description_describes(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schema = document["components"]["schemas"]["Scenario"]
    jsonschema.validate(ASKED, {**schema, "components": document["components"]})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**ASKED, "modle": 1}, {**schema, "components": document["components"]})
    answered = client.get(PLAN, params=ASKED).json()
    described = document["components"]["schemas"]["Answer"]
    assert set(answered) == set(described["required"]) == set(described["properties"]) - {"remedies"}
    named = {each["name"] for each in document["paths"][PLAN]["get"]["parameters"]}
    assert all(set(names) & named for names in openapi.spellings())


def test_a_search_gives_the_best_plans(client: httpx.Client) -> None:
    found = client.get("/api/plan/search", params=ASKED).json()
    steps = [plan["step_seconds"] for plan in found["plans"]]
    assert steps == sorted(steps) and found["fit"] <= found["considered"] and all(p["fits"] for p in found["plans"])
    own = client.get(PLAN, params=ASKED).json()
    assert not own["fits"] or steps[0] <= own["step_seconds"] * 1.0001
    best = found["plans"][0]["scenario"]
    again = client.post(PLAN, json={key: value for key, value in best.items() if value is not None}).json()
    assert again["step_seconds"] == pytest.approx(steps[0])


def test_a_search_without_end_is_refused(client: httpx.Client) -> None:
    wide = {**ASKED, "model": "llama-3.1-405b", "on": "7207200xh100-sxm5", "seq_len": 7207200, "global_batch": 7207200}
    refused = client.post("/api/plan/search", json=wide)
    assert refused.status_code == 422 and "divide in too many ways" in refused.json()["error"]


def test_one_search_at_a_time(server: str) -> None:
    job = {**ASKED, "model": "llama-3.1-405b", "on": "4096xh100-sxm5", "global_batch": 1024, "precision": "bf16"}
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=server, timeout=60) as one:
            statuses.append(one.get("/api/plan/search", params=job).status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 429} and 200 in statuses


def test_the_catalog_lists_names(client: httpx.Client) -> None:
    kinds = client.get("/api/catalog").json()
    assert kinds["accelerator"] == len(client.get("/api/catalog/accelerators").json())
    assert "llama-3.1-8b" in client.get("/api/catalog/model").json()


def test_many_at_once_are_all_answered(server: str) -> None:
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=server, timeout=60) as one:
            statuses.append(one.get(PLAN, params=ASKED).status_code)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 12


def test_garbage_is_a_bad_request(server: str, client: httpx.Client) -> None:
    assert b" 400 " in _raw(server, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").split(b"\r\n")[0]
    assert b" 400 " in _raw(server, b"GET / HTTP/1.1\r\n" + b"a" * 100_000).split(b"\r\n")[0]
    assert client.get("/").status_code == 200


def test_a_port_that_is_taken_is_said(server: str) -> None:
    done = subprocess.run(
        [str(AISTACK), "open", "--port", str(_port(server))], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "is in use" in done.stderr and "Traceback" not in done.stderr
