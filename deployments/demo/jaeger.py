"""A simulated Jaeger query service on the loopback interface, faithful to the four generations of its HTTP API.

For the demo, the tests and the benchmarks: it answers from memory with bytes that are encoded once, and counts what it
is asked. Its faults are attributes that can be set at any time.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from deployments.demo.jaeger_otlp import resource_spans

Generation = Literal["1.x", "2.0", "2.19", "v3"]

_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")
_Reply = tuple[int, str, bytes]
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_NO_SUCH_PAGE: _Reply = (404, _TEXT, b"404 page not found\n")
_HTML: _Reply = (
    200,
    "text/html; charset=utf-8",
    b"<!doctype html><html><head><title>Jaeger UI</title></head></html>\n",
)


class SimulatedJaeger:
    """Serves ``traces`` (v1 JSON objects: traceID, spans, processes) at ``url`` while it is entered.

    ``port`` 0 is any free one.

    Attributes to set, before or while it runs:
        fail_with: a status (500, 503, 401) that answers every request; None for none.
        html: every request is answered by a page with 200, as under a wrong base path.
        fat: trace ids that make a request for several traces fail with 500; asked for alone they come.
        broken: trace ids that make every request that holds them fail with 500.
        hang: trace ids whose requests get no answer before the server is closed; ``hang_all`` for every request.
        slow: seconds that requests for a trace id take more than ``latency_seconds``.
        lookback_seconds: how far back a request without ``start`` looks; None is without bound.

    To read: ``requests`` (method and path with its query, in order of arrival) and ``most_at_once``.
    """

    def __init__(
        self,
        traces: Iterable[Mapping[str, Any]] = (),
        *,
        generation: Generation = "2.0",
        latency_seconds: float = 0.0,
        slow: Mapping[str, float] | None = None,
        base_path: str = "",
        port: int = 0,
    ) -> None:
        self._port = port
        self.generation = generation
        self.latency_seconds = latency_seconds
        self.slow = {_padded(trace_id): seconds for trace_id, seconds in (slow or {}).items()}
        self.base_path = base_path.rstrip("/")
        self.fail_with: int | None = None
        self.html = False
        self.fat: set[str] = set()
        self.broken: set[str] = set()
        self.hang: set[str] = set()
        self.hang_all = False
        self.held: dict[str, threading.Event] = {}
        self.lookback_seconds: float | None = None
        self.requests: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._v1: dict[str, bytes] = {}
        self._v3: dict[str, bytes] = {}
        self._times: dict[str, tuple[int, int]] = {}
        self._tagged: dict[tuple[str, str, str], list[str]] = {}
        self._services: dict[str, list[str]] = {}
        for trace in traces:
            self.add(trace)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, with the base path."""
        if self._server is None:
            raise RuntimeError("the simulated Jaeger is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.base_path}"

    def add(self, trace: Mapping[str, Any]) -> None:
        """Stores a trace, as if its spans had just been exported; one with the same id is replaced."""
        trace_id = _padded(str(trace["traceID"]))
        spans = trace.get("spans") or []
        starts = [int(span["startTime"]) for span in spans]
        ends = [int(span["startTime"]) + int(span["duration"]) for span in spans]
        self._times[trace_id] = (min(starts, default=0), max(ends, default=0))
        encoded = orjson.dumps(trace)
        if self.generation == "1.x" and trace_id.startswith("0" * 16):
            # The old one prints ids with an empty upper half in 16 digits.
            encoded = encoded.replace(trace_id.encode(), trace_id[16:].encode())
        self._v1[trace_id] = encoded
        if self.generation in ("2.19", "v3"):
            self._v3[trace_id] = b",".join(orjson.dumps(item) for item in resource_spans(trace))
        for service, key, value in _conditions(trace):
            found = self._tagged.setdefault((service, key, value), [])
            if trace_id not in found:
                found.append(trace_id)
            named = self._services.setdefault(service, [])
            if trace_id not in named:
                named.append(trace_id)

    def __enter__(self) -> Self:
        self._closed.clear()
        self._server = _Server(self, self._port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.close_connections()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def answer(self, method: str, target: str) -> _Reply:
        """Status, content type and body for one request; waits as long as the request is to take."""
        with self._lock:
            self.requests.append(f"{method} {target}")
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self._answer(method, target)
        finally:
            with self._lock:
                self._at_once -= 1

    def _answer(self, method: str, target: str) -> _Reply:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        path = unquote(parts.path)
        ids = [_padded(value) for value in query.get("traceID", [])]
        if path.startswith(f"{self.base_path}/api/traces/"):
            ids = [_padded(path.rsplit("/", 1)[1])]
        if self.hang_all or self.hang.intersection(ids):
            self._closed.wait()
        for event in (self.held[trace_id] for trace_id in ids if trace_id in self.held):
            event.wait(60)
        delay = self.latency_seconds + max((self.slow.get(trace_id, 0.0) for trace_id in ids), default=0.0)
        if delay:
            self._closed.wait(delay)
        if self.fail_with is not None:
            return _error(self.fail_with, HTTPStatus(self.fail_with).phrase.lower())
        if self.html or not path.startswith(f"{self.base_path}/api/"):
            # The query service gives its user interface for every path that is not the API's.
            return _HTML
        if method != "GET":
            return (405, _TEXT, b"")
        if self.broken.intersection(ids) or (len(ids) > 1 and self.fat.intersection(ids)):
            return _error(500, "stream error: grpc: received message larger than max")
        path = path.removeprefix(self.base_path)
        if path.startswith("/api/traces/"):
            return self._by_id(path.rsplit("/", 1)[1], query)
        if path == "/api/traces" and self.generation != "v3":
            return self._by_ids(ids, query) if ids else self._search_v1(query)
        if path == "/api/v3/traces" and self.generation in ("2.19", "v3"):
            return self._search_v3(query)
        return _NO_SUCH_PAGE

    def _by_id(self, text: str, query: dict[str, list[str]]) -> _Reply:
        if not _TRACE_ID.fullmatch(text):
            return _error(400, f"cannot parse trace id {text}")
        trace_id = _padded(text)
        if trace_id not in self._v1 or not self._reaches(trace_id, query):
            return _error(404, "trace not found")
        return _found([self._v1[trace_id]])

    def _by_ids(self, ids: list[str], query: dict[str, list[str]]) -> _Reply:
        if any(not _TRACE_ID.fullmatch(trace_id) for trace_id in ids):
            return _error(400, "cannot parse trace ids")
        here = [trace_id for trace_id in ids if trace_id in self._v1 and self._reaches(trace_id, query)]
        errors = [{"code": 0, "msg": "trace not found", "traceID": item} for item in ids if item not in here]
        # Not in the order that was asked for: Jaeger promises none.
        return _found([self._v1[trace_id] for trace_id in reversed(here)], errors)

    def _search_v1(self, query: dict[str, list[str]]) -> _Reply:
        service = query.get("service", [""])[0]
        if not service:
            return _error(400, "parameter 'service' is required")
        tags = [tuple(tag.split(":", 1)) for tag in query.get("tag", [])]
        if any(len(tag) != 2 for tag in tags):
            return _error(400, "malformed 'tag' parameter, expecting key:value")
        start, end = int(query.get("start", ["0"])[0]), int(query.get("end", [str(2**62)])[0])
        limit = int(query.get("limit", ["100"])[0])
        return _found([self._v1[item] for item in self._matching(service, dict(tags), start, end)[:limit]])  # type: ignore[arg-type]

    def _search_v3(self, query: dict[str, list[str]]) -> _Reply:
        if "query.startTimeMin" not in query or "query.startTimeMax" not in query:
            return _error_v3(400, "query.startTimeMin and query.startTimeMax are required")
        try:
            start = _microseconds(query["query.startTimeMin"][0])
            end = _microseconds(query["query.startTimeMax"][0])
            attributes = orjson.loads(query.get("query.attributes", ["{}"])[0])
        except ValueError as error:
            return _error_v3(400, str(error))
        service = query.get("query.serviceName", [""])[0]
        depth = int(query.get("query.searchDepth", ["100"])[0])
        found = self._matching(service, attributes, start, end)[:depth]
        if not found:
            return _error_v3(404, "No traces found")
        merged = b",".join(self._v3[trace_id] for trace_id in found)
        return (200, _JSON, b'{"result":{"resourceSpans":[' + merged + b"]}}")

    def _matching(self, service: str, tags: Mapping[str, str], start: int, end: int) -> list[str]:
        if tags:
            sets = [self._tagged.get((service, key, value), []) for key, value in tags.items()]
            found = [trace_id for trace_id in sets[0] if all(trace_id in other for other in sets[1:])]
        else:
            found = self._services.get(service, [])
        return [trace_id for trace_id in found if start <= self._times[trace_id][0] <= end]

    def _reaches(self, trace_id: str, query: dict[str, list[str]]) -> bool:
        if "start" in query:
            return self._times[trace_id][1] >= int(query["start"][0])
        if self.lookback_seconds is None:
            return True
        return self._times[trace_id][1] / 1e6 >= time.time() - self.lookback_seconds


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, jaeger: SimulatedJaeger, port: int) -> None:
        self.jaeger = jaeger
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)

    def opened(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def close_connections(self) -> None:
        """Wakes the threads that wait on a kept-alive connection."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Connection(socketserver.BaseRequestHandler):
    """One kept-alive HTTP/1.1 connection. Parsed by hand: the standard library's handler costs more than the answer."""

    request: socket.socket
    server: _Server

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.opened(self.request)
        try:
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    received = self.request.recv(65536)
                    if not received or len(buffer) > 262_144:
                        return
                    buffer += received
                head, buffer = buffer.split(b"\r\n\r\n", 1)
                method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
                status, content_type, body = self.server.jaeger.answer(method, target)
                reason = HTTPStatus(status).phrase
                self.request.sendall(
                    f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode("latin-1")
                    + body
                )
        except (OSError, ValueError):
            return
        finally:
            self.server.closed(self.request)


def _padded(trace_id: str) -> str:
    return trace_id.lower().zfill(32)


def _found(traces: list[bytes], errors: list[dict[str, Any]] | None = None) -> _Reply:
    tail = orjson.dumps(errors or None)
    return (200, _JSON, b'{"data":[' + b",".join(traces) + b'],"total":0,"limit":0,"offset":0,"errors":' + tail + b"}")


def _error(status: int, message: str) -> _Reply:
    errors = [{"code": status, "msg": message}]
    # As text/plain: Jaeger writes its errors through Go's http.Error at times.
    return (status, _TEXT, orjson.dumps({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}))


def _error_v3(status: int, message: str) -> _Reply:
    return (status, _TEXT, orjson.dumps({"error": {"httpCode": status, "message": message}}))


def _conditions(trace: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    services = {key: str(process["serviceName"]) for key, process in (trace.get("processes") or {}).items()}
    for span in trace.get("spans") or []:
        service = services.get(span.get("processID", ""), "")
        for tag in span.get("tags") or []:
            value = tag["value"]
            yield service, tag["key"], str(value).lower() if isinstance(value, bool) else str(value)


def _microseconds(text: str) -> int:
    """RFC 3339 with any number of decimals as microseconds since 1970."""
    moment, _, decimals = text.removesuffix("Z").partition(".")
    whole = int(datetime.fromisoformat(f"{moment}+00:00").timestamp())
    return whole * 1_000_000 + int(decimals[:6].ljust(6, "0") or 0)
