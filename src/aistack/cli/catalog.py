"""`aistack catalog`: facts with their sources."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Accelerators, systems, models, prices and more, each value with its source.", no_args_is_help=True
)
