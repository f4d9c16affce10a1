"""`aistack catalog`: facts with their sources."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aistack.catalog.compare import Comparison, Row
    from aistack.catalog.facts import Fact
    from aistack.catalog.kinds import Kind

app = typer.Typer(
    help="Accelerators, systems, models, prices and more, each value with its source.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_MARKS = {"secondary": "*", "derived": "'"}
_LEGEND = "* from a database, press or wiki    ' derived by arithmetic"


@app.command("list")
def list_(
    of: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Which kind of entry; none: the kinds.")] = None,
    as_json: Json = False,
) -> None:
    """List the kinds of entries, or all entries of one kind with their headline figures."""
    from aistack.catalog.registry import KINDS, kind

    if of is None:
        rows = [(each.name, len(each.names()), each.about) for each in KINDS]
        if as_json:
            _print_json([{"kind": name, "entries": count, "about": about} for name, count, about in rows])
            return
        _print_table(
            ["kind", ">entries", "what they are"], [(name, f"{count:,}", about) for name, count, about in rows]
        )
        typer.echo("\nNext: aistack catalog list accelerator, or aistack catalog show h100-sxm5")
        return
    chosen = kind(of)
    entries = [chosen.load(key) for key in chosen.names()]
    if as_json:
        _print_json([{"id": each.id, "name": each.name, **_headline_json(chosen, each)} for each in entries])
        return
    shown = chosen.headline or ("name",)
    heads = [path if path in {"name", "values"} else ">" + path.replace("_", " ").replace(".", "\n") for path in shown]
    lines = [(each.id, *(_headline(chosen, each, path) for path in shown)) for each in entries]
    _print_table([chosen.name, *heads], lines)
    marked = any(cell.endswith(tuple(_MARKS.values())) for line in lines for cell in line[1:])
    typer.echo("\n" + (f"{_LEGEND}\n" if marked else "") + f"{len(lines)} entries.")
    typer.echo(f"Next: aistack catalog show {chosen.name}/{lines[0][0]}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="An id, a name or an alias; kind/name where several kinds have it.")],
    as_json: Json = False,
) -> None:
    """Show every value of an entry with unit, basis, kind, confidence, date and source."""
    from aistack.catalog.registry import find
    from aistack.catalog.sources import Source, source

    kind, entry = find(name)
    facts = dict(kind.facts(entry))
    used = {key: source(key) for key in dict.fromkeys(fact.source for fact in facts.values())}
    if isinstance(entry, Source):
        used = {entry.id: entry}
    if as_json:
        _print_json(
            {
                "kind": kind.name,
                "id": entry.id,
                "name": entry.name,
                "labels": _labels(entry),
                "facts": {path: _fact_json(fact) for path, fact in facts.items()},
                "sources": {key: {**each.model_dump(), "place": each.place} for key, each in used.items()},
            }
        )
        return
    console = _console()
    console.print(f"[bold]{_plain(entry.name)}[/]  {_plain(f'{kind.name} {entry.id}')}")
    if labels := _labels(entry):
        _wrapped(console, ", ".join(f"{key} {value}" for key, value in labels.items()), style="dim")
    if notes := getattr(entry, "notes", ""):
        _wrapped(console, notes)
    width = max((len(path) for path in facts), default=0) + 2
    for block in _blocks(facts):
        console.print()
        for path, fact in block:
            about = f"  ({fact.basis})" if fact.basis else ""
            _wrapped(console, f"{path:<{width}}{fact.text}{about}", indent=width)
        for line in _footnotes(block[0][1]):
            _wrapped(console, f"{'':<{width}}{line}", indent=width, style="dim")
    console.print("\n[bold]Sources[/]")
    for key, origin in used.items():
        _wrapped(console, f"{key}: {origin.about} ({origin.dated} {origin.date})", indent=2)
        console.print(f"  {_plain(origin.place)}", soft_wrap=True, style="dim")


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME NAME...", help="Two or more entries of one kind.")],
    field: Annotated[
        list[str] | None, typer.Option("--field", "-f", help="Only this field, or group of fields (repeatable).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Set entries side by side. Values of different unit or basis are not compared, and it says why."""
    from aistack.catalog.compare import compare as comparing
    from aistack.errors import BadInput

    found = comparing(tuple(names), tuple(field or ()))
    if as_json:
        _print_json(_comparison_json(found))
    else:
        console = _console()
        for row in found.rows:
            _print_row(console, found, row)
        console.print(f"[dim]{_plain(_LEGEND)}[/]")
        console.print(f"[dim]Ratios are to {_plain(found.ids[0])}, or to the first that states the value.[/]")
    if refused := [row for row in found.rows if row.refusal and row.field in (field or ())]:
        raise BadInput("Not compared: " + "; ".join(f"{row.field}: {row.refusal}" for row in refused) + ".")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A YAML file with one or several entries, or a CSV file with rows.")],
    write: Annotated[bool, typer.Option("--write", help="Put it into the catalog of this source checkout.")] = False,
) -> None:
    """Check a new entry before you propose it: every problem at once, then where it goes."""
    from aistack.catalog import contributions
    from aistack.errors import BadInput

    found = contributions.examine(file)
    if found.problems:
        many = f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''}"
        lines = "\n".join(f"  {number}. {each}" for number, each in enumerate(found.problems, start=1))
        raise BadInput(f"{file} has {many}:\n{lines}\nWhat each key means: docs/catalog.md")
    for each in found.additions:
        typer.echo(f"{each.what} is sound. It {'joins' if each.appended else 'becomes'} src/aistack/{each.place}.")
    if not write:
        typer.echo(f"Next: aistack catalog add {file} --write")
        return
    if not contributions.in_source_checkout():
        raise BadInput("This aistack is installed, not a source checkout: clone the repository and add the file there.")
    contributions.write(found.additions)
    typer.echo("Written. Next: make test, then open a pull request.")


def _headline(kind: Kind[Any], entry: Any, path: str) -> str:
    if path == "name":
        return str(entry.name)
    facts = dict(kind.facts(entry))
    if path in facts:
        return _marked(facts[path])
    below = {key.removeprefix(f"{path}."): fact for key, fact in facts.items() if key.startswith(f"{path}.")}
    return ", ".join(_marked(fact) if key == "value" else f"{key} {_marked(fact)}" for key, fact in below.items())


def _marked(fact: Fact) -> str:
    return fact.text + _MARKS.get(fact.confidence, "")


def _headline_json(kind: Kind[Any], entry: Any) -> dict[str, Any]:
    facts = dict(kind.facts(entry))
    return {path: _fact_json(facts[path]) for path in kind.headline if path in facts}


def _labels(entry: Any) -> dict[str, Any]:
    """What identifies an entry beside its id and name: the plain fields of its schema."""
    fields = getattr(type(entry), "model_fields", {})
    values = {key: getattr(entry, key) for key in fields if key not in {"id", "name", "notes"}}
    return {key: value for key, value in values.items() if isinstance(value, str | int | float) and value != ""}


def _blocks(facts: dict[str, Fact]) -> list[list[tuple[str, Fact]]]:
    """Facts in a row that have the same provenance, note and check; said once below them."""
    blocks: list[list[tuple[str, Fact]]] = []
    for path, fact in facts.items():
        before = blocks[-1][0][1] if blocks else None
        if before and _footnotes(before) == _footnotes(fact):
            blocks[-1].append((path, fact))
        else:
            blocks.append([(path, fact)])
    return blocks


def _footnotes(fact: Fact) -> list[str]:
    """Kind, confidence, date and source; then the note and the check, where there are any."""
    lines = [f"{fact.kind}, {fact.confidence}, {fact.dated[0]}, {fact.source}", fact.note]
    if check := fact.checked:
        lines.append(
            f"checked {check.date} with {check.source}: {check.result}{f' ({check.note})' if check.note else ''}"
        )
    return [line for line in lines if line]


def _fact_json(fact: Fact) -> dict[str, Any]:
    date, dated = fact.dated
    stated = {**fact.model_dump(exclude_none=True), "date": date, "dated": dated}
    return {**stated, "si": fact.si, "si_unit": fact.si_unit} if fact.is_number else stated


def _comparison_json(found: Comparison) -> dict[str, Any]:
    def cells(row: Row) -> dict[str, Any]:
        return {name: _fact_json(fact) if fact else None for name, fact in zip(found.ids, row.facts, strict=True)}

    return {
        "kind": found.kind.name,
        "entries": list(found.ids),
        "rows": [
            {
                "field": row.field,
                "facts": cells(row),
                "ratios": dict(zip(found.ids, row.ratios, strict=True)),
                "refusal": row.refusal or None,
            }
            for row in found.rows
        ],
    }


def _print_row(console: Any, found: Comparison, row: Row) -> None:
    stated = next((fact for fact in row.facts if fact is not None), None)
    basis = f"  ({stated.basis})" if stated and stated.basis and not row.refusal else ""
    console.print(f"[bold]{_plain(row.field)}[/]{_plain(basis)}")
    if row.refusal:
        _wrapped(console, f"  not compared, {row.refusal}", indent=2, style="red")
    texts = [_marked(fact) if fact else "not stated" for fact in row.facts]
    ratios = [ratio for ratio in row.ratios if ratio is not None]
    name_width = max(map(len, found.ids))
    text_width = max(map(len, texts))
    block, times = "█×" if console.encoding.startswith("utf") else "#x"
    bar_width = min(24, console.width - name_width - text_width - 14)
    for name, text, ratio in zip(found.ids, texts, row.ratios, strict=True):
        line = f"  {name:<{name_width}}  {text:>{text_width}}"
        if ratio is None or len(ratios) < 2 or bar_width < 4:
            _wrapped(console, f"  {name:<{name_width}}  {text}" if not ratios else line, indent=name_width + 4)
            continue
        bar = block * max(1, round(bar_width * ratio / max(ratios))) if ratio else ""
        console.print(f"{_plain(line)}  [blue]{bar:<{bar_width}}[/] {_ratio(ratio) + times:>8}")
    console.print()


def _ratio(ratio: float) -> str:
    return f"{ratio:.3g}" if 0.001 <= ratio < 1000 else f"{ratio:.1e}"


def _print_table(heads: list[str], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for place, head in enumerate(heads):
        table.add_column(
            head.lstrip(">"),
            justify="right" if head.startswith(">") else "left",
            overflow="fold",
            no_wrap=place == 0,
        )
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    _console().print(table)


def _wrapped(console: Any, text: str, *, indent: int = 0, style: str = "") -> None:
    import textwrap

    for line in textwrap.wrap(text, console.width, subsequent_indent=" " * indent, break_on_hyphens=False) or [""]:
        console.print(_plain(line), style=style)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _console() -> Any:
    from rich.console import Console

    # a terminal that is not UTF-8 gets '?' for what it cannot show, rather than an error
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.encoding.casefold().startswith("utf"):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
