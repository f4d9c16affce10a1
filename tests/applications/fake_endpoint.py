"""An OpenAI-compatible server that can misbehave."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
