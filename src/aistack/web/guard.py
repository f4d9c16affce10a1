"""What stands before every route: who may ask, how much, and what browsers are told to keep to themselves."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = re.compile(rb"(127\.0\.0\.1|localhost)(:\d{1,5})?")
"""What a request may call this machine."""
ADDRESS_LIMIT = 8_000
"""Bytes of the longest path and query that are read."""
POLICY = (
    # KaTeX's formulas carry their measures in style attributes; nothing else may style or run but our own files
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of every document, unless its route has a stricter one."""


class Guard:
    """Lets in only requests for this machine, from its own pages or typed by its user."""

    HEADERS = (
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                usual = ((b"content-security-policy", POLICY.encode()), (b"cache-control", b"no-store"))
                added = [each for each in usual if each[0] not in given]
                message = {**message, "headers": [*message["headers"], *self.HEADERS, *added]}
            await send(message)

        if refusal := _refusal(scope):
            status, why = refusal
            await JSONResponse({"error": why}, status)(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    """Status and reason where the request is not let in."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, []).append(value.lower())
    hosts = headers.get(b"host", [])
    if len(hosts) != 1 or not HERE.fullmatch(hosts[0]):
        return 421, "This server answers requests for 127.0.0.1 and localhost alone."
    if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS_LIMIT:
        return 414, f"The address is longer than the {ADDRESS_LIMIT:,} bytes that are read."
    # a page of another site may lead its reader here, but neither write nor compute here behind the reader's back
    from_elsewhere = any(site not in (b"same-origin", b"none") for site in headers.get(b"sec-fetch-site", []))
    led = headers.get(b"sec-fetch-mode") == [b"navigate"] and scope["method"] in ("GET", "HEAD")
    if from_elsewhere and not led:
        return 403, "Pages of other sites may not ask this server."
    if scope["method"] not in ("GET", "HEAD") and any(
        origin != b"http://" + hosts[0] for origin in headers.get(b"origin", [])
    ):
        return 403, "Pages of other sites may not write to this server."
    return None
