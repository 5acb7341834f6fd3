"""The traces of runs from Jaeger's query service, over HTTP, whichever of its four API generations it speaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx

from tasks.evidence.traces.span_tree import cut_run
from tasks.evidence.traces.spans import normalized_trace_id, parse_v1, parse_v3
from tasks.evidence.types import Run, Trace
from tasks.sources.found_traces import FoundTraces, RunKey, TraceLookup, run_key
from tasks.sources.jaeger.circuit import Circuit
from tasks.sources.jaeger.http import JaegerHttp, JaegerResponse, open_http
from tasks.sources.jaeger.routes import Routes, TraceRoutes, search_v3
from tasks.sources.jaeger.window import TraceWindow, window_of

MAX_RESPONSE_BYTES = 32 * 1_048_576
_URL_BYTES = 6_000
_SEARCH_LIMIT = 5
_FAILURES_IN_A_ROW = 5
_COOLDOWN_SECONDS = 30.0
_FINAL_SECONDS = 300.0


class JaegerClient:
    """Fetches and summarises the traces of runs. Thread-safe: one per process, shared by all threads.

    ``http`` has the base URL (with a base path) and the headers of the server; closing it is the client's. ``service``
    and ``tag`` find a run without a trace id. At most ``max_concurrent`` requests are under way at once, over all
    threads; an attempt takes at most about ``timeout_seconds`` and reads at most ``max_response_bytes``.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        service: str,
        tag: str,
        max_concurrent: int,
        timeout_seconds: float = 30.0,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        route: str = "",
    ) -> None:
        self._client = http
        self._service = service
        self._tag = tag
        self._clock = clock
        self._http = JaegerHttp(
            http,
            max_concurrent=max_concurrent,
            max_response_bytes=max_response_bytes,
            stopped=lambda: self._circuit.reason,
            sleep=sleep,
            timeout_seconds=timeout_seconds,
            clock=clock,
            route=route,
        )
        self._routes = TraceRoutes(
            self._http, service=service, timeout_seconds=timeout_seconds, clock=clock, unusable=self._leave_alone
        )
        self._circuit = Circuit(
            self._routes.check, clock=clock, threshold=_FAILURES_IN_A_ROW, cooldown_seconds=_COOLDOWN_SECONDS
        )
        self._pool = ThreadPoolExecutor(max_workers=max_concurrent, thread_name_prefix="jaeger")

    def check(self) -> str | None:
        """Why no trace can be fetched, by asking the server for one that does not exist; None where it can answer."""
        found = self._routes.find(window_of((), datetime.now(UTC)), lambda: None)
        return found if isinstance(found, str) else None

    def fetch_traces(self, runs: Sequence[Run], *, now: datetime) -> list[Trace]:
        """One ``Trace`` per run, in their order; no runs, an empty list. ``now`` (aware) decides what is young.

        Whatever Jaeger does is data: a trace that could not be fetched is ``unavailable`` with the reason (without
        credentials), one that Jaeger does not have is ``missing``, or ``pending`` while its run ended less than two
        minutes ago.
        """
        return self.find_traces(runs, now=now).summarize(runs)

    def find_traces(self, runs: Sequence[Run], *, now: datetime) -> FoundTraces:
        """The spans of all ``runs``, asked for together, as ``fetch_traces`` summarises them."""
        if not runs:
            return self._found({}, now)
        window = window_of(runs, now)
        ids = {run_key(run): normalized_trace_id(run.trace_id) for run in runs}
        searched = [run for run in runs if ids[run_key(run)] or not (run.trace_id or "").strip()]
        if not searched:
            return self._found({}, now)
        routes = self._routes.find(window, lambda: self._circuit.reason)
        if isinstance(routes, str):
            return self._found(
                {run_key(run): TraceLookup(ids[run_key(run)], reason=routes, asked=False) for run in searched}, now
            )
        by_id, by_tag = self._split(runs, ids, routes)
        # Searches are under way while the ids are asked for.
        searches = [(run, self._pool.submit(self._search, run, routes, now)) for run in by_tag]
        found = self._fetch_ids(list(dict.fromkeys(by_id.values())), routes, window)
        outcomes = {key: found[trace_id] for key, trace_id in by_id.items()}
        outcomes.update((run_key(run), search.result()) for run, search in searches)
        return self._found(outcomes, now)

    def close(self) -> None:
        """Ends the client's threads and its connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _found(self, lookups: Mapping[RunKey, TraceLookup], now: datetime) -> FoundTraces:
        return FoundTraces(lookups, cut=lambda tree, run: cut_run(tree, self._tag, run.id), store="Jaeger", now=now)

    def _split(
        self, runs: Sequence[Run], ids: Mapping[RunKey, str | None], routes: Routes
    ) -> tuple[dict[RunKey, str], list[Run]]:
        """The runs to ask for by trace id, and those to search for by tag; a run with an invalid id is in neither."""
        by_id: dict[RunKey, str] = {}
        by_tag: list[Run] = []
        for run in runs:
            trace_id = ids[run_key(run)]
            if trace_id and (routes.batch or routes.single):
                by_id[run_key(run)] = trace_id
            elif trace_id or not (run.trace_id or "").strip():
                by_tag.append(run)
        return by_id, by_tag

    def _fetch_ids(self, ids: Sequence[str], routes: Routes, window: TraceWindow) -> dict[str, TraceLookup]:
        """What there is for each id. A batch that cannot be fetched is asked for id by id: one may be the reason."""
        found: dict[str, TraceLookup] = {}
        singles = list(ids)
        if routes.batch:
            singles = []
            batches = [(batch, self._pool.submit(self._batch, batch, window)) for batch in self._batches(ids, window)]
            for batch, future in batches:
                answer = future.result()
                if isinstance(answer, dict):
                    found.update(answer)
                elif len(batch) == 1 or self._circuit.reason or not routes.single:
                    found.update((trace_id, TraceLookup(trace_id, reason=answer, asked=False)) for trace_id in batch)
                else:
                    singles += batch
        # What is left of a batch that took too long has had its second chance in being asked for alone.
        retry_slow = not routes.batch
        futures: list[tuple[str, Future[TraceLookup]]] = [
            (trace_id, self._pool.submit(self._single, trace_id, window, retry_slow)) for trace_id in singles
        ]
        found.update((trace_id, future.result()) for trace_id, future in futures)
        return found

    def _batches(self, ids: Sequence[str], window: TraceWindow) -> list[list[str]]:
        """``ids`` so that no URL is longer than servers and proxies surely take."""
        room = _URL_BYTES - len(self._http.base_url) - len(f"/api/traces?{urlencode(_times(window))}")
        size = max(1, room // len(f"&traceID={'0' * 32}"))
        return [list(ids[start : start + size]) for start in range(0, len(ids), size)]

    def _batch(self, ids: Sequence[str], window: TraceWindow) -> dict[str, TraceLookup] | str:
        params = [*(("traceID", trace_id) for trace_id in ids), *_times(window)]
        # The retry of a slow or failing batch is to ask for its traces one by one.
        attempts = 2 if len(ids) > 1 else 3
        answer = self._noted(self._http.get("/api/traces", params, attempts=attempts, retry_slow=len(ids) == 1))
        if answer.kind not in ("found", "not_found"):
            return answer.reason
        traces = parse_v1(_data(answer))
        errors = _errors(answer)
        return {
            trace_id: TraceLookup(trace_id, traces[trace_id])
            if traces.get(trace_id)
            else TraceLookup(trace_id, reason=errors.get(trace_id, ""), asked=trace_id not in errors)
            for trace_id in ids
        }

    def _single(self, trace_id: str, window: TraceWindow, retry_slow: bool) -> TraceLookup:
        answer = self._noted(self._http.get(f"/api/traces/{trace_id}", _times(window), retry_slow=retry_slow))
        if answer.kind in ("fault", "absent"):
            return TraceLookup(trace_id, reason=answer.reason, asked=False)
        return TraceLookup(trace_id, parse_v1(_data(answer)).get(trace_id, ()))

    def _search(self, run: Run, routes: Routes, now: datetime) -> TraceLookup:
        """The trace of a run by its tag, in the time of the run. Jaeger gives whole traces, in no order."""
        window = window_of([run], now)
        if routes.search is None:
            return TraceLookup(
                None, reason="this Jaeger can neither look up this run's trace nor search for it", asked=False
            )
        if routes.search == "v3":
            params = search_v3(self._service, {self._tag: str(run.id)}, window, _SEARCH_LIMIT)
            answer = self._noted(self._http.get("/api/v3/traces", params))
            traces = parse_v3(item.get("result", item) for item in answer.objects) if answer.kind == "found" else {}
        else:
            search = [("service", self._service), ("tag", f"{self._tag}:{run.id}"), ("limit", str(_SEARCH_LIMIT))]
            answer = self._noted(self._http.get("/api/traces", [*search, *_times(window)]))
            traces = parse_v1(_data(answer))
        if answer.kind in ("fault", "absent"):
            return TraceLookup(None, reason=answer.reason, asked=False)
        carrying = {
            trace_id: span
            for trace_id, spans in traces.items()
            for span in spans
            if str(span.tags.get(self._tag)) == str(run.id)
        }
        if not carrying:
            return TraceLookup(
                None, reason=f"Jaeger finds no trace of service {self._service} with {self._tag}={run.id}"
            )
        # Ids of runs start again with a new database: of several the one that ran when the run did.
        started_us = run.started_at.timestamp() * 1_000_000
        trace_id = min(carrying, key=lambda key: abs(carrying[key].start_us - started_us))
        return TraceLookup(trace_id, traces[trace_id])

    def _noted(self, answer: JaegerResponse) -> JaegerResponse:
        """``answer``, once the circuit knows of it."""
        if answer.kind != "fault":
            self._circuit.succeeded()
        elif (answer.retry_after_seconds or 0) > _COOLDOWN_SECONDS:
            self._leave_alone(answer)
        elif (answer.down or answer.final) and self._circuit.reason is None:
            self._circuit.failed()
        return answer

    def _leave_alone(self, answer: JaegerResponse) -> None:
        seconds = _FINAL_SECONDS if answer.final else _COOLDOWN_SECONDS
        self._circuit.open(answer.reason, max(seconds, min(answer.retry_after_seconds or 0.0, _FINAL_SECONDS)))


def open_jaeger(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    service: str = "station",
    tag: str = "run.id",
    max_concurrent: int = 20,
    timeout_seconds: float = 30.0,
    max_response_bytes: int = MAX_RESPONSE_BYTES,
    route: str = "",
) -> JaegerClient:
    """A client for the query service at ``url`` (its base path included), with ``headers`` such as ``x-tenant``.

    Nothing is asked yet. Close it, or use it in a ``with``.

    Raises:
        RefusedError: the URL or a header cannot be used.
    """
    http = open_http(url, headers, max_concurrent=max_concurrent, timeout_seconds=timeout_seconds)
    return JaegerClient(
        http,
        service=service,
        tag=tag,
        max_concurrent=max_concurrent,
        timeout_seconds=timeout_seconds,
        max_response_bytes=max_response_bytes,
        route=route,
    )


def _times(window: TraceWindow) -> list[tuple[str, str]]:
    # Without a start some stores look back 48 hours only.
    return [("start", str(window.start_us)), ("end", str(window.end_us))]


def _data(answer: JaegerResponse) -> Iterable[object]:
    for item in answer.objects:
        data = item.get("data")
        if isinstance(data, list):
            yield from data


def _errors(answer: JaegerResponse) -> dict[str, str]:
    """What kept Jaeger from giving single traces of a batch, by trace id; not found is no such thing."""
    found: dict[str, str] = {}
    for item in answer.objects:
        errors = item.get("errors")
        for error in errors if isinstance(errors, list) else ():
            trace_id = normalized_trace_id(error.get("traceID")) if isinstance(error, dict) else None
            if trace_id and "not found" not in str(error.get("msg")).lower():
                found[trace_id] = str(error.get("msg"))[:200]
    return found
