"""`aistack open`: the live edition, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def open_(
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="AISTACK_ENDPOINT",
            help="OpenAI-compatible server that Ask may write with; OPENAI_API_KEY is sent to it. None: passages only.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model to write with, by default the server's first.")
    ] = None,
) -> None:
    """Serve the book for your scenario, the planner, the catalog and the evidence on this machine alone, until
    Ctrl-C."""
    from aistack.errors import BadInput, require

    if model is not None and endpoint is None:
        raise BadInput("--model needs --endpoint, the server that has the model.")
    require("web", "aistack open")
    from aistack.web import server

    def ready(url: str) -> None:
        typer.echo(f"Open {url} (Ctrl-C stops)")
        if browser:
            # its own thread: a browser may take its time, or run in this very terminal
            import threading
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    server.serve(port, ready, endpoint, model)
