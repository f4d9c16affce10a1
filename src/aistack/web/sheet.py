"""A page of the app's own, on the book's paper: its body comes from the templates beside this module."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aistack.book import shell
from aistack.book.setting import Setting
from aistack.drawing import Figure
from aistack.web.bar import bar

if TYPE_CHECKING:
    from jinja2 import Environment

_HEADINGS = {
    400: "This cannot be asked",
    404: "There is no such page",
    405: "This page only shows",
    500: "Something failed here",
    503: "Too much at once",
}


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["html"] = lambda thing, *given: Markup(thing.html(*given))
    return made


def sheet(
    template: str,
    here: str,
    title: str,
    setting: Setting,
    *,
    above: str | None = None,
    about: str = "",
    look: str = "desk",
    **values: object,
) -> str:
    """The document that a template's body becomes; `here` is its path, `above` another bar than the scenario's own."""
    from markupsafe import Markup

    body = _environment().get_template(template).render(setting=setting, title=title, **values)
    made = shell.document(
        "live.html.jinja",
        here,
        title,
        live=True,
        bar=bar(setting) if above is None else above,
        about=about,
        look=look,
        railed=False,
        body=Markup(body),
    )
    return shell.carry(made, setting.query())


def numbered(drawn: Mapping[str, Figure]) -> list[str]:
    """Figures as a page's elements, by name."""
    from markupsafe import Markup

    return [Markup(figure.html(number, f"fig-{name}")) for number, (name, figure) in enumerate(drawn.items(), 1)]


def failure(status: int, message: str) -> str:
    """A page that says what is wrong, under the book's own scenario."""
    title = _HEADINGS.get(status, "This does not work")
    return sheet(
        "failure.html.jinja", "failure", title, Setting(), above=bar(Setting(), "/"), lines=message.split("\n")
    )
