"""The JSON API of a store of spans: one request, bounded and retried, that gives an object or the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx
import orjson

from tasks.errors import BadRequestError, LargeAnswerError, SourceError
from tasks.sources.jaeger.http import JaegerHttp, JaegerResponse, Params

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_MESSAGES = ("message", "error", "detail", "title")


class _Exchange(JaegerHttp):
    """As for Jaeger, but any JSON object is an answer, and an API's own 404 is known by its being JSON."""

    setting = "AGENT_REPORT_SOURCE_URL"

    def read(self, path: str, response: httpx.Response, body: bytes) -> JaegerResponse:
        status = response.status_code
        found = _object(body)
        if 200 <= status < 300:
            if found is not None:
                return JaegerResponse("found", (found,), status=status)
            page = body.lstrip()[:1] == b"<"
            what = "an HTML page: is the base path of the URL right?" if page else "no JSON"
            return JaegerResponse("fault", reason=f"{self.base_url}{path} answered {what}", status=status, final=page)
        message = self.redacted(_message(found, body))
        if status in (404, 405, 501):
            kind: Any = "absent" if found is None else "not_found"
            detail = f": {message}" if message else ""
            return JaegerResponse(kind, reason=f"HTTP {status} at {self.base_url}{path}{detail}", status=status)
        return self.refusal(path, response, message)


class StoreApi:
    """Requests to a store's API over ``http``, at most ``max_concurrent`` at once. Thread-safe.

    ``http`` has the base URL, the credentials and ``tasks.wire.deadline``'s bound (see ``open_http``).
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        max_concurrent: int = 8,
        timeout_seconds: float = 60.0,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        route: str = "",
        **clockwork: Callable[..., Any],
    ) -> None:
        self._client = http
        self._exchange = _Exchange(
            http,
            max_concurrent=max_concurrent,
            timeout_seconds=timeout_seconds,
            max_response_bytes=max_response_bytes,
            route=route,
            **clockwork,
        )
        self.base_url = self._exchange.base_url
        """The store's URL without credentials."""

    def get(self, path: str, params: Params = ()) -> dict[str, Any]:
        """The object that ``path?params`` answers.

        Raises:
            LargeAnswerError: it is longer than is read.
            BadRequestError: the request is refused as such (400, 422).
            SourceError: there is none; the message explains why, without credentials.
        """
        return self._object(self._exchange.get(path, params))

    def find(self, path: str, params: Params = ()) -> dict[str, Any] | None:
        """``get``, or None where the store has no such path or thing (404, 405, 501)."""
        answer = self._exchange.get(path, params)
        return None if answer.kind in ("absent", "not_found") else self._object(answer)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """``get`` for an API that takes what is searched for as a body. It changes nothing at the server."""
        return self._object(self._exchange.get(path, (), body=orjson.dumps(body)))

    def write(
        self, method: str, path: str, body: Mapping[str, Any], params: Params = (), *, attempts: int = 3
    ) -> dict[str, Any] | None:
        """Send ``body``, which changes what the server has: ``find`` for notes that are written back.

        With more than one of ``attempts`` it must be a request that may arrive twice.
        """
        answer = self._exchange.get(path, params, body=orjson.dumps(body), method=method, attempts=attempts)
        return None if answer.kind in ("absent", "not_found") else self._object(answer)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def _object(self, answer: JaegerResponse) -> dict[str, Any]:
        if answer.kind == "found":
            return answer.objects[0]
        if answer.large:
            raise LargeAnswerError(answer.reason)
        raise (BadRequestError if answer.status in (400, 422) else SourceError)(answer.reason)


def dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list; anything else is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(values: Iterable[object]) -> list[str]:
    """The texts among ``values`` that are not empty, each once."""
    return list(dict.fromkeys(value for value in values if isinstance(value, str) and value))


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _message(found: Mapping[str, Any] | None, body: bytes) -> str:
    if found is None:
        text = body[:400].decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else " ".join(text.split())
    return next((value for name in _MESSAGES if isinstance(value := found.get(name), str) and value), "")
