"""Exercises: a number to find, or code to complete. Starter, solution and check are run by the book's check."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from aistack.book.directives.block import Block, directive, need, share
from aistack.book.directives.code import box, check_syntax
from aistack.book.draft import Draft
from aistack.errors import BadInput, UnknownName

_PART = re.compile(
    r"^(?P<fence>`{3,})\{(?P<name>starter|solution|check)\}(?P<code>[ ]*python)?[ ]*\n(?P<body>.*?)^(?P=fence)[ ]*$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Parts:
    """What an exercise is made of."""

    task: str
    """Markdown."""
    starter: str
    solution: str
    """Markdown where the answer is a number, code where a starter is."""
    check: str


def parts(body: str) -> Parts:
    """An exercise's body in its parts. Raises `BadInput` where a part is there twice or does not fit the others."""
    found, code_solution = {}, False
    for each in _PART.finditer(body):
        if each["name"] in found:
            raise BadInput(f"an exercise has one {each['name']}")
        if each["name"] != "solution" and not each["code"]:
            raise BadInput(f"the {each['name']} of an exercise is code: write {{{each['name']}}} python")
        found[each["name"]] = each["body"]
        code_solution |= each["name"] == "solution" and bool(each["code"])
    if "solution" not in found:
        raise BadInput("an exercise needs its {solution}")
    if len({"starter" in found, "check" in found, code_solution}) > 1:
        raise BadInput("code to complete needs a {starter}, a {check} and a {solution}, each marked python")
    task = _PART.sub(lambda each: "\n" * each[0].count("\n"), body)
    return Parts(task.rstrip(), found.get("starter", ""), found["solution"], found.get("check", ""))


@directive("exercise", "title", "answer", "tolerance", argument=True, body=True)
def exercise(draft: Draft, block: Block) -> str:
    """`:::{exercise} NAME` with a title, and either `:answer:` (a number of the page) or starter and check."""
    label = draft.label(f"ex-{block.argument}")
    title = draft.inline(need(block, "title"))
    made = parts(block.body)
    answer = block.options.get("answer")
    if bool(answer) == bool(made.starter):
        raise BadInput(f"the exercise {block.argument} needs either :answer: or a {{starter}}")
    task = draft.blocks(made.task, block.body_line)
    if answer:
        attributes, field = _answer(draft, answer, share(block, "tolerance", 0.02)), '<div class="answer"></div>'
        line = block.body_line + block.body[: block.body.index("{solution}")].count("\n") + 1
        solution = draft.blocks(made.solution, line)
    else:
        for each in (made.starter, made.solution, made.check):
            check_syntax(each)
        attributes, field = "", box("starter", "Start from here", made.starter)
        solution = box("solution", "A solution", made.solution) + box("check", "What checks it", made.check)
    return (
        f'<section class="exercise" id="{label.id}" aria-labelledby="{label.id}-title"{attributes}>'
        f'<h3 id="{label.id}-title"><span class="number">{label}</span> {title}</h3>\n{task}{field}'
        f'<details class="solution"><summary>Solution</summary>\n{solution}</details></section>\n'
    )


def _answer(draft: Draft, name: str, tolerance: float) -> str:
    numbers = draft.text.computed
    if name not in numbers:
        raise UnknownName("number of the page's module", name, numbers)
    number = numbers[name]
    value, unit = number.typed
    data = {"answer": f"{value:.10g}", "unit": unit, "tolerance": f"{tolerance:g}"}
    return "".join(f' data-{key}="{html.escape(value, quote=True)}"' for key, value in data.items())
