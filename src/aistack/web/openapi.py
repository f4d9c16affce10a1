"""The API's description in OpenAPI 3.1, made from the scenarios' own schemas."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from aistack import __version__
from aistack.book.setting import PRESETS, Setting
from aistack.scenario import PoolsAnswer, ServingAnswer, ServingScenario, TrainingAnswer, TrainingScenario, plain
from aistack.scenario.asked import Asked
from aistack.web import meanings


def document() -> dict[str, Any]:
    """The whole description."""
    training, serving = (
        kind.model_json_schema(ref_template="#/components/schemas/{model}")
        for kind in (TrainingScenario, ServingScenario)
    )
    pool = serving.pop("$defs")["Pool"]
    refused = _json("A value, a name or a plan is wrong; the message says which and what would be right.", _error())
    busy = _json("Another search is under way.", _error())

    def answered(about: str, *schemas: str) -> dict[str, Any]:
        found = [{"$ref": f"#/components/schemas/{schema}"} for schema in schemas]
        return {"200": _json(about, {"anyOf": found} if found[1:] else found[0]), "422": refused}

    def searched(about: str) -> dict[str, Any]:
        return {"200": _json(about, {"type": "object"}), "422": refused, "429": busy}

    trained = answered("The answer, also for a plan that does not fit: see `fits`.", "Answer")
    served = answered("The answer, also for a plan that misses a goal: see `meets`.", "ServingAnswer", "PoolsAnswer")
    best = searched("The best plans in full, and the frontier of speed against memory.")
    frontier = searched("The best deployments in full, and the frontiers of throughput and cost against interactivity.")
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "AI Stack DeepDive",
            "version": __version__,
            "description": "What the whole AI stack says of training plans and of serving. Quantities are in SI units, "
            "US dollars and kilograms of CO2 equivalent.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/plan/train": _route("planTraining", "Answer a training scenario", "Scenario", training, trained),
            "/api/plan/search": _route("searchPlans", "Judge every legal plan of a job", "Scenario", training, best),
            "/api/plan/serve": _route("planServing", "Answer a serving scenario", "ServingScenario", serving, served),
            "/api/plan/serve/search": _route(
                "searchDeployments", "Judge every deployment of a model", "ServingScenario", serving, frontier
            ),
            **{
                path: _demo(path)
                for path in ("/api/book/demo/{layer}/{chapter}/{name}", "/api/book/demo/{layer}/{name}")
            },
            "/api/catalog": {
                "get": {
                    "operationId": "listKinds",
                    "summary": "The kinds of catalog entries, and how many of each there are",
                    "responses": {"200": _json("Numbers by name.", {"type": "object"})},
                }
            },
            "/api/search": {
                "get": {
                    "operationId": "search",
                    "summary": "Passages of the book, the catalog and the last dive that suit words best",
                    "parameters": [
                        {"name": "q", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1}},
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 50}},
                    ],
                    "responses": {
                        "200": _json("The best first; `at` is the address of the page.", _found()),
                        "422": _json("There is nothing to look for.", _error()),
                    },
                }
            },
            "/api/catalog/{kind}": {
                "get": {
                    "operationId": "listNames",
                    "summary": "The names of all entries of one kind",
                    "parameters": [{"name": "kind", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {
                        "200": _json("Names.", {"type": "array", "items": {"type": "string"}}),
                        "422": _json("There is no such kind.", _error()),
                    },
                }
            },
        },
        "components": {
            "schemas": {
                "Scenario": training,
                "Answer": _answer(TrainingAnswer, ("memory_total", "fits"), meanings.TRAINING),
                "ServingScenario": serving,
                "Pool": pool,
                "ServingAnswer": _answer(ServingAnswer, plain.FOLLOWS, meanings.SERVING),
                "PoolsAnswer": _answer(PoolsAnswer, plain.POOLS_FOLLOW, meanings.POOLS),
            }
        },
    }
    for methods in described["paths"].values():
        for each in methods.values():
            each["responses"]["default"] = _json("Refused; the message says why.", _error())
    return described


def _route(
    name: str, summary: str, schema: str, described: dict[str, Any], responses: dict[str, Any]
) -> dict[str, Any]:
    """A path that takes a scenario as a query and as a body."""
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
    shared = {"tags": ["plan"], "responses": responses}
    return {
        "get": {
            "operationId": name,
            "summary": f"{summary}, given in the query",
            "parameters": _parameters(described),
            **shared,
        },
        "post": {
            "operationId": f"{name}FromBody",
            "summary": f"{summary}, given as a JSON object",
            "requestBody": body,
            **shared,
        },
    }


def _demo(path: str) -> dict[str, Any]:
    """What asks a page's demo."""
    opening = "{chapter}" not in path
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[a-z0-9-]+$"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    scenario = _parameters(Setting.model_json_schema())
    preset = {
        "name": "preset",
        "in": "query",
        "schema": {"enum": list(PRESETS)},
        "description": "a scenario by name, which the other parameters change",
    }
    controls = {
        "name": "controls",
        "in": "query",
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "description": "the demo's controls by name, each one of its values; what is not named stands at its start",
    }
    said = {"type": "object", "required": ["html"], "properties": {"html": {"type": "string"}}}
    return {
        "get": {
            "operationId": "playOpeningsDemo" if opening else "playDemo",
            "summary": f"What a demo of {'an opening' if opening else 'a chapter'} shows for a choice of its controls",
            "parameters": [*parts, preset, *scenario, controls],
            "responses": {
                "200": _json("As the page shows it.", said),
                "422": _json("There is no such page, demo, control, value or scenario.", _error()),
            },
        }
    }


def _parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "schema": {key: value for key, value in described.items() if key not in {"description", "title"}},
            "description": described.get("description", ""),
        }
        for name, described in schema["properties"].items()
    ]


def _answer(kind: type, follows: Iterable[str], meaning: Mapping[str, str]) -> dict[str, Any]:
    """The schema of an answer: the fields of `kind`, what follows from them, and remedies where it needs any."""
    keys = [*(field.name for field in dataclasses.fields(kind)), *follows]
    return {
        "type": "object",
        "required": keys,
        "properties": {name: {"description": meaning[name]} for name in [*keys, "remedies"]},
    }


def _json(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _found() -> dict[str, Any]:
    """The schema of what a search finds."""
    words = {name: {"type": "string"} for name in ("at", "kind", "title", "heading", "layer", "excerpt")}
    hit = {"type": "object", "required": list(words), "properties": words}
    return {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": hit}},
    }


def _error() -> dict[str, Any]:
    return {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def spellings(kind: type[Asked] = TrainingScenario) -> list[tuple[str, ...]]:
    """What each field of a scenario may be called in a request, in the scenario's order."""
    return [kind.names(field) for field in kind.model_fields]
