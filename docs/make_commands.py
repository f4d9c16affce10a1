"""Write docs/commands.md, the help of every command as the command line prints it: python docs/make_commands.py"""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from aistack.cli import app

PAGE = Path(__file__).with_name("commands.md")


def commands(group: typer.Typer, name: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group below `group`, in the order in which the help lists them."""
    found = [name]
    for command in group.registered_commands:
        assert command.callback is not None
        found.append((*name, command.name or command.callback.__name__.replace("_", "-")))
    for member in group.registered_groups:
        assert member.typer_instance is not None and isinstance(member.name, str)
        found += commands(member.typer_instance, (*name, member.name))
    return found


def page() -> str:
    """The whole page, with every help text 80 columns wide."""
    sections = [
        "# Commands\n\nWhat every command says with `--help`. This page is made by `python docs/make_commands.py`.\n"
    ]
    for command in commands(app):
        done = CliRunner().invoke(app, [*command, "--help"], prog_name="aistack", terminal_width=80)
        assert done.exit_code == 0, done.output
        sections.append(f"## aistack {' '.join(command)}".rstrip() + f"\n\n```text\n{done.output.strip()}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
