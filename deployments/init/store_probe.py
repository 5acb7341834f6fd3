"""Which kind of trace store answers at a web address: a newcomer knows where it is, not what we call it."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from tasks.errors import SourceError, scrub
from tasks.wire.urls import without_user

_SECONDS = 5.0
# A path that one kind of store answers with JSON of its own, and the key that is in it.
_SIGNS = (
    ("phoenix", "/v1/projects", "data"),
    ("jaeger", "/api/services", "data"),
    ("jaeger", "/api/v3/services", "services"),
    ("langfuse", "/api/public/health", "status"),
    ("tempo", "/api/status/buildinfo", "version"),
)
_MLFLOW = ("/version", "/health")
_TEMPO_ECHO = "/api/echo"


def name_store(url: str, headers: Mapping[str, str] | None = None, transport: httpx.BaseTransport | None = None) -> str:
    """``url`` with the kind of store in front, such as ``phoenix+http://localhost:6006``; ``headers`` go with each
    request.

    Raises:
        SourceError: nothing answers there, or nothing that is known.
    """
    shown = without_user(url) or "the address"
    try:
        with httpx.Client(
            base_url=url.rstrip("/"), headers=dict(headers or {}), timeout=_SECONDS, transport=transport
        ) as client:
            kind = _kind(client)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise SourceError(f"{shown} does not answer ({scrub(type(error).__name__)}): is the store running?") from None
    if kind is None:
        raise SourceError(
            f"{shown} answers, but not as a store that is known: write jaeger+{shown}, or tempo+, phoenix+, mlflow+, "
            "langfuse+"
        )
    return f"{kind}+{url}"


def _kind(client: httpx.Client) -> str | None:
    for kind, path, key in _SIGNS:
        answer = client.get(path)
        if key in _keys(answer):
            return kind
        if kind == "phoenix" and answer.status_code in (401, 403) and "phoenix" in str(answer.headers).lower():
            return kind
    if client.get(_TEMPO_ECHO).text.strip() == "echo":
        return "tempo"
    version, health = (client.get(path) for path in _MLFLOW)
    is_version = version.is_success and len(version.text) < 40 and version.text[:1].isdigit()
    return "mlflow" if is_version and health.text.strip() == "OK" else None


def _keys(answer: httpx.Response) -> set[str]:
    try:
        body = answer.json() if answer.is_success else None
    except ValueError:
        return set()
    return set(body) if isinstance(body, dict) else set()
