"""The local server of the app, for this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from aistack.serving.lab.server import HOST, listening

GRACE = 3
"""Seconds that open connections get when the server is told to stop."""
WAITING = 64
"""Connections that are served at once; the next are told to come back."""


def serve(port: int, ready: Callable[[str], object], endpoint: str | None = None, model: str | None = None) -> None:
    """Serve until a signal says stop; `ready` gets the address once requests are taken.

    Raises `BadInput` for a port that is taken.
    """
    with listening(HOST, port) as listener:
        import uvicorn

        from aistack.web.app import create_app

        config = uvicorn.Config(
            create_app(endpoint, model), log_level="warning", access_log=False, server_header=False,
            limit_concurrency=WAITING, timeout_keep_alive=5, timeout_graceful_shutdown=GRACE,
        )  # fmt: skip
        ready(f"http://{HOST}:{listener.getsockname()[1]}")
        # Ctrl-C is how a server is meant to end
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
