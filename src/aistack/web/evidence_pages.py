"""The evidence: published measurements beside predictions that have not seen their source, the misses named."""

from __future__ import annotations

import functools

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from aistack.book.setting import Setting
from aistack.web import evidence_work
from aistack.web.asked import read
from aistack.web.desk import Desk, Later
from aistack.web.evidence_work import Of
from aistack.web.sheet import sheet

_KINDS: dict[str, Of] = {"training": "training", "serving": "serving"}


def routes(desk: Desk) -> list[Route]:
    """`/evidence` and `/evidence/KIND`."""
    under_way = {of: Later(functools.partial(evidence_work.computed, of)) for of in _KINDS.values()}

    async def begin(request: Request) -> Response:
        """`GET /evidence`: the evidence on what the scenario does."""
        setting = read(request).setting
        of = "serving" if setting.job == "serve" else "training"
        return RedirectResponse(f"/evidence/{of}?{setting.query()}".rstrip("?"), 303)

    async def one(request: Request) -> Response:
        """`GET /evidence/KIND`: headline, chart, misses; while they are computed, a page that says so."""
        of = _KINDS.get(request.path_params["kind"])
        if of is None:
            raise HTTPException(404, "There is evidence on training and on serving")
        setting = read(request).setting
        return HTMLResponse(await desk.do(page, of, setting, under_way[of]))

    return [Route("/evidence", begin), Route("/evidence/{kind}", one)]


def page(of: Of, setting: Setting, later: Later[dict[str, object]]) -> str:
    """The page with what is there."""
    from markupsafe import Markup

    # what lies on disk is there at once; the rest takes as long as it takes
    found = later.wait(1.5)
    figures = [Markup(each) for each in found["figures"]] if found else []  # type: ignore[attr-defined]
    title = {"training": "How far off are training predictions?", "serving": "How far off are serving predictions?"}[of]
    return sheet(
        "evidence.html.jinja", f"evidence/{of}", title, setting, of=of, found=found, figures=figures,
        about="Published measurements beside predictions that have not seen their source.",
    )  # fmt: skip
