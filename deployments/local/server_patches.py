"""What our Prefect server does differently from Prefect's own: wrappers around its ASGI application."""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def count_slots_at_start(app: ASGIApp) -> ASGIApp:
    """``app``, which counts the slots taken of every limit before its first request.

    Prefect counts them in its database; those of leases that a killed server lost would be taken forever.
    (tests/flows/test_shared_server.py)
    """
    from deployments.local.slot_leases import count_slots

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await count_slots()
            await send(message)

        await app(scope, receive, sent)

    return wrapped


def hint_retries(app: ASGIApp) -> ASGIApp:
    """``app``, whose 503 answers (SQLite is busy) state when to retry.

    SQLite is free again within milliseconds. Without the hint Prefect's client waits 2 s, then 4 s, and every task run
    of the process that waits for a tag's slot waits behind it. Measured with a limit on the tag: 14 agents took 17 to
    24 s instead of 4.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == httpx.codes.SERVICE_UNAVAILABLE:
                # With the second header a client does not count its tries, and gives none up.
                message["headers"] = [*message["headers"], (b"retry-after", b"0.1"), (b"prefect-maintenance", b"true")]
            await send(message)

        await app(scope, receive, sent)

    return wrapped


def restrict_connections(app: ASGIApp) -> ASGIApp:
    """``app``, whose pages may connect to no other server.

    Prefect's UI sets its statistics up before it reads that they are off.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", b"connect-src 'self' blob: data:"),
                ]
            await send(message)

        await app(scope, receive, sent)

    return wrapped
