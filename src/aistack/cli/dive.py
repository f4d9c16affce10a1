"""`aistack dive`: through all six layers on this machine."""

from __future__ import annotations

import typer

app = typer.Typer(help="Take real text through all six layers on this machine.", no_args_is_help=False)
