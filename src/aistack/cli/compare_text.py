"""Plans in the terminal, a column each and the best of each row marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aistack.cli.plan_text import WIDTH, amount, listed, wrapped
from aistack.scenario import PoolsAnswer, Share, TrainingAnswer
from aistack.scenario.comparison import Answer, Quantity, Unfit, competes, quantities, said, told_apart
from aistack.scenario.serving_answer import ServingAnswer
from aistack.units import span, text

COLUMNS = 4
"""Plans that stand side by side; more follow below."""
_FIRST, _WIDEST = 15, 22
_NEXT = "\n  "
"""Before each line of a message's list."""


def show(answers: Sequence[Answer], out: Console) -> None:
    """Print what the plans share, and then each quantity of all of them."""
    shared, apart = told_apart(answers)
    wrapped(", ".join(said(name, value) for name, value in shared.items()), out)
    headings = ["\n".join(said(name, value) for name, value in own.items()) or "as it is" for own in apart]
    for start in range(0, len(answers), COLUMNS):
        places = range(start, min(start + COLUMNS, len(answers)))
        out.print()
        out.print(_table(answers, headings, places))
    among = "that fit" if isinstance(answers[0], TrainingAnswer) else "that fit and meet their goals"
    out.print(f"\n* the best of the row, among plans {among}", style="dim")
    wrapped("ranges: eight of ten such predictions measured within them", out, style="dim")
    listed(
        "What does not fit",
        (
            f"{' '.join(headings[place].split())}: {answer.why.replace(f':{_NEXT}', ': ').replace(_NEXT, '; ')}"
            for place, answer in enumerate(answers)
            if isinstance(answer, Unfit)
        ),
        out,
    )


def _best(quantity: Quantity, answers: Sequence[Answer]) -> str | None:
    """The best value of a row among plans that compete, as printed; none where all are alike or neither is better."""
    known = [value for answer in answers if competes(answer) and math.isfinite(value := quantity.of(answer))]
    if quantity.more_is_better is None or len({_words(value, quantity.unit) for value in known}) < 2:
        return None
    return _words(max(known) if quantity.more_is_better else min(known), quantity.unit)


def _table(answers: Sequence[Answer], headings: Sequence[str], places: range) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column("", width=_FIRST, no_wrap=True)
    abreast = min(COLUMNS, len(answers))
    width = min((WIDTH - _FIRST - 1) // abreast - 1, _WIDEST)
    for place in places:
        table.add_column(headings[place], justify="right", width=width, header_style="bold", overflow="fold")
    shown = [answers[place] for place in places]
    for quantity in quantities(answers):
        best = _best(quantity, answers)
        words = ["-" if isinstance(answer, Unfit) else _words(quantity.of(answer), quantity.unit) for answer in shown]
        marks = [competes(answer) and each == best for answer, each in zip(shown, words, strict=True)]
        table.add_row(quantity.name, *(_cell(each, mark) for each, mark in zip(words, marks, strict=True)))
        if quantity.interval is not None:
            table.add_row("", *(_between(quantity, answer) for answer in shown), style="dim")
    for name, words in _verdicts(shown):
        table.add_row(name, *words)
    _shares(table, answers, shown)
    return table


def _between(quantity: Quantity, answer: Answer) -> str:
    if isinstance(answer, Unfit) or quantity.interval is None:
        return ""
    ends = quantity.interval(answer)
    return span(ends.low, ends.high, quantity.unit)


def _verdicts(shown: Sequence[Answer]) -> list[tuple[str, list[str]]]:
    """Rows of words: whether plans fit and meet their goals, and what limits them."""
    bounds = ["-" if isinstance(answer, Unfit) else answer.bound for answer in shown]
    if all(isinstance(answer, TrainingAnswer) for answer in shown):
        fits = [_over(answer) for answer in shown if isinstance(answer, TrainingAnswer)]
        return [("fits", fits), ("limited by", bounds)]
    goals = ["does not fit" if isinstance(answer, Unfit) else _missed(answer) for answer in shown]
    replicas = [_replicas(answer) for answer in shown]
    return [("replicas", replicas), ("goals missed", goals), ("limited by", bounds)]


def _replicas(answer: Answer) -> str:
    if isinstance(answer, Unfit | TrainingAnswer):
        return "-"
    parts = answer.halves if isinstance(answer, PoolsAnswer) else (answer,)
    return " and ".join(f"{each.replicas:,} x {str(each.deployment).split(',')[0]}" for each in parts)


def _missed(answer: Answer) -> str:
    goals = answer.goals if isinstance(answer, ServingAnswer | PoolsAnswer) else ()
    if not goals:
        return "no goals"
    return ", ".join(goal.name for goal in goals if not goal.met) or "none"


def _shares(table: Table, answers: Sequence[Answer], shown: Sequence[Answer]) -> None:
    """What each named part takes of the step, or of the time from one token to the next."""
    table.add_row("a step's time:" if isinstance(shown[0], TrainingAnswer) else "a token's time:", style="dim")
    for name in dict.fromkeys(share.name for answer in answers for share in _waterfall(answer)):
        shares = [_share(answer, name) for answer in shown]
        if any(share >= 0.0005 for share in shares):
            words = [
                "-" if isinstance(answer, Unfit) else f"{share:.1%}"
                for answer, share in zip(shown, shares, strict=True)
            ]
            table.add_row(_shortened(name), *words, style="dim")


def _waterfall(answer: Answer) -> tuple[Share, ...]:
    if isinstance(answer, Unfit):
        return ()
    return answer.waterfall if isinstance(answer, TrainingAnswer) else answer.tpot_waterfall


def _share(answer: Answer, name: str) -> float:
    shares = _waterfall(answer)
    whole = sum(each.seconds for each in shares)
    return sum(each.seconds for each in shares if each.name == name) / whole if whole else 0.0


def _words(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "%" and math.isfinite(value) else amount(value, unit)


def _cell(words: str, best: bool) -> Text:
    return Text(f"{words}{'*' if best else ''}", "bold" if best else "")


def _over(answer: TrainingAnswer) -> str:
    return "yes" if answer.fits else f"{text(answer.memory_total - answer.capacity, 'B')} over"


def _shortened(name: str) -> str:
    """A share's name in few letters."""
    words = {
        "matrix products below peak": "matrix products",
        "attention below peak": "attention",
        "useful arithmetic at peak": "useful at peak",
        "waiting for launches": "launches",
        "weights and arithmetic at the datasheet's rates": "weights at peak",
        "products below the datasheet's rates": "products",
        "reading keys and values": "keys and values",
        "engine's own work": "engine",
        "proposing tokens": "proposing",
        "prompts read beside": "prompts beside",
    }
    return words.get(name, name.replace("-parallel communication", " parallel").replace("memory-bound ", "other "))
