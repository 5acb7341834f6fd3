"""The client against a simulated Jaeger of every generation: what it asks for, and the states of traces."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from deployments.demo.jaeger import Generation, SimulatedJaeger
from tasks.evidence.types import Run, Trace
from tasks.sources.jaeger.client import JaegerClient

MakeTeam = Callable[..., tuple[list[Any], list[list[Run]]]]
MakeTrace = Callable[..., dict[str, Any]]
MakeRun = Callable[..., Run]
OpenClient = Callable[..., JaegerClient]
ClientOf = Callable[..., JaegerClient]

GENERATIONS: list[Generation] = ["1.x", "2.0", "2.19", "v3"]
EMPTY = {"data": [], "total": 0, "limit": 0, "offset": 0, "errors": None}


def _states(traces: list[Trace]) -> list[str]:
    return [trace.state for trace in traces]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("known", [True, False], ids=["by id", "by tag"])
def test_traces_come_from_every_generation(
    make_trace: MakeTrace,
    make_run: MakeRun,
    open_client: OpenClient,
    now: datetime,
    generation: Generation,
    known: bool,
) -> None:
    runs = [make_run(number, f"{number:x}" if known else None) for number in (3, 1, 9)]
    with SimulatedJaeger([make_trace(number, number) for number in (1, 2, 3)], generation=generation) as jaeger:
        found = open_client(jaeger.url).fetch_traces(runs, now=now)
    assert [(trace.run_id, trace.state) for trace in found] == [("3", "complete"), ("1", "complete"), ("9", "missing")]
    assert [trace.trace_id for trace in found[:2]] == ["3".zfill(32), "1".zfill(32)]
    telemetry = found[0].telemetry
    assert telemetry is not None
    assert (telemetry.spans, telemetry.llm_seconds, telemetry.input_tokens) == (3, 3, 100)
    assert [(call.name, call.arguments) for call in telemetry.tool_calls] == [("__search", '{"q":"cats"}')]
    assert found[2].telemetry is None
    assert found[2].reason


def test_runs_of_two_agents_can_have_one_id(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    runs = [make_run("1", "a"), make_run("1", "b", agent_id="2"), make_run("1", "c", agent_id="3")]
    with SimulatedJaeger([make_trace(0xA, 1), make_trace(0xB, 1)]) as jaeger:
        found = open_client(jaeger.url).fetch_traces(runs, now=now)
    assert _states(found) == ["complete", "complete", "missing"]
    assert [trace.trace_id for trace in found] == ["a".zfill(32), "b".zfill(32), "c".zfill(32)]


@pytest.mark.parametrize(("generation", "most"), [("1.x", 19), ("2.0", 19), ("2.19", 19), ("v3", 283)])
def test_batches_where_the_server_takes_them(
    make_team: MakeTeam,
    open_client: OpenClient,
    now: datetime,
    generation: Generation,
    most: int,
) -> None:
    traces, agents = make_team(14)
    with SimulatedJaeger(traces, generation=generation) as jaeger, ThreadPoolExecutor(14) as threads:
        client = open_client(jaeger.url)
        found = list(threads.map(lambda runs: client.fetch_traces(runs, now=now), agents))
        assert {trace.state for traces in found for trace in traces} == {"complete"}
        assert len(jaeger.requests) <= most
        probes = [request for request in jaeger.requests if "0badc0de" in request]
        assert len(probes) == (1 if generation != "v3" else 2), "threads that start together probe once"


def test_the_server_is_probed_once_per_client(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    with SimulatedJaeger([make_trace(1, 1)]) as jaeger:
        client = open_client(jaeger.url)
        for _ in range(3):
            client.fetch_traces([make_run(1, "1")], now=now)
        assert len(jaeger.requests) == 4


def test_batches_are_split_at_6_kb_of_url(make_team: MakeTeam, open_client: OpenClient, now: datetime) -> None:
    traces, (runs,) = make_team(1, 400)
    with SimulatedJaeger(traces) as jaeger:
        found = open_client(jaeger.url).fetch_traces(runs, now=now)
        batches = [request for request in jaeger.requests if request.count("traceID") > 1]
    assert _states(found) == ["complete"] * 400
    assert len(batches) == 3
    assert max(map(len, batches)) <= 6 * 1024


def test_a_trace_that_runs_share_is_asked_for_once(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    with SimulatedJaeger([make_trace(1)]) as jaeger:
        runs = [make_run(1, "1"), make_run(2, "01"), make_run(3, "0" * 31 + "1")]
        assert _states(open_client(jaeger.url).fetch_traces(runs, now=now)) == ["complete"] * 3
        assert jaeger.requests[-1].count("traceID") == 1


def test_old_traces_are_found_by_the_time_of_their_run(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    with SimulatedJaeger([make_trace(1, 1)]) as jaeger:
        jaeger.lookback_seconds = 0.0
        assert _states(open_client(jaeger.url).fetch_traces([make_run(1, "1")], now=now)) == ["complete"]


def test_no_runs_ask_nothing(open_client: OpenClient, now: datetime) -> None:
    with SimulatedJaeger() as jaeger:
        assert open_client(jaeger.url).fetch_traces([], now=now) == []
        assert jaeger.requests == []


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_base_path_is_kept(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime, generation: Generation
) -> None:
    runs = [make_run(1, "1"), make_run(1, None)]
    with SimulatedJaeger([make_trace(1, 1)], generation=generation, base_path="/tracing/ui") as jaeger:
        for run in runs:
            assert _states(open_client(f"{jaeger.url}/").fetch_traces([run], now=now)) == ["complete"]


def test_headers_are_sent(make_run: MakeRun, client_of: ClientOf, now: datetime) -> None:
    seen: list[httpx.Headers] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json=EMPTY)

    client_of(handler, headers={"x-tenant": "acme"}).fetch_traces([make_run(1, "1")], now=now)
    assert [headers["x-tenant"] for headers in seen] == ["acme"] * 2


def test_a_server_that_takes_no_batches_is_asked_by_id_and_searched(
    make_trace: MakeTrace, make_run: MakeRun, client_of: ClientOf, now: datetime
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "traceID" in request.url.params:
            return httpx.Response(400, json={"errors": [{"code": 400, "msg": "parameter 'service' is required"}]})
        if request.url.path == f"/api/traces/{1:032x}" or request.url.params.get("tag") == "run.id:1":
            return httpx.Response(200, json=EMPTY | {"data": [make_trace(1, 1)]})
        return httpx.Response(404, json={"data": None, "errors": [{"code": 404, "msg": "trace not found"}]})

    found = client_of(handler).fetch_traces([make_run(1, "1"), make_run(2, "2"), make_run(1)], now=now)
    assert _states(found) == ["complete", "missing", "complete"]


def test_where_ids_cannot_be_looked_up_the_tag_is_searched_for(
    make_trace: MakeTrace, make_run: MakeRun, client_of: ClientOf, now: datetime
) -> None:
    with SimulatedJaeger([make_trace(1, 1)], generation="v3") as jaeger:

        def handler(request: httpx.Request) -> httpx.Response:
            if not request.url.path.startswith("/api/v3/"):
                return httpx.Response(404, text="404 page not found\n")
            status, content_type, body = jaeger.answer(request.method, request.url.raw_path.decode())
            return httpx.Response(status, headers={"content-type": content_type}, content=body)

        found = client_of(handler).fetch_traces([make_run(1, "1"), make_run(2, "2")], now=now)
    assert _states(found) == ["complete", "missing"]


@pytest.mark.parametrize(
    ("shape", "seconds_ago", "state"),
    [
        ({}, 30, "complete"),
        ({"orphan": True}, 3600, "partial"),
        ({"orphan": True}, 30, "partial"),
        ({"root": False}, 3600, "partial"),
        ({"root": False}, 119, "pending"),
        (None, 119, "pending"),
        (None, 121, "missing"),
    ],
)
def test_states(
    make_trace: MakeTrace,
    make_run: MakeRun,
    open_client: OpenClient,
    shape: dict[str, bool] | None,
    seconds_ago: int,
    state: str,
) -> None:
    run = make_run(1, "1")
    assert run.completed_at is not None
    with SimulatedJaeger([] if shape is None else [make_trace(1, 1, **shape)]) as jaeger:
        (trace,) = open_client(jaeger.url).fetch_traces([run], now=run.completed_at + timedelta(seconds=seconds_ago))
    assert trace.state == state
    assert (trace.telemetry is not None) is (shape is not None)
    assert (trace.reason is not None) is (shape is None)


@pytest.mark.parametrize(
    ("fields", "age", "state"),
    [
        ({"duration_seconds": 3600.0}, timedelta(hours=1, seconds=90), "pending"),
        ({"duration_seconds": 3600.0}, timedelta(hours=2), "missing"),
        ({"outcome": "unfinished"}, timedelta(hours=2), "pending"),
        ({"outcome": "unfinished"}, timedelta(days=2), "missing"),
        ({}, timedelta(hours=2), "missing"),
        ({"duration_seconds": 1e300}, timedelta(hours=2), "missing"),
    ],
)
def test_a_run_without_an_end_is_young_by_what_is_known(
    make_run: MakeRun, open_client: OpenClient, fields: dict[str, Any], age: timedelta, state: str
) -> None:
    run = make_run(1, "1", completed_at=None, **fields)
    with SimulatedJaeger() as jaeger:
        assert _states(open_client(jaeger.url).fetch_traces([run], now=run.started_at + age)) == [state]


@pytest.mark.parametrize("trace_id", ["not hex", "0" * 32, "f" * 33])
def test_an_invalid_trace_id_is_missing_and_not_asked_for(
    make_run: MakeRun, open_client: OpenClient, now: datetime, trace_id: str
) -> None:
    with SimulatedJaeger() as jaeger:
        (trace,) = open_client(jaeger.url).fetch_traces([make_run(1, trace_id)], now=now)
        assert jaeger.requests == []
    assert (trace.state, trace.trace_id) == ("missing", None)
    assert trace_id[:60] in str(trace.reason)


def test_runs_that_share_a_trace_get_their_own_part(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    parent, child = make_trace(1, 1), make_trace(1, 2)
    for span in child["spans"]:
        span["spanID"] = span["spanID"].replace("0", "c", 1)
        span["references"] = [
            reference | {"spanID": reference["spanID"].replace("0", "c", 1)} for reference in span["references"]
        ] or [{"refType": "CHILD_OF", "traceID": span["traceID"], "spanID": "3".zfill(16)}]
    parent["spans"] += child["spans"]
    with SimulatedJaeger([parent]) as jaeger:
        first, second = open_client(jaeger.url).fetch_traces([make_run(1, "1"), make_run(2, "1")], now=now)
    assert first.telemetry is not None
    assert second.telemetry is not None
    assert (first.telemetry.spans, second.telemetry.spans) == (6, 3)
    assert (first.state, second.state) == ("complete", "complete")
    assert first.telemetry.warnings == ("the spans of 1 other run are inside",)


def test_a_lost_span_that_may_be_the_runs_makes_its_trace_partial(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    trace = make_trace(1, 1, orphan=True)
    other = {"key": "run.id", "type": "int64", "value": 2}
    trace["spans"].append(trace["spans"][0] | {"spanID": "5", "tags": [other]})
    with SimulatedJaeger([trace]) as jaeger:
        (found,) = open_client(jaeger.url).fetch_traces([make_run(1, "1")], now=now)
    assert found.telemetry is not None
    assert (found.state, found.telemetry.spans, found.telemetry.orphans) == ("partial", 2, 0)
    assert "lost their parent" in found.telemetry.warnings[0]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_clocks_that_differ_do_not_hide_a_trace(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime, generation: Generation
) -> None:
    run = make_run(1)
    late = {"started_at": run.started_at + timedelta(minutes=30), "completed_at": run.started_at + timedelta(hours=1)}
    with SimulatedJaeger([make_trace(1, 1)], generation=generation) as jaeger:
        assert _states(open_client(jaeger.url).fetch_traces([make_run(1, **late)], now=now)) == ["complete"]


def test_of_several_traces_with_the_runs_id_the_one_of_its_time_is_taken(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    other = make_trace(8, 1)
    for span in other["spans"]:
        span["startTime"] += 600_000_000
    with SimulatedJaeger([other, make_trace(7, 1)]) as jaeger:
        (trace,) = open_client(jaeger.url).fetch_traces([make_run(1)], now=now)
    assert trace.trace_id == "7".zfill(32)


def test_a_closed_client_leaves_no_thread(
    make_trace: MakeTrace, make_run: MakeRun, open_client: OpenClient, now: datetime
) -> None:
    before = set(threading.enumerate())
    with SimulatedJaeger([make_trace(1, 1)]) as jaeger, open_client(jaeger.url) as client:
        client.fetch_traces([make_run(1, "1")], now=now)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("jaeger")]
