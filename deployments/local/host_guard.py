"""What a server on this computer's loopback answers: requests that were meant for it, and no other page's."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HTTP_PORT = 80
_POLICY_VIOLATION = 1008


class HostGuard:
    """``app``, for requests and WebSockets whose Host is a loopback name with ``port``, and whose Origin is the same.

    A browser sends the name that a page asked for as Host, also where that name's DNS was turned to this computer, and
    the asking page's origin with every WebSocket and with every request that could change something. A program that is
    no browser sends no Origin.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in _NAMES}
        if port == _HTTP_PORT:
            self._hosts.update(_NAMES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._is_ours(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it is accepted: the client is answered 403.
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            refusal = "Refused: the request's Host or Origin is not this server.\n"
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return False
        return all(origin == f"http://{hosts[0]}" for origin in _header(scope, b"origin"))


def _header(scope: Scope, name: bytes) -> list[str]:
    # ASGI gives names in lower case.
    return [value.decode("latin-1").lower() for key, value in scope["headers"] if key == name]
