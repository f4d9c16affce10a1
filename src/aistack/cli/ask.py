"""`aistack ask`: cited passages from the text of a dive and the book in answer to a question."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aistack.errors import BadInput

if TYPE_CHECKING:
    from aistack.applications.lab.assistant import Answer


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know, in words.")],
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Name or folder of the run to ask, by default the latest.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="OpenAI-compatible server to generate with; OPENAI_API_KEY is sent to it."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model to generate with, by default the server's first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="FOLDER", help="Where runs are kept, by default your data folder."),
    ] = None,
) -> None:
    """Answer a question with cited passages from the text of a dive and from the book."""
    from contextlib import ExitStack

    from aistack.applications.lab import assistant
    from aistack.applications.lab.endpoint import Endpoint
    from aistack.dive.run import find

    if not question.strip():
        raise BadInput('There is no question. Example: aistack ask "How is a tensor sharded?"')
    if model is not None and endpoint is None:
        raise BadInput("--model needs --endpoint, the server that has the model.")
    found = find(run, runs)
    result = found.result("applications")
    if result is None:
        raise BadInput(
            f"The run {found.name} has no index yet. Continue it with: aistack dive --resume --run {found.name}"
        )
    with ExitStack() as stack:
        index = stack.enter_context(assistant.open_index(found.root / result.outputs["index"]))
        server = None
        if endpoint is not None:
            server = stack.enter_context(Endpoint(endpoint, os.environ.get("OPENAI_API_KEY")))
        answer = assistant.answer(index, question, endpoint=server, model=model)
    if as_json:
        typer.echo(json.dumps(answer.to_json(), indent=1, ensure_ascii=False))
    else:
        _print(answer)


def _print(answer: Answer) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    out = Console(highlight=False, markup=False, emoji=False)
    out.width = min(out.width, 80)
    if not answer.passages:
        out.print("Nothing in the text or the book has a word of this question. Try other words.")
        return
    for quote in answer.quotes:
        text = Text(f"{quote.text} [{quote.citation}]")
        for start, end in quote.highlights:
            text.stylize("bold", start, end)
        out.print(Padding(text, (0, 0, 1, 2)))
    for number, found in enumerate(answer.passages, start=1):
        out.print(Text(f"[{number}] {found.passage.source} ({found.passage.licence})", "dim"))
    if answer.generated is None:
        return
    made = answer.generated
    out.print()
    if made.checked is None:
        out.print(f"No generated answer: {made.problem}")
        return
    out.print(
        f"{made.model} wrote, from the first {made.prompt_passages} of these (the passages are the answer, not this):"
    )
    out.print(Padding(Text(made.checked.text or "(nothing)"), (1, 0, 1, 2)))
    removed = ", ".join(f"[{number}]" for number in made.checked.refused)
    out.print(
        f"{made.checked.support:.0%} of its longer words occur in the passages."
        f"{f' Citations of nothing, removed: {removed}.' if removed else ''}"
    )
