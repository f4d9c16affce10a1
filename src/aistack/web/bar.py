"""The scenario bar: one line of plain words that are themselves the controls. A plain form without JavaScript."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from typing import get_args

from aistack import catalog
from aistack.book.setting import PRESETS, Job, Setting
from aistack.errors import AistackError
from aistack.scenario.serving import ServedPrecision
from aistack.web import machine

Groups = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""Names of groups, each with its entries: the value and what it is called."""

JOBS: Mapping[Job, str] = {"train": "Train", "serve": "Serve", "tune": "Tune"}
PRESET_WORDS: Mapping[str, str] = {
    "train-405b": "Train Llama 3.1 405B on 16,384 H100",
    "serve-70b": "Serve a 70B chat model on one node",
    "8b-on-a-laptop": "An 8B model on a laptop",
    "tune-on-one-gpu": "Fine-tune on one GPU",
}

_LINE: Mapping[Job, tuple[str, ...]] = {
    "train": ("tokens",),
    "tune": ("tokens",),
    "serve": ("precision", "prompt", "output"),
}
"""The fields that the line itself has beside job, model, count and accelerator."""
_MORE: Mapping[Job, tuple[str, ...]] = {
    "train": ("sequence", "batch", "tensor_parallel", "pipeline_parallel"),
    "tune": ("sequence", "batch", "lora_rank"),
    "serve": ("rate", "ttft", "tpot"),
}
"""Those that unfold."""
_LABELS = {
    "job": "Job",
    "model": "Model",
    "accelerator": "Accelerator",
    "count": "Accelerators",
    "tokens": "Tokens of the whole run",
    "sequence": "Tokens of a sequence",
    "batch": "Sequences of a step",
    "tensor_parallel": "Tensor parallel",
    "pipeline_parallel": "Pipeline parallel",
    "lora_rank": "Rank of the adapters",
    "precision": "Format of the weights",
    "prompt": "Tokens of a prompt",
    "output": "Tokens of an answer",
    "rate": "Requests a second",
    "ttft": "First token within, seconds",
    "tpot": "Each further token within, seconds",
}
_EMPTY = {"tensor_parallel": "chosen", "pipeline_parallel": "chosen", "rate": "the most"}


def bar(setting: Setting, action: str = "") -> str:
    """The bar as HTML. `action` is the path that it leads to, by default the page that it stands on."""
    job, mine = setting.job, machine.mine()
    jobs = "".join(_option(name, words, name == job) for name, words in JOBS.items())
    words = [
        _select("job", jobs),
        _select("model", _options(_models(), setting.model)),
        *(["in", _select("precision", _options(_formats(), setting.precision))] if job == "serve" else ()),
        "on",
        _typed("count", setting),
        _select("accelerator", _options(_accelerators(), setting.accelerator)),
    ]
    if job == "serve":
        words += ["for prompts of", _typed("prompt", setting), "and answers of", _typed("output", setting), "tokens"]
    else:
        words += ["with", _typed("tokens", setting), "tokens"]
    more = "".join(
        f"<label>{escape(_LABELS[name])} {_typed(name, setting, labelled=True)}</label>" for name in _MORE[job]
    )
    shown = {"job", "model", "count", "accelerator", *_LINE[job], *_MORE[job]}
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{escape(text(name, value), quote=True)}">'
        for name, value in setting.changed.items()
        if name not in shown
    )
    presets = [(name, words_, f"?preset={name}") for name, words_ in PRESET_WORDS.items()]
    if mine:
        presets.insert(0, ("mine", mine[0], f"?{mine[1].query()}"))
    current = next((name for name, preset in PRESETS.items() if preset == setting), None)
    links = "".join(
        f'<li><a href="{escape(action + query, quote=True)}"{" aria-current=true" if name == current else ""}>'
        f"{escape(called)}</a></li>"
        for name, called, query in presets
    )
    where = f' action="{escape(action, quote=True)}"' if action else ""
    return (
        f'<form class="scenario" method="get"{where} aria-label="Your scenario" autocomplete="off">'
        f'<p class="line">{" ".join(words)}</p>{kept}'
        '<p class="doing"><button>Show</button></p>'
        f'<details class="more"><summary>Details</summary><div>{more}</div></details>'
        f'<details class="presets"><summary>Examples</summary><ul>{links}</ul></details>'
        '<p class="trouble" role="alert"></p></form>'
    )


def text(name: str, value: object) -> str:
    """A field's value as the bar writes it and reads it back."""
    if value is None:
        return ""
    if name == "tokens" and isinstance(value, float):
        return _counted(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _counted(value: float) -> str:
    for power, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        short = f"{value / power:.12g}"
        if value >= power and "e" not in short and float(short) * power == value:
            return f"{short} {letter}"
    return f"{value:,.0f}" if value.is_integer() and value < 1e15 else f"{value:.15g}"


def _typed(name: str, setting: Setting, *, labelled: bool = False) -> str:
    value = text(name, getattr(setting, name))
    hint = f' placeholder="{_EMPTY[name]}"' if name in _EMPTY else ""
    said = "" if labelled else f' aria-label="{escape(_LABELS[name], quote=True)}"'
    size = max(2, len(value or _EMPTY.get(name, "")))
    return (
        f'<input type="text" name="{name}" value="{escape(value, quote=True)}" size="{size}" inputmode="text"'
        f'{said}{hint} spellcheck="false">'
    )


def _select(name: str, options: str) -> str:
    return f'<select name="{name}" aria-label="{_LABELS[name]}">{options}</select>'


def _option(value: str, called: str, chosen: bool) -> str:
    return f'<option value="{escape(value, quote=True)}"{" selected" if chosen else ""}>{escape(called)}</option>'


def _options(groups: Groups, chosen: str) -> str:
    def within(entries: tuple[tuple[str, str], ...]) -> str:
        return "".join(_option(value, called, value == chosen) for value, called in entries)

    return "".join(
        f'<optgroup label="{escape(name, quote=True)}">{within(entries)}</optgroup>' if name else within(entries)
        for name, entries in groups
    )


@functools.cache
def _models() -> Groups:
    """Every model that can be counted."""
    found = []
    for name in catalog.kind("model").names():
        with suppress(AistackError):
            found.append((Setting(model=name).spec.name, name))
    called = {name: catalog.model(name).name for _, name in found}
    return (("", tuple(sorted(called.items(), key=lambda each: _natural(each[1])))),)


@functools.cache
def _accelerators() -> Groups:
    """Every accelerator that kernels can be priced on, by vendor."""
    of: dict[str, list[tuple[str, str]]] = {}
    for name in catalog.kind("accelerator").names():
        with suppress(AistackError):
            facts = Setting(accelerator=name).facts
            of.setdefault(facts.vendor, []).append((name, re.sub(r" \(.*\)$", "", facts.name)))
    return tuple(
        (vendor, tuple(sorted(of[vendor], key=lambda each: _natural(each[1]))))
        for vendor in sorted(of, key=lambda vendor: (-len(of[vendor]), vendor))
    )


@functools.cache
def _formats() -> Groups:
    return (("", tuple((name, name.upper().replace("-WEIGHT", " weights")) for name in get_args(ServedPrecision))),)


def _natural(name: str) -> list[tuple[bool, float, str]]:
    """To sort "8B" before "70B"."""
    pieces = re.findall(r"\d+(?:\.\d+)?|[^\d]+", name.casefold())
    return [(piece[0].isdigit(), float(piece) if piece[0].isdigit() else 0.0, piece) for piece in pieces]
