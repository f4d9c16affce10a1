"""`aistack serve`: a model behind an OpenAI-compatible HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aistack.errors import require


def serve(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A Hugging Face folder: config.json, model.safetensors, tokenizer.json."),
    ],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Only this machine reaches the default.")
    ] = "127.0.0.1",
    int8: Annotated[bool, typer.Option("--int8", help="Round the weights to eight bits.")] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="By default CUDA where PyTorch sees it.")
    ] = "auto",
    name: Annotated[
        str | None, typer.Option(help="What requests call the model; by default the folder's name.")
    ] = None,
) -> None:
    """Serve the model in FOLDER behind an OpenAI-compatible HTTP API until Ctrl-C."""
    require("lab", "aistack serve")
    from aistack.serving.lab import server

    called = name or folder.resolve().name
    server.serve(
        folder,
        port,
        host,
        int8=int8,
        device=device,
        name=called,
        ready=lambda url: typer.echo(f"Serving {called} at {url}/v1 (Ctrl-C stops). Try: curl {url}/v1/models"),
    )
