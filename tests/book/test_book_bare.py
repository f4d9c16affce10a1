"""Numbers that somebody typed."""

import pytest
from writing import HEAD, Write

from aistack.book.bare import bare_numbers, in_markdown


@pytest.mark.parametrize(
    "text",
    [
        "It has 80 GB of memory.", "At 3.35 TB/s it", "takes 700 W", "990 TFLOP/s", "in 5 ms", "20% of",
        "costs $3 an hour", "$1.2 billion", "405B parameters and 15 trillion tokens", "two times, 3x faster", "4× as",
        "at 80°C", "a 5 nm process", "over 3 years", "a **12** hours run", "at 1.98 GHz", "814 mm² of",
        "1,000 tokens", "a 64-GB card", "7 pJ", "{% if x %}5 ms{% endif %}", "| a |\n|---|\n| 5 GB |", "- 5 GB",
        "## 5 GB suffice",
    ],
)  # fmt: skip
def test_are_found(text: str) -> None:
    assert [*in_markdown(text)], text


@pytest.mark.parametrize(
    "text",
    [
        "In 2017 it was new.", "the H100 and the A100", "{{ ridge }} of it", "an 8-bit format", "`5 GB`", "$x = 5$",
        "chapter 3", "two of 4 cases", "> It has 80 GB. {cite}`x`", "Llama 3.1 has", "a 16 x 16 tile",
        "GPT-4 and FP8", "{{ fact('h100-sxm5', 'tdp') }} 5 of", "22 November 2026", "{# 5 GB #}",
        "```{code} python\n:mode: shown\nx = '5 GB'\n```", "{cite}`section 5 <x>`", "COVID-19 s",
    ],
)  # fmt: skip
def test_are_not_suspected(text: str) -> None:
    assert not [*in_markdown(text)], [*in_markdown(text)]


def test_a_quotation_without_a_source_is_no_excuse() -> None:
    assert [*in_markdown("> It has 80 GB.")]
    assert [*in_markdown("> It has 80 GB. {cite}`x`\n\nIt has 80 GB.")] == [(3, "80 GB")]


def test_are_found_wherever_prose_stands(write: Write) -> None:
    body = (
        ":::{admonition} note\n:title: Of 5 GB\nIt has 6 GB.\n:::\n\n"
        ":::{research} key\n:found: x\n:number: 7 GB\nMore than 8 GB.\n:::\n\n"
        ":::{exercise} e\n:title: t\n:answer: a\nHow many of 9 GB?\n\n```{solution}\nAll 10 GB.\n```\n:::\n"
        "\nLines are\n\ncounted {% if x %}\nover 11 GB\n{% endif %}.\n"
    )
    page = write(body, head=HEAD.replace("lead: Nothing", "lead: Of 12 GB nothing"))
    assert [*bare_numbers(page)] == [
        (1, "12 GB"), (8, "5 GB"), (10, "6 GB"), (16, "8 GB"), (22, "9 GB"), (25, "10 GB"), (32, "11 GB"),
    ]  # fmt: skip
