"""What the tests of layer 6 share: a few passages, and an OpenAI-compatible server that can misbehave."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aistack.applications.passages import Passage

Reply = tuple[int, str | bytes]


class FakeServer:
    """Answers like an OpenAI-compatible server; `replies` overrides an answer by path, `requests` keeps the bodies."""

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = [{"id": "tiny", "object": "model", "max_model_len": 256}]
        self.replies: dict[str, Reply] = {}
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.text = "Shards hold tokens [1]."
        self.delay = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, body: dict[str, Any]) -> None:
                outer.requests.append((self.path, body, dict(self.headers)))
                time.sleep(outer.delay)
                status, content = outer.replies.get(self.path) or (200, json.dumps(outer._reply(self.path)))
                content = content if isinstance(content, bytes) else content.encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up waiting

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _reply(self, path: str) -> dict[str, Any]:
        if path == "/v1/models":
            return {"object": "list", "data": self.models}
        return {"choices": [{"text": self.text, "message": {"role": "assistant", "content": self.text}}]}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    running = FakeServer()
    yield running
    running.stop()


SUBJECTS = {
    "shards": "A shard is a file of packed token sequences. Every shard has a manifest with its hash.",
    "cache": "The key-value cache keeps the attention keys of past tokens, page by page, for the decoder.",
    "optimizer": "AdamW keeps two moments for each weight. Weight decay is applied apart from the gradient.",
    "network": "An all-reduce sums gradients over every rank. Its time grows with the message size.",
    "kettle": "A kettle boils water on the stove. It whistles when the steam rises through its spout.",
}


@pytest.fixture
def passages() -> list[Passage]:
    return [Passage(f"{name}#0", text, f"docs: {name}.md", "MIT") for name, text in SUBJECTS.items()]


@pytest.fixture
def prose_of() -> Callable[[int, int], str]:
    """`prose_of(seed, sentences)`: sentences that share some words and never repeat."""
    import random

    syllables = "ta ri mo ken lu sha ver no pi dra gos fel um bra sti cor".split()  # noqa: SIM905

    def write(seed: int, sentences: int) -> str:
        draw = random.Random(seed)
        common = ["".join(draw.choices(syllables, k=2)) for _ in range(30)]
        written = []
        for _ in range(sentences):
            words = [*draw.sample(common, 6), *("".join(draw.choices(syllables, k=3)) for _ in range(5))]
            draw.shuffle(words)
            written.append(" ".join(words).capitalize() + ".")
        return " ".join(written)

    return write
