"""One GET to Jaeger, made safe: bounded in bytes, time and number, retried, and read for what it means."""

from __future__ import annotations

import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import httpx
import orjson

from tasks.errors import ConfigurationError
from tasks.wire.body import BodyError, LargeBodyError, decode_body
from tasks.wire.deadline import bound_time, exchange_within
from tasks.wire.retry_after import retry_after_seconds
from tasks.wire.route import describe_cause, describe_place
from tasks.wire.urls import refuse_ambiguous

Params = Sequence[tuple[str, str]]

_CONNECT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.25
_BACKOFF_MAX_SECONDS = 5.0
# A server that asks for more patience than this gets it by not being asked: a report does not wait for it.
_RETRY_AFTER_MAX_SECONDS = 20.0
_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
_TEXT_LIMIT = 200
# What httpx sends by itself; every other header can be a secret.
_PLAIN_HEADERS = frozenset({"accept", "accept-encoding", "connection", "user-agent", "host"})


@dataclass(frozen=True, slots=True)
class JaegerResponse:
    """What a GET came to.

    ``found``: JSON, in ``objects`` (one, or one per line of a stream) · ``not_found``: the endpoint is there, the thing
    asked for is not · ``absent``: there is no such endpoint · ``fault``: everything else. ``reason`` holds no secret.
    Of a fault, ``down`` means that the server itself fails (5xx, no connection, no answer in time), ``slow`` that it
    took too long, ``large`` that the answer is longer than is read, ``final`` that asking for anything else is as
    useless (credentials, a wrong base path), and ``retry_after_seconds`` how long it asks to be left alone.
    """

    kind: Literal["found", "not_found", "absent", "fault"]
    objects: tuple[dict[str, Any], ...] = ()
    reason: str = ""
    status: int = 0
    down: bool = False
    slow: bool = False
    large: bool = False
    final: bool = False
    retry_after_seconds: float | None = None


def open_http(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    max_concurrent: int,
    timeout_seconds: float,
    setting: str = "jaeger",
    example: str = "http://jaeger:16686",
) -> httpx.Client:
    """An httpx client for what is at ``url`` (with its base path, and a user's name if need be).

    Messages name ``<setting>_url`` and ``<setting>_headers``.

    Raises:
        RefusedError: the URL or a header cannot be used; the message holds no part of a value that can be secret.
    """
    name = f"{setting}_url"
    refuse_ambiguous(url, f"{name} (AGENT_REPORT_{name.upper()})")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ConfigurationError(f"{name} is no URL; it looks like {example}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(f"{name} must start with http:// or https:// and name a host, as {example}")
    for name, value in (headers or {}).items():
        if not (value.isascii() and value.isprintable()) or not name.isascii():
            raise ConfigurationError(
                f"{setting}_headers: the value of {name!r} has characters that a header cannot hold"
            )
    client = httpx.Client(
        base_url=parsed.copy_with(query=None, fragment=None),
        headers={"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})},
        timeout=timeout_seconds,
        limits=httpx.Limits(max_connections=max_concurrent, max_keepalive_connections=max_concurrent),
    )
    bound_time(client)
    return client


class JaegerHttp:
    """GETs over ``http``, at most ``max_concurrent`` at once. Thread-safe.

    ``timeout_seconds`` bounds a whole attempt, not only the wait for its next byte. ``stopped`` is asked before every
    attempt: a reason ends the retries. ``route`` names what connections go through, such as a proxy, for messages.
    """

    setting = "AGENT_REPORT_JAEGER_URL"
    """Where the URL comes from, for messages."""

    def __init__(
        self,
        http: httpx.Client,
        *,
        max_concurrent: int,
        timeout_seconds: float,
        max_response_bytes: int,
        stopped: Callable[[], str | None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        route: str = "",
    ) -> None:
        self._http = http
        self._route = route
        self._slots = threading.BoundedSemaphore(max_concurrent)
        self._timeout_seconds = timeout_seconds
        self._max_response_bytes = max_response_bytes
        self._stopped = stopped
        self._sleep = sleep
        self._clock = clock
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._secrets = _secrets(http)
        self.base_url = str(http.base_url.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")

    def get(
        self,
        path: str,
        params: Params,
        *,
        attempts: int = 3,
        retry_slow: bool = True,
        timeout_seconds: float | None = None,
        body: bytes | None = None,
        method: str = "",
    ) -> JaegerResponse:
        """The answer to ``path?params``, after at most ``attempts``; never raises for what the server or network does.

        5xx, 429, broken connections and (with ``retry_slow``) time-outs are tried again, after Retry-After or a growing
        pause with jitter. With a ``body`` (JSON) it is a POST, unless ``method`` names another: some APIs search by it.
        """
        # No library (httpx-retries, stamina): what decides is the answer as it was read, not a status or an exception;
        # a pause must neither hold a slot nor count as time of the exchange; `stopped` is asked before each attempt.
        answer = JaegerResponse("fault", reason="not asked")
        for attempt in range(1, attempts + 1):
            if reason := self._stopped():
                return JaegerResponse("fault", reason=reason, down=True)
            with self._slots:
                answer = self._attempt(path, params, timeout_seconds or self._timeout_seconds, body, method)
            if not answer.down or attempt == attempts or (answer.slow and not retry_slow):
                break
            pause = min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2 ** (attempt - 1)) * self._jitter.uniform(0.5, 1.0)
            if answer.retry_after_seconds is not None:
                if answer.retry_after_seconds > _RETRY_AFTER_MAX_SECONDS:
                    break
                pause = max(pause, answer.retry_after_seconds)
            self._sleep(pause)
        return answer

    def _attempt(
        self, path: str, params: Params, timeout_seconds: float, sent: bytes | None, method: str
    ) -> JaegerResponse:
        headers = None if sent is None else {"Content-Type": "application/json"}
        method = method or ("GET" if sent is None else "POST")
        timeout = httpx.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds))
        try:
            # As a list of pairs: a name can come several times (traceID).
            with (
                exchange_within(timeout_seconds, self._clock),
                self._http.stream(
                    method, path, params=list(params), timeout=timeout, content=sent, headers=headers
                ) as response,
            ):
                declared = response.headers.get("content-length", "")
                if declared.isdigit() and int(declared) > self._max_response_bytes:
                    return self._too_large(path)
                encoding = response.headers.get("content-encoding", "")
                raw = cast(httpx.SyncByteStream, response.stream)
                body = b"".join(decode_body(raw, encoding, self._max_response_bytes))
                return self.read(path, response, body)
        except LargeBodyError:
            return self._too_large(path)
        except BodyError as error:
            return JaegerResponse("fault", reason=f"{self.base_url}{_endpoint(path)}: {error}")
        except httpx.TimeoutException:
            return self._too_slow(path, timeout_seconds)
        except httpx.TransportError as error:
            usable = not isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
            where = f"{self.base_url} ({self.setting}){self._route}"
            return JaegerResponse("fault", reason=f"no connection to {where}: {describe_cause(error)}", down=usable)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return JaegerResponse(
                "fault", reason=f"{self.base_url}{path} answered what cannot be read: {type(error).__name__}"
            )

    def _too_large(self, path: str) -> JaegerResponse:
        size = f"{self._max_response_bytes / 1_048_576:.3g} MiB"
        return JaegerResponse("fault", reason=f"the answer at {_endpoint(path)} is larger than {size}", large=True)

    def _too_slow(self, path: str, timeout_seconds: float) -> JaegerResponse:
        reason = f"no complete answer at {_endpoint(path)} within {timeout_seconds:g} s"
        return JaegerResponse("fault", reason=reason, down=True, slow=True)

    def read(self, path: str, response: httpx.Response, body: bytes) -> JaegerResponse:
        """What an answer means. The Content-Type is not asked: Jaeger sends JSON errors as text/plain."""
        status = response.status_code
        objects = _objects(body)
        if status == 200:
            if any("data" in item or "result" in item for item in objects):
                return JaegerResponse("found", objects, status=status)
            if objects:
                return JaegerResponse(
                    "fault", reason=f"{_endpoint(path)} answered JSON, but none of Jaeger's", status=status
                )
            what = "an HTML page" if body.lstrip()[:1] == b"<" else "no JSON"
            hint = ": is the base path of the URL right?" if what == "an HTML page" else ""
            reason = f"{self.base_url}{_endpoint(path)} answered {what}{hint}"
            return JaegerResponse("fault", reason=reason, status=status, final=what == "an HTML page")
        message = self.redacted(_message(objects))
        if status in (404, 405, 501):
            # Jaeger's own "not found" is JSON of its own shape; its router's is plain text, a proxy's is anything.
            if status == 404 and any(
                isinstance(item.get("errors"), list) or isinstance(item.get("error"), dict) for item in objects
            ):
                return JaegerResponse("not_found", objects, reason=message, status=status)
            return JaegerResponse("absent", reason=f"HTTP {status} at {self.base_url}{_endpoint(path)}", status=status)
        return self.refusal(path, response, message)

    def refusal(self, path: str, response: httpx.Response, message: str) -> JaegerResponse:
        """What an answer means that is neither a result nor the absence of one; ``message`` holds no secret."""
        status = response.status_code
        reason = f"HTTP {status} at {_endpoint(path)}" + (f": {message}" if message else "")
        if status in (401, 403):
            return JaegerResponse("fault", reason=f"{reason} (credentials refused)", status=status, final=True)
        if 300 <= status < 400:
            where = self.redacted(describe_place(response.headers.get("location", "")))
            reason = f"{reason}: it redirects{where}, which is not followed (a login page? {self.setting})"
            return JaegerResponse("fault", reason=reason, status=status, final=True)
        down = status in _RETRIED_STATUSES or status >= 500
        return JaegerResponse(
            "fault", reason=reason, status=status, down=down, retry_after_seconds=retry_after_seconds(response.headers)
        )

    def redacted(self, text: str) -> str:
        """``text`` without anything of a header or of the URL's credentials, as servers repeat what they were sent."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_TEXT_LIMIT]


def _secrets(http: httpx.Client) -> tuple[str, ...]:
    username, password = http.base_url.username, http.base_url.password
    found = {username, password, b64encode(f"{username}:{password}".encode()).decode() if username or password else ""}
    for name, value in http.headers.items():
        if name.lower() not in _PLAIN_HEADERS:
            found.update((value, *value.split()))
    return tuple(sorted((secret for secret in found if len(secret) > 3), key=len, reverse=True))


def _endpoint(path: str) -> str:
    return path if len(path) <= 60 else f"{path[:60]}…"


def _objects(body: bytes) -> tuple[dict[str, Any], ...]:
    """The JSON objects of an answer: one, or one a line as gateways stream them. Empty when it is anything else."""
    try:
        parsed = [orjson.loads(body)]
    except orjson.JSONDecodeError:
        try:
            parsed = [orjson.loads(line) for line in body.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            return ()
    return tuple(parsed) if all(isinstance(item, dict) for item in parsed) else ()


def _message(objects: Sequence[dict[str, Any]]) -> str:
    """The words of a v1 (``errors``) or v3 (``error``) error, empty when it is none of Jaeger's."""
    for item in objects:
        errors = item.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            return str(errors[0].get("msg") or f"error {errors[0].get('code')}")
        error = item.get("error")
        if isinstance(error, dict):
            return str(error.get("message") or f"error {error.get('httpCode')}")
        # A gRPC gateway's own errors.
        if isinstance(item.get("message"), str):
            return str(item["message"])
    return ""
