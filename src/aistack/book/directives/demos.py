"""Demos: the same HTML whether it stands in the page, in the precomputed grid, or is asked of the live edition."""

from __future__ import annotations

import html

from aistack.book.demo import Control, Shown
from aistack.book.directives.block import Block, directive
from aistack.book.directives.figures import rows
from aistack.book.draft import Draft
from aistack.errors import UnknownName


@directive("demo", argument=True)
def demo(draft: Draft, block: Block) -> str:
    """```{demo} NAME```: a demo of the page's module, its controls, and what it shows at their start."""
    if block.argument not in draft.playing:
        raise UnknownName("demo in the page's module", block.argument, draft.playing)
    label = draft.label(f"demo-{block.argument}")
    one = draft.demos[block.argument] = draft.playing[block.argument]
    controls = "".join(map(_control, one.controls))
    return (
        f'<section class="demo" id="{label.id}" data-demo="{block.argument}" data-page="{draft.page.id}" '
        f'aria-labelledby="{label.id}-title"><h3 id="{label.id}-title"><span class="number">{label}</span> '
        f'{html.escape(one.title)}</h3><form class="controls">{controls}</form>'
        f'<div class="shown" aria-live="polite">{shown(one.run(**one.start), block.argument)}</div></section>\n'
    )


def shown(what: Shown, name: str) -> str:
    """What a demo shows for one choice; `name` is the demo's."""
    numbers = "".join(
        f"<dt>{html.escape(called)}</dt><dd>{number.html()}</dd>" for called, number in what.numbers.items()
    )
    listed = f'<dl class="numbers">{numbers}</dl>' if numbers else ""
    table = f'<div class="table">{rows(what.rows)}</div>' if what.rows else ""
    figure = what.figure.html(label=f"demo-{name}-figure") if what.figure else ""
    return f"{listed}{figure}{table}"


def _control(control: Control) -> str:
    choices = "".join(
        f'<label><input type="radio" name="{control.name}" value="{html.escape(str(value), quote=True)}"'
        f"{' checked' if value == control.start else ''}> {html.escape(_printed(value))}</label>"
        for value in control.values
    )
    name = html.escape(control.label)
    return f'<fieldset data-control="{control.name}"><legend>{name}</legend>{choices}</fieldset>'


def _printed(value: str | int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
