"""The page of the API: what it has, and a first question to click on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aistack.book.setting import Setting
from aistack.scenario import ServingScenario, TrainingScenario
from aistack.scenario.asked import Asked
from aistack.web import openapi
from aistack.web.sheet import sheet

EXAMPLE = "/api/plan/train?" + urlencode(
    {"model": "llama-3.1-8b", "on": "64xh100-sxm5", "seq_len": 8192, "global_batch": 128, "tp": 2}
)
SERVING = "/api/plan/serve?" + urlencode(
    {"model": "llama-3.1-70b", "on": "8xh100-sxm5", "prompt": 1024, "output": 256, "rate": "10/s", "ttft": "500ms",
     "precision": "fp8"}
)  # fmt: skip


def html() -> str:
    """The page."""
    document = openapi.document()
    return sheet(
        "api.html.jinja", "api", "The API", Setting(), examples=(EXAMPLE, SERVING), paths=document["paths"],
        keys=[
            ("Keys of a training scenario", _keys(document, "Scenario", TrainingScenario)),
            ("Keys of a serving scenario", _keys(document, "ServingScenario", ServingScenario)),
        ],
    )  # fmt: skip


def _keys(document: dict[str, Any], schema: str, kind: type[Asked]) -> list[tuple[str, str]]:
    properties = document["components"]["schemas"][schema]["properties"].values()
    return [
        (" or ".join(names), described.get("description", ""))
        for names, described in zip(openapi.spellings(kind), properties, strict=True)
    ]
