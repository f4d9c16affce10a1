"""What is wrong with an entry, said so that its author can put it right."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from aistack.catalog.facts import Fact
from aistack.errors import nearest

_WORDS = {
    "string_type": "must be text (in quotes, if it looks like a number)",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
_PATTERNS = {
    "id": "must be made of letters, digits, '.', '-', '_' and '+', beginning with a letter or digit",
    "date": "must be a date such as '2025', '2025-03' or '2025-03-21'",
    "url": "must be an address that begins with https://",
    "commit": "must be the 40 hexadecimal digits of a commit",
}


def message(schema: type[BaseModel], error: ErrorDetails) -> list[str]:
    """An error of pydantic's in plain words, one line a problem, each beginning with the path of its field."""
    location = [step for step in error["loc"] if step != "[key]"]
    path = ".".join(map(str, location)) or "the entry"
    last = str(location[-1]) if location else ""
    of_fact = _type_at(schema, location[:-1]) is Fact
    match error["type"]:
        case "missing":
            if of_fact and last == "source":
                return [f"{path} is missing: a value without a source does not load"]
            choices = _choices(schema, location)
            return [f"{path} is missing" + (f": one of {', '.join(choices)}" if choices else "")]
        case "extra_forbidden":
            near = _near(last, _keys(schema, location[:-1]))
            return [f"{path}: {last!r} is no key of {_owner(schema, location)}{near}"]
        case "literal_error" if error["loc"][-1] == "[key]":
            return [f"{path}: {last!r} is no key here{_near(last, _choices_of_keys(schema, location[:-1]))}"]
        case "literal_error":
            choices = _choices(schema, location)
            likely = nearest(str(error["input"]), choices, 1)
            meant = f"; {likely[0]}?" if likely else ""
            return [f"{path}: {error['input']!r} is not one of {', '.join(choices)}{meant}"]
        case "value_error":
            text = error["msg"].removeprefix("Value error, ")
            return [f"{path}: {each}" if location else each for each in text.split("; ")]
        case "string_pattern_mismatch" if last in _PATTERNS:
            return [f"{path}: {error['input']!r} {_PATTERNS[last]}"]
        case _ if of_fact is False and location and location[-1] in {"bool", "int", "float", "str"}:
            return [f"{'.'.join(map(str, location[:-1]))} must be a number, text, or true or false"]
        case kind:
            return [f"{path} {_WORDS[kind]}" if kind in _WORDS else f"{path}: {error['msg']}"]


def _near(name: str, known: tuple[str, ...]) -> str:
    near = nearest(name, known)
    if near:
        return f"; nearest: {', '.join(near)}"
    return f"; known: {', '.join(known)}" if 0 < len(known) <= 20 else ""


def _owner(schema: type[BaseModel], location: list[Any]) -> str:
    owner = _type_at(schema, location[:-1])
    return "a fact" if owner is Fact else ".".join(map(str, location[:-1])) or "this kind of entry"


def _keys(schema: type[BaseModel], location: list[Any]) -> tuple[str, ...]:
    owner = _type_at(schema, location)
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        extra = ("cite",) if owner is schema else ()
        return (*owner.model_fields, *extra)
    return ()


def _choices(schema: type[BaseModel], location: list[Any]) -> tuple[str, ...]:
    found = _type_at(schema, location)
    return tuple(map(str, get_args(found))) if get_origin(found) is Literal else ()


def _choices_of_keys(schema: type[BaseModel], location: list[Any]) -> tuple[str, ...]:
    found = _type_at(schema, location)
    keys = _bare(get_args(found)[0]) if get_origin(found) is dict else None
    return tuple(map(str, get_args(keys))) if get_origin(keys) is Literal else ()


def _type_at(schema: Any, location: list[Any]) -> Any:
    """The type that belongs at `location` of a schema; None where there is none."""
    found: Any = schema
    for step in location:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(str(step))
            found = _bare(field.annotation) if field else None
        elif get_origin(found) is dict:
            found = _bare(get_args(found)[1])
        else:
            return None
    return found


def _bare(annotation: Any) -> Any:
    """A type without `Annotated` and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else annotation
    return annotation
