"""Jaeger slow, sick, down or answering what it should not: the client makes data of it, in time and without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest

from deployments.demo.jaeger import SimulatedJaeger
from tasks.errors import RefusedError
from tasks.evidence.types import Run, Trace
from tasks.sources.jaeger.client import JaegerClient
from tasks.sources.jaeger.http import open_http

MakeTeam = Callable[..., tuple[list[Any], list[list[Run]]]]
MakeTrace = Callable[..., dict[str, Any]]
MakeRun = Callable[..., Run]
OpenClient = Callable[..., JaegerClient]
ClientOf = Callable[..., JaegerClient]

EMPTY = {"data": [], "total": 0, "limit": 0, "offset": 0, "errors": None}


def _states(traces: list[Trace]) -> list[str]:
    return [trace.state for trace in traces]


def test_a_batch_with_a_fat_trace_is_asked_for_by_single_ids(
    make_team: MakeTeam, open_client: OpenClient, now: datetime
) -> None:
    traces, (runs,) = make_team(1)
    with SimulatedJaeger(traces) as jaeger:
        jaeger.fat.add("5".zfill(32))
        jaeger.broken.add("7".zfill(32))
        found = open_client(jaeger.url).fetch_traces(runs, now=now)
    assert _states(found) == ["complete"] * 6 + ["unavailable"] + ["complete"] * 13
    assert "HTTP 500" in str(found[6].reason)


def test_many_fat_traces_do_not_make_jaeger_look_down(
    make_team: MakeTeam, open_client: OpenClient, now: datetime
) -> None:
    traces, agents = make_team(14, 10)
    with SimulatedJaeger(traces) as jaeger, ThreadPoolExecutor(14) as threads:
        jaeger.broken.update(f"{number:032x}" for number in range(1, 141, 10))
        client = open_client(jaeger.url)
        found = list(threads.map(lambda runs: client.fetch_traces(runs, now=now), agents))
        later = client.fetch_traces([agents[0][1]], now=now)
    assert [_states(traces) for traces in found] == [["unavailable"] + ["complete"] * 9] * 14
    assert _states(later) == ["complete"]


def test_answers_between_failures_show_that_jaeger_is_well(
    make_team: MakeTeam, open_client: OpenClient, now: datetime
) -> None:
    traces, agents = make_team(8, 3)
    with SimulatedJaeger(traces) as jaeger:
        client = open_client(jaeger.url, max_concurrent=1)
        jaeger.broken.update(f"{number:032x}" for number in range(1, 25, 3))
        for runs in agents:
            assert _states(client.fetch_traces(runs, now=now)) == ["unavailable", "complete", "complete"]
        assert len([request for request in jaeger.requests if "0badc0de" in request]) == 1


def test_a_batch_that_is_too_large_is_asked_for_by_single_ids(
    make_team: MakeTeam, open_client: OpenClient, now: datetime
) -> None:
    traces, (runs,) = make_team(1)
    traces[3]["spans"][0]["operationName"] = "x" * 20_000
    with SimulatedJaeger(traces) as jaeger:
        found = open_client(jaeger.url, max_response_bytes=10_000).fetch_traces(runs, now=now)
    assert _states(found) == ["complete"] * 3 + ["unavailable"] + ["complete"] * 16
    assert "larger than" in str(found[3].reason)


def test_an_endless_answer_is_not_read_to_its_end(make_run: MakeRun, client_of: ClientOf, now: datetime) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 65_536

    def handler(request: httpx.Request) -> httpx.Response:
        if "0badc0de" in str(request.url):
            return httpx.Response(200, json=EMPTY)
        return httpx.Response(200, content=endless())

    (trace,) = client_of(handler, max_response_bytes=1_000_000).fetch_traces([make_run(1, "1")], now=now)
    assert (trace.state, read) == ("unavailable", 16)
    assert "larger than 0.954 MiB" in str(trace.reason)


def test_one_slow_trace_delays_its_own_agent_only(make_team: MakeTeam, open_client: OpenClient, now: datetime) -> None:
    traces, agents = make_team(20, 5)
    with SimulatedJaeger(traces) as jaeger, ThreadPoolExecutor(20) as threads:
        jaeger.hang.add("8".zfill(32))
        client = open_client(jaeger.url, max_concurrent=4, timeout_seconds=1.5)
        slow = threads.submit(client.fetch_traces, agents[1], now=now)
        others = [threads.submit(client.fetch_traces, agents[n], now=now) for n in range(20) if n != 1]
        states = [_states(future.result()) for future in others]
        # Not a matter of seconds: the others are through while the slow one still waits for its time-out.
        assert not slow.done()
        assert states == [["complete"] * 5] * 19
        assert _states(slow.result()) == ["complete"] * 2 + ["unavailable"] + ["complete"] * 2
        batches = [request for request in jaeger.requests if request.count("traceID") > 1]
        assert len(batches) == 20, "a slow batch is not sent again, but asked for by single ids"


def test_no_more_requests_at_once_than_allowed_and_no_less(
    make_team: MakeTeam, open_client: OpenClient, now: datetime
) -> None:
    traces, agents = make_team(4)
    with SimulatedJaeger(traces, generation="v3", latency_seconds=0.02) as jaeger, ThreadPoolExecutor(4) as threads:
        client = open_client(jaeger.url, max_concurrent=5)
        found = list(threads.map(lambda runs: client.fetch_traces(runs, now=now), agents))
        assert {trace.state for traces in found for trace in traces} == {"complete"}
        assert jaeger.most_at_once == 5


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(
    make_trace: MakeTrace,
    make_run: MakeRun,
    client_of: ClientOf,
    clock: Any,
    now: datetime,
    status: int,
) -> None:
    left = [status, status]

    def handler(request: httpx.Request) -> httpx.Response:
        if "0badc0de" not in str(request.url) and left:
            return httpx.Response(left.pop())
        return httpx.Response(200, json=EMPTY | {"data": [make_trace(1, 1)]})

    (trace,) = client_of(handler).fetch_traces([make_run(1, "1")], now=now)
    assert trace.state == "complete"
    assert len(clock.slept) == 2
    assert 0 < clock.slept[0] <= 0.25
    assert clock.slept[1] <= 0.5


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "7"}, 7),
        (
            {"retry-after": "Sun, 01 Mar 2026 12:00:09 GMT", "date": "Sun, 01 Mar 2026 12:00:00 GMT"},
            9,
        ),
    ],
)
def test_retry_after_is_honoured(
    make_trace: MakeTrace,
    make_run: MakeRun,
    client_of: ClientOf,
    clock: Any,
    now: datetime,
    headers: dict[str, str],
    pause: float,
) -> None:
    left = [503]

    def handler(request: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(left.pop(), headers=headers)
        return httpx.Response(200, json=EMPTY | {"data": [make_trace(1, 1)]})

    assert _states(client_of(handler).fetch_traces([make_run(1, "1")], now=now)) == ["complete"]
    assert clock.slept == [pause]


@pytest.mark.parametrize("value", ["3600", "soon", "", "-1"])
def test_a_retry_after_that_is_too_long_is_not_waited_for(
    make_run: MakeRun, client_of: ClientOf, clock: Any, now: datetime, value: str
) -> None:
    asked = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(503, headers={"retry-after": value})

    client = client_of(handler)
    assert _states(client.fetch_traces([make_run(1, "1")], now=now)) == ["unavailable"]
    assert clock.now < 5
    if value == "3600":
        # Nor is anything else asked within that time: two endpoints once each, without a retry.
        clock.now += 200
        client.fetch_traces([make_run(1, "1")], now=now)
        assert asked == 2


def test_a_server_that_asks_for_peace_later_on_is_left_alone(
    make_run: MakeRun, client_of: ClientOf, clock: Any, now: datetime
) -> None:
    asked = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if "0badc0de" in str(request.url):
            return httpx.Response(200, json=EMPTY)
        return httpx.Response(503, headers={"retry-after": "200"})

    client = client_of(handler)
    for _ in range(3):
        assert _states(client.fetch_traces([make_run(1, "1")], now=now)) == ["unavailable"]
        clock.now += 60
    assert asked == 2


@pytest.mark.parametrize("status", [500, 503])
def test_jaeger_down_is_found_out_once(
    make_team: MakeTeam, open_client: OpenClient, now: datetime, status: int
) -> None:
    traces, agents = make_team(100)
    with SimulatedJaeger(traces) as jaeger, ThreadPoolExecutor(20) as threads:
        jaeger.fail_with = status
        client = open_client(jaeger.url)
        found = list(threads.map(lambda runs: client.fetch_traces(runs, now=now), agents))
        assert {trace.state for traces in found for trace in traces} == {"unavailable"}
        assert all(f"HTTP {status}" in str(trace.reason) for traces in found for trace in traces)
        assert len(jaeger.requests) <= 10


def test_jaeger_that_goes_down_on_the_way_is_noticed(
    make_team: MakeTeam, open_client: OpenClient, now: datetime
) -> None:
    traces, agents = make_team(50)
    with SimulatedJaeger(traces) as jaeger:
        client = open_client(jaeger.url, max_concurrent=4)
        assert _states(client.fetch_traces(agents[0], now=now)) == ["complete"] * 20
        jaeger.fail_with = 500
        before = len(jaeger.requests)
        found = [client.fetch_traces(runs, now=now) for runs in agents]
        assert {trace.state for traces in found for trace in traces} == {"unavailable"}
        assert len(jaeger.requests) - before < 60


def test_a_server_that_recovers_is_asked_again(
    make_trace: MakeTrace, make_run: MakeRun, client_of: ClientOf, clock: Any, now: datetime
) -> None:
    healthy = False

    def handler(request: httpx.Request) -> httpx.Response:
        if not healthy:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=EMPTY | {"data": [make_trace(1, 1)]})

    client = client_of(handler)
    assert _states(client.fetch_traces([make_run(1, "1")], now=now)) == ["unavailable"]
    healthy = True
    clock.now += 20
    assert _states(client.fetch_traces([make_run(1, "1")], now=now)) == ["unavailable"]
    # Being asked meanwhile does not keep it closed for longer.
    clock.now += 11
    assert _states(client.fetch_traces([make_run(1, "1")], now=now)) == ["complete"]


def test_nobody_listening_is_unavailable(make_run: MakeRun, open_client: OpenClient, now: datetime) -> None:
    with SimulatedJaeger() as jaeger:
        url = jaeger.url
    (trace,) = open_client(url.replace("://", "://someone:hush@")).fetch_traces([make_run(1, "1")], now=now)
    assert trace.state == "unavailable"
    assert trace.reason == f"no connection to {url} (AGENT_REPORT_JAEGER_URL): Connection refused"


def test_a_server_that_never_answers_is_given_up(make_run: MakeRun, open_client: OpenClient, now: datetime) -> None:
    with SimulatedJaeger() as jaeger:
        jaeger.hang_all = True
        client = open_client(jaeger.url, timeout_seconds=0.2)
        found = [client.fetch_traces([make_run(1, "1")], now=now)[0] for _ in range(3)]
        assert _states(found) == ["unavailable"] * 3
        assert len(jaeger.requests) == 1, "a time-out is not worth another one"


def test_a_wrong_base_path_is_named(make_run: MakeRun, open_client: OpenClient, now: datetime) -> None:
    with SimulatedJaeger(base_path="/jaeger") as jaeger:
        url = jaeger.url.removesuffix("/jaeger")
        (page,) = open_client(url).fetch_traces([make_run(1, "1")], now=now)
    assert page.state == "unavailable"
    assert page.reason == f"{url}/api/traces answered an HTML page: is the base path of the URL right?"


def test_no_jaeger_at_all_is_named(make_run: MakeRun, client_of: ClientOf, now: datetime) -> None:
    found = client_of(lambda request: httpx.Response(404, text="nope")).fetch_traces([make_run(1, "1")], now=now)
    assert _states(found) == ["unavailable"]
    assert "no Jaeger query API at http://jaeger:16686" in str(found[0].reason)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, content=b""),
        httpx.Response(200, text="[1, 2]"),
        httpx.Response(200, text='"text"'),
        httpx.Response(200, text='{"data": [{"traceID": "1", "sp'),
        httpx.Response(200, text='{"data": NaN}'),
        httpx.Response(200, text='{"hello": "world"}'),
        httpx.Response(200, content=b"\xff\xfe"),
        httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
        httpx.Response(302, headers={"location": "http://login/"}),
        httpx.Response(401, text="who are you"),
        httpx.Response(403, json={"error": "forbidden"}),
        httpx.Response(400, json={"errors": [{"code": 400, "msg": "bad request"}]}),
        httpx.Response(413),
        httpx.Response(414),
        httpx.Response(418, json={"message": "teapot"}),
        httpx.Response(500, json={"errors": "none"}),
        httpx.Response(599),
    ],
)
def test_whatever_a_server_answers_is_data(
    make_run: MakeRun, client_of: ClientOf, now: datetime, answer: httpx.Response
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "0badc0de" in str(request.url):
            return httpx.Response(200, json=EMPTY)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    runs = [make_run(1, "1"), make_run(2, "2"), make_run(3)]
    found = client_of(handler).fetch_traces(runs, now=now)
    assert [trace.run_id for trace in found] == ["1", "2", "3"]
    assert _states(found) == ["unavailable"] * 3
    assert all(trace.reason for trace in found)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [None],
        [{"traceID": "1"}],
        [{"traceID": "1", "spans": []}],
        [{"traceID": "2", "spans": [{"spanID": "1"}], "processes": {}}],
    ],
)
def test_an_answer_without_the_trace_is_missing(
    make_run: MakeRun, client_of: ClientOf, now: datetime, data: object
) -> None:
    client = client_of(lambda request: httpx.Response(200, json=EMPTY | {"data": data}))
    assert _states(client.fetch_traces([make_run(1, "1"), make_run(3)], now=now)) == ["missing"] * 2


def test_a_trace_that_fails_inside_a_batch_is_unavailable(
    make_trace: MakeTrace, make_run: MakeRun, client_of: ClientOf, now: datetime
) -> None:
    errors = [{"msg": "trace not found", "traceID": "2"}, {"msg": "shard failed", "traceID": "3"}]
    answer = EMPTY | {"data": [make_trace(1, 1)], "errors": errors}
    client = client_of(lambda request: httpx.Response(200, json=answer))
    found = client.fetch_traces([make_run(number, str(number)) for number in (1, 2, 3)], now=now)
    assert _states(found) == ["complete", "missing", "unavailable"]
    assert found[2].reason == "shard failed"


def test_an_unknown_id_as_an_internal_error_is_no_fault_of_the_server(
    make_trace: MakeTrace, make_run: MakeRun, client_of: ClientOf, now: datetime
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "0badc0de" in str(request.url):
            return httpx.Response(500, json={"errors": [{"code": 500, "msg": "rpc error: trace not found"}]})
        return httpx.Response(200, json=EMPTY | {"data": [make_trace(1, 1)]})

    assert _states(client_of(handler).fetch_traces([make_run(1, "1")], now=now)) == ["complete"]


def test_a_stream_of_results_is_read(
    make_trace: MakeTrace, make_run: MakeRun, client_of: ClientOf, now: datetime
) -> None:
    with SimulatedJaeger([make_trace(1, 1)], generation="v3") as jaeger:

        def handler(request: httpx.Request) -> httpx.Response:
            status, _, body = jaeger.answer(request.method, request.url.raw_path.decode())
            # The gateway in front of gRPC writes one object per message, each on its own line.
            return httpx.Response(status, content=body + b"\n" + b'{"result":{}}\n' if status == 200 else body)

        assert _states(client_of(handler).fetch_traces([make_run(1)], now=now)) == ["complete"]


SECRETS = ("hush-hush", "tenant-7", "s3cret-token")


@pytest.mark.parametrize("status", [400, 401, 500])
def test_reasons_hold_no_secret(make_run: MakeRun, client_of: ClientOf, now: datetime, status: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        echo = f"{dict(request.headers)} {request.url} Bearer s3cret-token"
        return httpx.Response(status, json={"errors": [{"code": status, "msg": echo}]})

    client = client_of(
        handler,
        "http://someone:hush-hush@jaeger:16686/base",
        headers={"Authorization": "Bearer s3cret-token", "x-tenant": "tenant-7"},
    )
    found = client.fetch_traces([make_run(1, "1"), make_run(2)], now=now)
    assert _states(found) == ["unavailable"] * 2
    for trace in found:
        assert f"HTTP {status}" in str(trace.reason)
        assert not [secret for secret in SECRETS if secret in str(trace.reason)]


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("jaeger:16686", {}),
        ("ftp://jaeger", {}),
        ("http://", {}),
        ("http://someone:hush-hush@host:port", {}),
        ("http://jaeger", {"authorization": "Bearer hush-hush\n"}),
        ("http://jaeger", {"authorization": "Bearer hush-hush-ü"}),
    ],
)
def test_what_cannot_be_asked_is_refused_without_showing_it(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        open_http(url, headers, max_concurrent=1, timeout_seconds=1)
    assert "jaeger" in str(refused.value)
    assert "hush" not in str(refused.value)
