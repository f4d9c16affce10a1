"""A server of one model folder: in this process (`serve`), or in one of its own while a block runs (`running`)."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

from aistack.errors import AistackError, BadInput

Device = Literal["auto", "cpu", "cuda"]

HOST = "127.0.0.1"
_GRACE = 3
"""Seconds that open connections get when the server is told to stop."""


def serve(
    folder: Path,
    port: int = 8000,
    host: str = HOST,
    *,
    int8: bool = False,
    device: Device = "auto",
    name: str | None = None,
    ready: Callable[[str], object] = str,
) -> None:
    """Serve the Hugging Face folder until a signal says stop; `ready` gets the base URL, once requests are taken.

    `int8` rounds the weights of a folder that is not quantised yet. The model is called `name`, by default as its
    folder. Raises `BadInput` for a folder that cannot be served, a port that is taken and a device that is not there.
    """
    with listening(host, port) as listener:
        import torch
        import uvicorn

        from aistack.serving.lab import app
        from aistack.serving.lab import int8 as weights
        from aistack.serving.lab.engine import Engine
        from aistack.serving.lab.metrics import Metrics
        from aistack.serving.lab.prompts import Prompts
        from aistack.serving.lab.worker import Worker

        # the engine computes in short operations; event loop and engine trade the interpreter between them
        sys.setswitchinterval(0.0005)
        torch.set_num_threads(engine_threads())
        prompts = Prompts(folder)
        model = weights.load(folder, quantised=int8).to(_settled(device))
        engine = Engine(model, prompts.tokenizer, prompts.end_of_text)
        worker = Worker(engine, Metrics(engine))
        url = f"http://{_bracketed(host)}:{listener.getsockname()[1]}"
        application = app.create_app(worker, prompts, name or folder.resolve().name, lambda: ready(url))
        config = uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE)
        # Ctrl-C is how a server is meant to end
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def engine_threads() -> int:
    """How many threads the engine computes with: all but one, which HTTP and the clients on this machine need."""
    import torch

    return max(1, torch.get_num_threads() - 1)


@contextmanager
def running(
    folder: Path,
    port: int = 0,
    *,
    int8: bool = False,
    device: Device = "auto",
    name: str | None = None,
    start_within: float = 120,
) -> Iterator[str]:
    """Serve `folder` from a process of its own while the block runs; yields the base URL, such as http://127.0.0.1:8000.

    The API is under /v1. The process ends with the block, whatever happens in it, and also when this process is
    killed. `port` 0 takes a free one. Raises `BadInput` as `serve` does, and `AistackError` where the server does not
    come up within `start_within` seconds.
    """
    command = [sys.executable, "-m", "aistack.serving.lab.server", str(folder), "--port", str(port), "--with-parent"]
    command += ["--device", device, *(["--int8"] if int8 else [])]
    command += ["--name", name] if name else []
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=environment,
            start_new_session=True,
        )
        try:
            url = _first_line(process, start_within)
            if not url:
                process.kill()
                status = process.wait()
                complaints.seek(0)
                words = complaints.read().strip().removeprefix("aistack: ") or "it said nothing"
                raise (BadInput if status == BadInput.exit_status else AistackError)(
                    f"The server did not start: {words[-2000:]}"
                )
            _await_health(url, start_within)
            yield url
        finally:
            _stop(process)


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m aistack.serving.lab.server FOLDER`: serve, printing the base URL once requests are taken."""
    parser = argparse.ArgumentParser(prog="python -m aistack.serving.lab.server", description=serve.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--device", choices=get_args(Device), default="auto")
    parser.add_argument("--name")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    given = parser.parse_args(arguments)
    if given.with_parent:
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        serve(
            given.folder,
            given.port,
            given.host,
            int8=given.int8,
            device=given.device,
            name=given.name,
            ready=lambda url: print(url, flush=True),
        )
    except AistackError as error:
        print(f"aistack: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket bound to the port, before anything slow is done. Raises `BadInput` for a port that is taken."""
    if not 0 <= port < 1 << 16:
        raise BadInput(f"Port {port} is none: ports go from 0 (any free one) to 65535.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise BadInput(f"There is no address {host!r} to listen on: {error.strerror}.") from None
    # with the protocol named, asyncio sees TCP and sends each event at once (TCP_NODELAY); without, the first waits
    # 40 ms for the client's delayed acknowledgement
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BadInput(f"Port {port} is in use. Choose another with --port, or 0 for any free one.") from None
            raise BadInput(f"Cannot listen on {host} port {port}: {error.strerror}.") from None
        yield listener


def _first_line(process: subprocess.Popen[str], seconds: float) -> str:
    """The first line that `process` prints, or nothing where it ends or takes too long."""
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(seconds)
    return lines[0].strip() if lines else ""


def _await_health(url: str, seconds: float) -> None:
    import httpx

    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=seconds, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise AistackError(f"The server at {url} was not healthy within {seconds:.0f} s.")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_GRACE + 2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def _stop_with_parent() -> None:
    """The parent holds the other end of standard input: it ends when the parent does, even when that is killed."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _settled(device: Device) -> str:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise BadInput("PyTorch sees no CUDA device. Use --device cpu, or install a build of PyTorch for your GPU.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    main()
