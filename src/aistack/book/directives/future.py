"""Predictions, as the pages of a part's vision show them."""

from __future__ import annotations

import html

from aistack.book import bibliography, roles
from aistack.book.directives.block import Block, directive
from aistack.book.draft import Draft
from aistack.book.predictions import prediction


@directive("prediction", argument=True)
def show(draft: Draft, block: Block) -> str:
    """```{prediction} KEY```: an entry of predictions.yaml."""
    one = prediction(block.argument)
    for key in one.sources:
        bibliography.work(key)
        draft.cites.setdefault(key, None)
    about = {
        "Settled on": one.resolves.isoformat(),
        "What counts": one.criterion,
        "Evidence": one.evidence,
        "Base rate": one.base_rate,
        "Why it could fail": one.against,
    }
    if one.outcome:
        about["Outcome"] = f"{'It happened' if one.outcome.happened else 'It did not happen'}. {one.outcome.why}"
    listed = "".join(f"<dt>{what}</dt><dd>{html.escape(text)}</dd>" for what, text in about.items())
    cited = roles.cite(draft, "", ", ".join(one.sources))
    return (
        f'<article class="prediction" id="prediction-{block.argument}">'
        f'<p class="statement">{html.escape(one.statement)}</p>'
        f'<p class="probability"><span class="share">{one.probability:.0%}</span> likely, we said on {one.made}</p>'
        f"<dl>{listed}<dt>Sources</dt><dd>{cited}</dd></dl></article>\n"
    )
