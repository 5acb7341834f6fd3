"""Which of Jaeger's four API generations a server speaks: asked once, never inferred from a version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import orjson

from tasks.sources.jaeger.http import JaegerHttp, JaegerResponse
from tasks.sources.jaeger.window import TraceWindow

# An id that does not exist: every server answers it at once, and the answer shows what it can do.
_NOBODY = "0badc0de" * 4
_PROBE_SECONDS = 15.0
_DOUBTFUL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Routes:
    """What the server can do: several ids in one request, one id, and search (v1 or v3; None: no search at all)."""

    batch: bool
    single: bool
    search: Literal["v1", "v3"] | None


class TraceRoutes:
    """Finds the routes with at most three requests when first asked for, whichever thread asks. Thread-safe."""

    def __init__(
        self,
        http: JaegerHttp,
        *,
        service: str,
        timeout_seconds: float,
        clock: Callable[[], float],
        unusable: Callable[[JaegerResponse], None],
    ) -> None:
        self._http = http
        self._service = service
        self._timeout_seconds = min(_PROBE_SECONDS, timeout_seconds)
        self._clock = clock
        self._unusable = unusable
        self._lock = threading.Lock()
        self._routes: Routes | None = None
        self._until = float("inf")

    def find(self, window: TraceWindow, stopped: Callable[[], str | None]) -> Routes | str:
        """The routes, or why none is known now; threads that ask meanwhile wait for the one that probes.

        ``stopped`` is asked after waiting: where the first thread has found the server down the others do not try.
        """
        with self._lock:
            if self._routes is not None and self._clock() < self._until:
                return self._routes
            if reason := stopped():
                return reason
            answer, routes = self._probe(window)
            if routes is None:
                self._unusable(answer)
                return answer.reason
            self._routes = routes
            return routes

    def check(self) -> str | None:
        """Why the server is not usable now, by one cheap request; None when it answers."""
        routes = self._routes
        if routes is None or routes.single:
            answer = self._ask(f"/api/traces/{_NOBODY}", [], attempts=1)
        elif routes.batch:
            answer = self._ask("/api/traces", [("traceID", _NOBODY)], attempts=1)
        else:
            return None
        return answer.reason if answer.kind == "fault" else None

    def _probe(self, window: TraceWindow) -> tuple[JaegerResponse, Routes | None]:
        times = [("start", str(window.start_us)), ("end", str(window.end_us))]
        listed = self._ask("/api/traces", [("traceID", _NOBODY), *times])
        if listed.final or listed.slow or (listed.down and not listed.status):
            return listed, None
        self._until = float("inf")
        if listed.kind in ("found", "not_found"):
            return listed, Routes(batch=True, single=True, search="v1")
        if listed.kind == "fault" and _mentions_not_found(listed):
            # Some stores behind gRPC report an unknown id as an internal error.
            return listed, Routes(batch=True, single=True, search="v1")
        one = self._ask(f"/api/traces/{_NOBODY}", times)
        single = one.kind in ("found", "not_found") or (one.kind == "fault" and _mentions_not_found(one))
        if one.kind == "fault" and not single:
            return one, None
        if listed.kind == "fault":
            # The endpoint is there (400: other parameters wanted; 5xx: sick): ask again when it may have recovered.
            self._until = self._clock() + _DOUBTFUL_SECONDS
            return listed, Routes(batch=False, single=single, search="v1")
        third = self._ask("/api/v3/traces", search_v3(self._service, {}, window, 1))
        if third.kind in ("found", "not_found"):
            return third, Routes(batch=False, single=single, search="v3")
        if single:
            if third.kind == "fault":
                self._until = self._clock() + _DOUBTFUL_SECONDS
            return third, Routes(batch=False, single=True, search=None)
        if third.kind == "fault":
            return third, None
        reason = f"no Jaeger query API at {self._http.base_url} (HTTP {listed.status}): is the base path right?"
        return JaegerResponse("fault", reason=reason, final=True), None

    def _ask(self, path: str, params: list[tuple[str, str]], attempts: int = 2) -> JaegerResponse:
        return self._http.get(path, params, attempts=attempts, retry_slow=False, timeout_seconds=self._timeout_seconds)


def search_v3(service: str, attributes: dict[str, str], window: TraceWindow, depth: int) -> list[tuple[str, str]]:
    """The parameters of a v3 search for spans of ``service`` that carry ``attributes``."""
    params = [
        ("query.serviceName", service),
        ("query.startTimeMin", window.start_rfc3339),
        ("query.startTimeMax", window.end_rfc3339),
        ("query.searchDepth", str(depth)),
    ]
    if attributes:
        params.append(("query.attributes", orjson.dumps(attributes).decode()))
    return params


def _mentions_not_found(answer: JaegerResponse) -> bool:
    return "not found" in answer.reason.lower() and answer.status >= 500
