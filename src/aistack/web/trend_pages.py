"""The catalog's trends: what its dated facts draw when they stand side by side."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import get_args

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from aistack import catalog
from aistack.applications.figures import training_compute as training_compute_figure
from aistack.book.setting import Setting
from aistack.catalog import prices, processors
from aistack.catalog.training_compute import leading
from aistack.drawing import Figure
from aistack.hardware import atlas
from aistack.hardware.figures import atlas as atlas_figure
from aistack.hardware.figures import atlas_trend
from aistack.hardware.figures import processors as processors_figure
from aistack.infrastructure.figures import rental_history
from aistack.web.asked import read
from aistack.web.desk import Desk
from aistack.web.sheet import numbered, sheet


def routes(desk: Desk) -> list[Route]:
    """`/catalog/trends`."""

    async def trends(request: Request) -> Response:
        """`GET /catalog/trends`: the charts, with the scenario's accelerator marked."""
        return HTMLResponse(await desk.do(page, read(request).setting))

    return [Route("/catalog/trends", trends)]


def page(setting: Setting) -> str:
    """The charts."""
    return sheet(
        "catalog_trends.html.jinja", "catalog/trends", "How the field moves", setting,
        figures=numbered(drawn(setting.accelerator)), about="Charts of the catalog's dated facts.",
    )  # fmt: skip


@functools.lru_cache(maxsize=16)
def drawn(accelerator: str) -> Mapping[str, Figure]:
    """The charts by name, the accelerator marked; its rental prices are drawn where some on demand are known."""
    places = atlas.estimate(first=accelerator)
    charts = {"atlas": atlas_figure.draw(places, accelerator)}
    charts |= {quantity: atlas_trend.draw(places, quantity, accelerator) for quantity in get_args(atlas_trend.Quantity)}
    offers = prices.series(accelerator)
    if any(offer.pricing == "on-demand" for offer in offers):
        called = catalog.accelerator(accelerator).name
        charts["rental"] = rental_history.draw(offers, prices.by_provider(accelerator), called)
    charts["processors"] = processors_figure.draw(processors.history())
    charts["training-compute"] = training_compute_figure.draw(leading())
    return charts
