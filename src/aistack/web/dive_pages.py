"""The dives of this machine: what was predicted beside what was measured, and each run's report; read only."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from aistack import units
from aistack.book.setting import Setting
from aistack.dive.ledger import ratio_text
from aistack.dive.run import Run, load, names_in, runs_folder
from aistack.errors import AistackError, UnknownName
from aistack.web.asked import read
from aistack.web.desk import Desk
from aistack.web.sheet import sheet

NEWEST = 20
"""Runs that are listed."""
REPORT_LIMIT = 30_000_000
"""Bytes of the largest report that is sent."""


def routes(desk: Desk) -> list[Route]:
    """`/dives`, `/dives/RUN` and `/dives/RUN/report`."""

    async def listed(request: Request) -> Response:
        """`GET /dives`: the runs."""
        return HTMLResponse(await desk.do(runs_page, read(request).setting))

    async def one(request: Request) -> Response:
        """`GET /dives/RUN`: its ledger."""
        return HTMLResponse(await desk.do(run_page, request.path_params["run"], read(request).setting))

    async def report(request: Request) -> Response:
        """`GET /dives/RUN/report`: the report as the dive wrote it, under a policy that lets in its own style alone."""
        text = await desk.do(report_of, request.path_params["run"])
        return HTMLResponse(text, headers={"content-security-policy": _policy(text)})

    return [Route("/dives", listed), Route("/dives/{run}", one), Route("/dives/{run}/report", report)]


def find(name: str) -> Run:
    """The run of this name among those kept here. Raises `UnknownName`; a path is no name."""
    names = names_in(runs_folder())
    if name not in names:
        raise UnknownName("run", name, names)
    return load(runs_folder() / name)


def runs_page(setting: Setting) -> str:
    """The runs, the latest first."""
    lines: list[dict[str, object]] = []
    for name in list(reversed(names_in(runs_folder())))[:NEWEST]:
        try:
            run = load(runs_folder() / name)
            entries = [entry for result in run.results() for entry in result.entries]
        except AistackError as error:
            lines.append({"name": name, "trouble": str(error)})
            continue
        off = sorted(max(entry.ratio, 1 / entry.ratio) for entry in entries if entry.ratio)
        near = sum(factor <= 1.25 for factor in off)
        lines.append(
            {
                "name": name, "trouble": "", "created": run.created.replace("T", " ").removesuffix("+00:00"),
                "device": run.device, "finished": run.finished, "near": near, "all": len(off),
            }
        )  # fmt: skip
    return sheet("dives.html.jinja", "dives", "Dives of this machine", setting, runs=lines)


def run_page(name: str, setting: Setting) -> str:
    """A run's ledger, layer by layer. Raises `UnknownName`, and `BadInput` for a damaged run."""
    run = find(name)
    layers = [
        {
            "name": result.layer,
            "seconds": units.text(result.seconds, "s"),
            "rows": [
                {
                    "quantity": entry.quantity,
                    "predicted": units.text(entry.predicted, entry.unit),
                    "measured": "" if entry.measured is None else units.text(entry.measured, entry.unit),
                    "ratio": "" if entry.ratio is None else ratio_text(entry.ratio),
                    "how": entry.how,
                }
                for entry in result.entries
            ],
        }
        for result in run.results()
    ]
    return sheet(
        "dive.html.jinja", f"dives/{name}", f"Dive {run.name}", setting, run=run, layers=layers,
        report=(run.root / "report.html").is_file(),
    )  # fmt: skip


def report_of(name: str) -> str:
    """A run's report. Raises `UnknownName`, and `HTTPException` where there is none."""
    path = find(name).root / "report.html"
    # the folder is the user's, yet what is linked from it need not be
    if not path.is_file() or path.is_symlink() or path.stat().st_size > REPORT_LIMIT:
        raise HTTPException(404, "This run has no report")
    return path.read_text(encoding="utf-8")


def _policy(text: str) -> str:
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in styles
    )
    return (
        f"default-src 'none'; style-src {hashes}; style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
