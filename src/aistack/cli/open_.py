"""`aistack open`: the live edition, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def open_(
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
) -> None:
    """Serve the book for your scenario, the planner, the catalog and the evidence on this machine alone, until
    Ctrl-C."""
    from aistack.errors import require

    require("web", "aistack open")
    from aistack.web import server

    def ready(url: str) -> None:
        typer.echo(f"Open {url} (Ctrl-C stops)")
        if browser:
            # its own thread: a browser may take its time, or run in this very terminal
            import threading
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    server.serve(port, ready)
