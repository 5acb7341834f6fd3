"""Each patch of Prefect's server, and what of Prefect's makes it needed."""

from __future__ import annotations

import inspect
from importlib import metadata

import httpx
import pytest
from prefect.client import base
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.local.server_patches import hint_retries, restrict_connections


def _answering(status: int) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("", status_code=status)(scope, receive, send)

    return app


@pytest.mark.parametrize(("status", "hints"), [(503, {"0.1", "true"}), (200, {None}), (429, {None}), (500, {None})])
def test_only_503_answers_state_when_to_retry(status: int, hints: set[str | None]) -> None:
    answer = TestClient(hint_retries(_answering(status))).get("/")
    assert answer.status_code == status
    assert {answer.headers.get("retry-after"), answer.headers.get("prefect-maintenance")} == hints


def test_prefect_still_answers_503_without_a_hint_and_its_client_takes_one() -> None:
    """Where the first fails, ``hint_retries`` is needless; where the second does, it has no effect."""
    # Its source, as importing Prefect's server takes each process that collects tests five seconds.
    server = metadata.distribution("prefect").locate_file("prefect/server/api/server.py")
    assert "Retry-After" not in server.read_text(encoding="utf-8")
    client = inspect.getsource(base.PrefectHttpxSyncClient)
    assert 'headers.get("Prefect-Maintenance") != "true"' in client
    assert 'response.headers["Retry-After"]' in client


def test_pages_may_connect_to_their_own_server_only() -> None:
    answer: httpx.Response = TestClient(restrict_connections(_answering(200))).get("/")  # type: ignore[assignment]
    assert answer.headers["content-security-policy"] == "connect-src 'self' blob: data:"
