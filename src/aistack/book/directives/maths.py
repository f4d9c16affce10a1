"""Numbered formulas."""

from __future__ import annotations

from aistack.book.directives.block import Block, directive
from aistack.book.draft import Draft


@directive("math", "label", body=True)
def math(draft: Draft, block: Block) -> str:
    """```{math} with `:label: name`: a formula that {eq}`name` refers to."""
    from aistack.book.markdown import formula

    inner = formula(draft, block.body.strip(), display=True)
    if not block.options.get("label"):
        return f'<div class="math" tabindex="0" role="group" aria-label="Formula, scrollable">{inner}</div>\n'
    label = draft.label(f"eq-{block.options['label']}")
    return (
        f'<div class="math" id="{label.id}" tabindex="0" role="group" aria-label="{label}, scrollable">{inner}'
        f'<span class="eq-number">({label.number})</span></div>\n'
    )
