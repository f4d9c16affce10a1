"""`aistack book`: build, check and extend the book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The book: build it, check it, begin a chapter.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the site goes, PDF and EPUB in it.")] = Path(
        "build/book"
    ),
    scenario: Annotated[
        str,
        typer.Option(
            metavar="QUERY", help="For this scenario: preset=serve-70b, or model=...&count=16 as addresses have."
        ),
    ] = "",
    pdf: Annotated[bool, typer.Option(help="Print the PDF too, with Chromium.")] = True,
    epub: Annotated[bool, typer.Option(help="Make the EPUB too.")] = True,
) -> None:
    """Build the site, the PDF and the EPUB. The site opens from disk and asks no other host for anything."""
    from urllib.parse import parse_qsl

    from aistack.errors import require

    require("book", "aistack book")
    from aistack.book import epub as epubs
    from aistack.book import pdf as pdfs
    from aistack.book import site
    from aistack.book.setting import Setting

    setting = Setting.from_query(dict(parse_qsl(scenario, keep_blank_values=True)))
    if pdf:
        pdfs.find_browser()
    typer.echo(f"{len(site.build(out, setting))} files of the site in {out}")
    for wanted, make, name in ((pdf, pdfs.write, "aistack.pdf"), (epub, epubs.write, "aistack.epub")):
        if wanted:
            make(out / name, setting)
            typer.echo(f"{out / name}")
    typer.echo(f"Next: open {out / 'index.html'} in a browser, or run aistack open for the live edition")


@app.command()
def check(
    page: Annotated[str, typer.Argument(metavar="[PAGE]", help="Only this page: hardware/memory.")] = "",
    update: Annotated[bool, typer.Option("--update", help="Keep what the pages' code prints now, then check.")] = False,
    here: Annotated[
        str,
        typer.Option(metavar="TEXT", help="With --update: also run the blocks whose :output-of: says this."),
    ] = "",
    run: Annotated[bool, typer.Option("--run/--no-run", help="Run the pages' code and exercises.")] = True,
) -> None:
    """Find everything that is wrong with the book: references, numbers, code, exercises, parts."""
    from aistack.errors import BadInput, require

    require("book", "aistack book")
    from aistack.book import check as checks
    from aistack.book import code
    from aistack.book import page as book_pages

    looked_at = [book_pages.page(page)] if page else list(book_pages.pages().values())
    for each in looked_at if update else ():
        if code.update(each, here):
            typer.echo(f"Kept the outputs of {each.id}")
    found = checks.problems(page, run_code=run)
    for problem in found:
        typer.echo(str(problem))
    if found:
        raise BadInput(f"{page or 'The book'} has {len(found)} problem{'s' if len(found) > 1 else ''}.")
    typer.echo(f"{len(looked_at)} page{'s' if len(looked_at) > 1 else ''}, no problems.")


@app.command("new-chapter")
def new_chapter(
    page: Annotated[str, typer.Argument(metavar="LAYER/CHAPTER", help="Where: hardware/memory.")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="A claim or a question.")],
) -> None:
    """Begin a chapter: its text and its module, in this source checkout."""
    from aistack.book import chapter

    for path in chapter.begin(page, title):
        typer.echo(f"Wrote {path}")
    typer.echo("Next: write it (docs/book.md says how), then aistack book check")
