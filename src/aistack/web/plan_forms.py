"""The planner's forms: both made from their scenario's own fields, with its descriptions, defaults and choices."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from aistack import catalog
from aistack.catalog import models, problems
from aistack.errors import AistackError
from aistack.scenario import ServingScenario, TrainingScenario
from aistack.scenario.asked import Asked, system

Scenario = TrainingScenario | ServingScenario

GROUPS: Mapping[str, tuple[str, ...]] = {
    "What": ("model", "on", "seq_len", "global_batch", "tokens", "prompt", "output", "rate", "concurrency"),
    "Goals": ("ttft", "tpot", "latency", "percentile"),
    "Division": (
        "tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel", "data_parallel", "replicas",
        "precision", "kv_precision", "engine", "prefill", "decode", "transfer",
    ),
    "Step": (
        "micro_batch", "interleave", "schedule", "zero", "shard_group", "recomputation", "recompute_share",
        "context_method", "sequence_parallel", "lora_rank", "max_batch", "chunk",
    ),
    "Load": ("cached", "prefixes", "spread", "burstiness", "peak_to_mean", "availability"),
    "Drafts and adapters": ("speculative", "draft", "draft_tokens", "acceptance", "adapters", "adapter_rank"),
    "System": ("node", "network", "oversubscription"),
}  # fmt: skip
"""Where fields stand; those that stand nowhere come last."""
_LAST = "Prices and power"
_CALLED = {"on": "Accelerators", "seq_len": "Sequence length", "pue": "PUE", "zero": "ZeRO", "ttft": "TTFT",
           "tpot": "TPOT", "lora_rank": "LoRA rank", "kv_precision": "KV precision"}  # fmt: skip
_LISTS = {"model": "model", "draft": "model", "on": "accelerator", "node": "node", "network": "link", "place": "grid"}
"""Fields whose values are names of the catalog, and of which kind."""


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    """As a request says it: short, where it has a short name."""
    label: str
    about: str
    value: str
    """As the user typed it; empty where it is not given."""
    default: str
    required: bool
    choices: tuple[str, ...]
    """All there are; empty where anything may be typed."""
    suggestions: str
    """The id of the list of names that may be typed; empty without one."""
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """A scenario's form."""

    groups: tuple[tuple[str, tuple[Field, ...]], ...]
    lists: Mapping[str, Sequence[tuple[str, str]]]
    """Names with what they are called, by their list's id."""
    wrong: tuple[str, ...]
    """What is wrong beside the fields."""


@dataclass(frozen=True)
class Read:
    """What was made of a form's values."""

    scenario: Scenario | None
    by_field: Mapping[str, tuple[str, ...]]
    """What is wrong, by the field's full name."""
    wrong: tuple[str, ...]


def read(kind: type[TrainingScenario] | type[ServingScenario], values: Mapping[str, str]) -> Read:
    """The scenario that the values describe, or what is wrong with them, field by field."""
    by_field: dict[str, list[str]] = {}
    general: list[str] = []
    full = {name: field for field in kind.model_fields for name in kind.names(field)}
    try:
        asked: Scenario | None = kind.model_validate(dict(values))
    except ValidationError as error:
        asked = None
        for each in error.errors():
            field = full.get(str(each["loc"][0]), "") if each["loc"] else ""
            said = problems.message(kind, each)
            if field:
                by_field.setdefault(field, []).extend(line.partition(" ")[2] for line in said)
            else:
                general += said
    # names are looked up when they are needed; here they are, so that what is wrong stands beside its field
    for name, given in values.items():
        field = full.get(name, "")
        try:
            if field in ("model", "draft"):
                # of the catalog alone: a path would read this machine's files
                known = models.named(given).id
                asked = asked and asked.model_copy(update={field: known})
            elif field == "on":
                system(given)
            elif field == "node":
                catalog.kind("node").load(given)
        except AistackError as error:
            by_field.setdefault(field, []).append(str(error))
    if by_field or general:
        asked = None
    return Read(asked, {field: tuple(lines) for field, lines in by_field.items()}, tuple(general))


def form(kind: type[Asked], values: Mapping[str, str], found: Read) -> Form:
    """The form with what was typed, and with what is wrong beside each field."""
    places = {field: group for group, fields in GROUPS.items() for field in fields}
    groups: dict[str, list[Field]] = {group: [] for group in (*GROUPS, _LAST)}
    order = [*(field for fields in GROUPS.values() for field in fields), *kind.model_fields]
    for name in dict.fromkeys(order):
        if name in kind.model_fields:
            groups[places.get(name, _LAST)].append(_field(kind, name, values, found.by_field.get(name, ())))
    lists = {_LISTS[name]: tuple(_names(_LISTS[name])) for name in kind.model_fields if name in _LISTS}
    return Form(tuple((group, tuple(fields)) for group, fields in groups.items() if fields), lists, found.wrong)


def _field(kind: type[Asked], name: str, values: Mapping[str, str], wrong: tuple[str, ...]) -> Field:
    info = kind.model_fields[name]
    short = kind.names(name)[0]
    default = "" if info.is_required() or info.default is None else str(info.default)
    about = (info.description or "").removeprefix(f"{name}: ")
    return Field(
        name=short,
        label=_CALLED.get(name, name.replace("_", " ").capitalize()),
        about=about.replace(", or the path of a config.json", ""),
        value=next((values[each] for each in kind.names(name) if each in values), ""),
        default=default.lower() if isinstance(info.default, bool) else default,
        required=info.is_required(),
        choices=_choices(info.annotation),
        suggestions=_LISTS.get(name, ""),
        wrong=wrong,
    )


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(each for inner in get_args(annotation) for each in _choices(inner))
    if annotation is bool:
        return ("true", "false")
    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


def _names(of: str) -> Iterator[tuple[str, str]]:
    found = catalog.kind(of)
    for name in found.names():
        with suppress(AistackError):
            yield (f"8x{name}" if of == "accelerator" else name), str(found.load(name).name)
