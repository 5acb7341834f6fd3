"""The labelling page as a server on 127.0.0.1, for one person's browser: only with the secret in the link.

Any page in that browser, and any user of this computer, can send requests to the port. A request is answered if its
Host and Origin are this server's (``HostGuard``) and its path begins with the secret; a page's policy lets the browser
load nothing, run nothing and send forms nowhere else.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from deployments.labelling.page import LabellingPage
from deployments.local.host_guard import HostGuard
from tasks.errors import AgentReportError, RefusedError, UsageError, scrub

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

_LONGEST_BODY = 100_000
_FORM = "application/x-www-form-urlencoded"
_STOP_SECONDS = 2
_HEADERS = {
    "Cache-Control": "no-store",
    # The secret is in the path: no other site learns where the reader came from. Not "no-referrer", with which a
    # browser sends forms with the Origin "null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOG = logging.getLogger("agent_report.labelling")


def listen(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1; port 0: any free one.

    Raises:
        RefusedError: the port cannot be listened on.
    """
    try:
        return socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise UsageError(f"--port {port} cannot be listened on: {error}") from None


def new_secret() -> str:
    """A random secret for the link, of letters, digits, ``-`` and ``_``."""
    return secrets.token_urlsafe(32)


def base_path(secret: str) -> str:
    """The path below which the pages are."""
    return f"/{secret}/"


def build_app(page: LabellingPage, secret: str, port: int) -> ASGIApp:
    """The application for requests to ``port`` of this computer that have ``secret`` in their path."""

    def known(request: Request) -> bool:
        given = str(request.path_params["secret"])
        return secrets.compare_digest(given.encode("utf-8", "replace"), secret.encode("ascii"))

    def place_of(request: Request) -> int | None:
        number = int(request.path_params["number"])
        return number - 1 if 1 <= number <= len(page.runs) else None

    async def start(request: Request) -> Response:
        return await _to(page.first_open) if known(request) else _nothing()

    async def end(request: Request) -> Response:
        return await _show(page, None) if known(request) else _nothing()

    async def show(request: Request) -> Response:
        place = place_of(request)
        return await _show(page, place) if known(request) and place is not None else _nothing()

    async def store(request: Request) -> Response:
        place = place_of(request)
        if not known(request) or place is None:
            return _nothing()
        try:
            form = _read_form(request, await _body(request))
            await run_in_threadpool(page.store, place, form)
        except RefusedError as error:
            return PlainTextResponse(f"Nothing was stored: {error}\n", status_code=400, headers=_HEADERS)
        return await _to(lambda: page.path(place + 1))

    async def failed(_: Request, error: Exception) -> Response:
        LOG.warning("not answered: %s", scrub(str(error)) or type(error).__name__)
        text = scrub(str(error)) if isinstance(error, AgentReportError) else "an error"
        return PlainTextResponse(f"Nothing was stored: {text}\n", status_code=500, headers=_HEADERS)

    routes = [
        Route("/{secret}/", start, methods=["GET"]),
        Route("/{secret}/end", end, methods=["GET"]),
        Route("/{secret}/run/{number:int}", show, methods=["GET"]),
        Route("/{secret}/run/{number:int}", store, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={AgentReportError: failed, Exception: failed})
    app.router.redirect_slashes = False
    return HostGuard(app, port)


def open_server(page: LabellingPage, secret: str, listener: socket.socket) -> uvicorn.Server:
    """The server for a listening socket."""
    import uvicorn

    config = uvicorn.Config(
        build_app(page, secret, listener.getsockname()[1]),
        log_config=None,
        # It would log the secret with every path.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def serve(page: LabellingPage, secret: str, listener: socket.socket) -> None:
    """Serve until Ctrl-C."""
    # It has stopped by the time it raises this, in good order.
    with contextlib.suppress(KeyboardInterrupt):
        open_server(page, secret, listener).run(sockets=[listener])


async def _show(page: LabellingPage, place: int | None) -> Response:
    nonce = secrets.token_urlsafe(16)
    html = await run_in_threadpool(page.render, place, nonce)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(html, headers=_HEADERS | {"Content-Security-Policy": policy})


async def _to(find: Callable[[], str]) -> Response:
    return RedirectResponse(await run_in_threadpool(find), status_code=303, headers=_HEADERS)


def _nothing() -> Response:
    return PlainTextResponse("Not found. Open the link that the command printed.\n", 404, headers=_HEADERS)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise UsageError(f"the form has more than {_LONGEST_BODY} bytes")
    return body


def _read_form(request: Request, body: bytes) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise UsageError("the request is no form")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise UsageError("the form cannot be read") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise UsageError("a field of the form is there twice")
    return form
