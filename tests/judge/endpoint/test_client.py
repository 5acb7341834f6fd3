"""One call to the judge over real HTTP: retries, limits, time-outs, and what a reply is read as."""

from __future__ import annotations

import email.utils
import gzip
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.errors import DeadlineError, EndpointError, JudgingEndedError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
KEY = "sk-secret-0123456789abcdef"
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]


def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **fields: Any) -> Response:
    body = json.dumps({"error": {"message": message, **fields}}).encode()
    return Response(status, body, headers=headers or {})


def http(body: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> bytes:
    """A reply in bytes; ``length`` is what its Content-Length states."""
    size = len(body) if length is None else length
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {size}\r\n\r\n".encode()
        + body
    )


def ask(client: JudgeClient, seconds: float = 20, stop: StopSignal | None = None) -> Reply:
    return client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + seconds, stop=stop or StopSignal())


def test_a_reply_is_read_whole(serve: Serve, make_client: MakeClient) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 512}}
    server = serve(completion("The text.", model="gpt-5.4-mini-2026-03-05", usage=usage), seconds=0.05)
    reply = ask(make_client(server.base_url))
    assert (reply.text, reply.finish_reason, reply.refusal) == ("The text.", "stop", "")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (900, 50, 512)
    assert (reply.model, reply.attempts, reply.paid) == ("gpt-5.4-mini-2026-03-05", 1, True)
    assert reply.latency_seconds >= 0.05


def test_what_is_sent(serve: Serve, make_client: MakeClient) -> None:
    server = serve("x")
    ask(make_client(server.base_url, max_output_tokens=777))
    sent = json.loads(server.requests[0].body)
    assert sent["messages"] == MESSAGES
    assert sent["response_format"]["json_schema"] == {"name": "judgement", "strict": True, "schema": SCHEMA}
    # Reasoning models refuse these two.
    assert not {"max_tokens", "temperature"} & set(sent)
    assert (sent["model"], sent["max_completion_tokens"]) == ("gpt-5.4-mini", 777)
    assert f"Bearer {KEY}" in server.requests[0].headers.values()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "milliseconds", "both"])
def test_retry_after_is_waited_for(status: int, form: str, serve: Serve, make_client: MakeClient) -> None:
    headers = {
        "seconds": {"Retry-After": "0.15"},
        "milliseconds": {"Retry-After-Ms": "150"},
        "both": {"Retry-After-Ms": "150", "Retry-After": "20"},
    }[form]
    server = serve(error(status, headers=headers), "x")
    assert ask(make_client(server.base_url)).attempts == 2
    first, second = server.requests
    assert 0.15 <= second.at - first.at < 2


def test_retry_after_may_be_a_date(serve: Serve, make_client: MakeClient) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    asked: list[datetime] = []

    def note(payload: Any, request: Any) -> str:
        asked.append(datetime.now(UTC))
        return "x"

    server = serve(error(429, headers={"Retry-After": email.utils.format_datetime(moment, usegmt=True)}), note)
    ask(make_client(server.base_url))
    assert moment <= asked[0] < moment + timedelta(seconds=2)


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "soon",
        "",
        "NaN",
        "1e3",
        "9" * 400,
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Fri, 31 Feb 2026 25:61:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_an_unreadable_retry_after_is_a_common_backoff(value: str, serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(429, headers={"Retry-After": value}), "x")
    client = make_client(server.base_url)
    if "9999 23:59:59 -" in value:
        with pytest.raises(DeadlineError, match="HTTP 429"):
            ask(client)
    else:
        assert ask(client).attempts == 2
        assert server.requests[1].at - server.requests[0].at < 2


def test_retry_after_holds_back_every_other_call(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(429, headers={"Retry-After-Ms": "400"}), "x")
    client = make_client(server.base_url)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, client)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        others = [pool.submit(ask, client) for _ in range(7)]
        assert all(future.result().text == "x" for future in [first, *others])
    limited, *later = server.requests
    assert len(later) == 8
    assert min(request.at for request in later) - limited.at >= 0.4


def test_a_limit_without_retry_after_backs_off_and_counts_as_no_failure(serve: Serve, make_client: MakeClient) -> None:
    server = serve(*[error(429)] * 4, "x")
    assert ask(make_client(server.base_url, max_attempts=1)).attempts == 5
    gaps = [b.at - a.at for a, b in zip(server.requests, server.requests[1:], strict=False)]
    assert gaps[0] >= 0.015
    assert gaps[3] >= 0.12


def test_retry_after_zero_is_no_invitation_to_flood(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(429, headers={"Retry-After": "0"}))
    with pytest.raises(DeadlineError, match=r"last: (HTTP 429: no|no reply in time)"):
        ask(make_client(server.base_url, first_backoff_seconds=0.1), seconds=0.5)
    assert 3 < len(server.requests) < 20


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408, 409])
def test_failures_of_the_server_are_retried(status: int, serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(status), error(status), "x")
    assert ask(make_client(server.base_url)).attempts == 3


def test_failures_end_after_the_attempts_that_are_allowed(serve: Serve, make_client: MakeClient) -> None:
    server, stop = serve(error(500, "kaputt")), StopSignal()
    with pytest.raises(EndpointError, match="failed 3 times: HTTP 500: kaputt"):
        ask(make_client(server.base_url), stop=stop)
    assert len(server.requests) == 3
    assert stop.kind is None


def test_limits_in_between_do_not_use_up_the_attempts(serve: Serve, make_client: MakeClient) -> None:
    limited = error(429, headers={"Retry-After-Ms": "5"})
    server = serve(error(500), limited, limited, limited, error(500), "x")
    assert ask(make_client(server.base_url)).attempts == 6


def test_dropped_connections_are_retried_at_most_as_often(serve: Serve, make_client: MakeClient) -> None:
    server = serve(Response(drop=True), "x")
    assert ask(make_client(server.base_url)).attempts == 2
    server = serve(Response(drop=True))
    with pytest.raises(EndpointError, match="failed 3 times: the connection failed"):
        ask(make_client(server.base_url))
    assert len(server.requests) == 3


def test_nobody_listens(make_client: MakeClient) -> None:
    with pytest.raises(
        EndpointError,
        match=r"failed 3 times: no connection to http://127\.0\.0\.1:9/v1/ \(OPENAI_BASE_URL\): Connection refused",
    ):
        ask(make_client("http://127.0.0.1:9/v1"))


@pytest.mark.parametrize(
    "reply",
    [
        http(b'{"choices": [', length=5000),
        http(b"not gzip", headers="Content-Encoding: gzip\r\n"),
        http(b"{}", status="500 Oops", length=5000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
    ids=["cut off", "no gzip", "error cut off", "chunks", "no HTTP", "nothing"],
)
def test_a_reply_that_breaks_off_is_a_broken_connection(
    reply: bytes, send_raw: Callable[..., Any], make_client: MakeClient
) -> None:
    server = send_raw([reply])
    with pytest.raises(EndpointError, match="failed 3 times: the connection failed"):
        ask(make_client(server.base_url))
    assert server.connections == 3


@pytest.mark.parametrize("status", [400, 413, 418, 422])
def test_a_refused_call_is_not_repeated_and_ends_nothing_else(
    status: int, serve: Serve, make_client: MakeClient
) -> None:
    server, stop = serve(error(status, "too long")), StopSignal()
    with pytest.raises(EndpointError, match=f"refused the call: HTTP {status}: .*too long"):
        ask(make_client(server.base_url), stop=stop)
    assert len(server.requests) == 1
    assert stop.kind is None


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (error(401), "does not accept the key"),
        (error(403), "does not accept the key"),
        (error(402), "quota is used up"),
        (error(404), "does not know this model or path"),
        (error(429, code="insufficient_quota", type="insufficient_quota"), "quota is used up"),
        (error(429, type="insufficient_quota", headers={"Retry-After": "0"}), "quota is used up"),
        (error(429, code="billing_hard_limit_reached"), "quota is used up"),
        (error(500, code="insufficient_quota"), "quota is used up"),
    ],
    ids=lambda value: value.status if isinstance(value, Response) else None,
)
def test_what_no_call_can_survive_ends_judging_with_one_request(
    reply: Response, reason: str, serve: Serve, make_client: MakeClient
) -> None:
    server, stop = serve(reply), StopSignal()
    client = make_client(server.base_url)
    with pytest.raises(EndpointError, match=reason):
        ask(client, stop=stop)
    assert stop.kind == "endpoint"
    assert reason in (stop.reason or "")
    with pytest.raises(JudgingEndedError, match=reason):
        ask(client, stop=stop)
    assert len(server.requests) == 1


def test_a_403_ends_judging_only_while_nothing_was_answered(serve: Serve, make_client: MakeClient) -> None:
    server, stop = serve("{}", error(403, "your input was flagged"), "{}", error(401)), StopSignal()
    client = make_client(server.base_url)
    ask(client, stop=stop)
    with pytest.raises(EndpointError, match="refused the call: HTTP 403: your input was flagged"):
        ask(client, stop=stop)
    assert stop.kind is None
    ask(client, stop=stop)
    with pytest.raises(EndpointError, match="does not accept the key"):
        ask(client, stop=stop)
    assert stop.kind == "endpoint"


def test_when_judging_ends_nobody_who_waits_is_let_in(serve: Serve, make_client: MakeClient) -> None:
    server, stop = serve(error(401), seconds=0.2), StopSignal()
    client = make_client(server.base_url, width=2)
    with ThreadPoolExecutor(10) as pool:
        errors = [future.exception() for future in [pool.submit(ask, client, 20, stop) for _ in range(10)]]
    assert len(server.requests) == 2
    assert sorted(type(e).__name__ for e in errors) == ["EndpointError"] * 2 + ["JudgingEndedError"] * 8


@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize("code", [{"a": 1}, ["x"], 7, None, True])
def test_codes_of_any_type_are_borne(status: int, code: Any, serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(status, code=code, type=code, param=code))
    with pytest.raises((EndpointError, DeadlineError), match=f"HTTP {status}"):
        # Only a 429 is repeated until the deadline.
        ask(make_client(server.base_url, max_attempts=1), seconds=2 if status == 429 else 60)


@pytest.mark.parametrize(
    "body",
    [b"<html>Bad gateway</html>", b"[]", b"null", b'"no"', b'{"error": "no"}', b'{"error": null}', b"\xff\xfe", b""],
)
def test_errors_with_any_body_are_described(body: bytes, serve: Serve, make_client: MakeClient) -> None:
    server = serve(Response(502, body))
    with pytest.raises(EndpointError, match="failed 1 time: HTTP 502"):
        ask(make_client(server.base_url, max_attempts=1))


def test_a_call_that_takes_too_long_is_a_failure(serve: Serve, make_client: MakeClient) -> None:
    server = serve("x", seconds=5)
    with pytest.raises(EndpointError, match="failed 2 times: no reply in time"):
        ask(make_client(server.base_url, call_timeout_seconds=0.2, max_attempts=2))
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", ["200 OK", "500 Oops", "429 Slow"])
def test_a_body_that_trickles_in_is_bounded(status: str, send_raw: Callable[..., Any], make_client: MakeClient) -> None:
    pieces = [http(b"", status=status, length=5000), *[b" "] * 400]
    server = send_raw(pieces, pause_seconds=0.05)
    with pytest.raises(EndpointError, match="no reply in time"):
        ask(make_client(server.base_url, call_timeout_seconds=0.3, max_attempts=1))


def test_the_deadline_bounds_a_call_and_its_retries(serve: Serve, make_client: MakeClient) -> None:
    for server in (serve("x", seconds=5), serve(error(500)), serve(error(429, headers={"Retry-After-Ms": "50"}))):
        with pytest.raises(DeadlineError):
            ask(make_client(server.base_url, max_attempts=100), seconds=0.4)


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(429, "slow down", headers={"Retry-After": "86400"}))
    client = make_client(server.base_url)
    for expected in ("asked again .*slow down", "may not be asked again"):
        with pytest.raises(DeadlineError, match=expected):
            ask(client)
    assert len(server.requests) == 1


def test_no_call_is_sent_after_the_deadline(serve: Serve, make_client: MakeClient) -> None:
    server = serve("x")
    with pytest.raises(DeadlineError):
        ask(make_client(server.base_url), seconds=-1)
    assert server.requests == []


def test_the_wait_before_a_retry_ends_when_judging_ends(serve: Serve, make_client: MakeClient) -> None:
    server, stop = serve(error(429, headers={"Retry-After": "15"})), StopSignal()
    threading.Timer(0.2, stop.end, ("cancelled", "stopped")).start()
    with pytest.raises(JudgingEndedError, match="stopped"):
        ask(make_client(server.base_url), stop=stop)


def test_the_width_bounds_calls_in_flight(serve: Serve, make_client: MakeClient) -> None:
    server = serve("x", seconds=0.05)
    client = make_client(server.base_url, width=3)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: ask(client), range(20)))
    assert len(replies) == 20
    assert server.most_in_flight == 3


@pytest.mark.parametrize("length", [0, 2, 40, 90])
def test_a_reply_that_is_empty_or_breaks_off_is_tried_again(length: int, serve: Serve, make_client: MakeClient) -> None:
    body = json.dumps(completion("{}")).encode()
    server = serve(Response(body=b"\n\n" + body[:length]), "{}")
    reply = ask(make_client(server.base_url, first_backoff_seconds=0.001))
    assert (reply.text, reply.attempts, reply.unanswered) == ("{}", 2, 1)


def test_a_server_that_failed_is_asked_again_when_it_asks(serve: Serve, make_client: MakeClient) -> None:
    server = serve(Response(500, b"", headers={"Retry-After": "0.01"}), "{}")
    # Without the header, the first pause is longer than the time for all.
    assert ask(make_client(server.base_url, first_backoff_seconds=0.05, call_timeout_seconds=5)).attempts == 2


def test_a_reply_that_is_too_long_is_a_problem(serve: Serve, make_client: MakeClient) -> None:
    packed = gzip.compress(json.dumps(completion("x" * 9_000_000)).encode())
    server = serve(Response(body=packed, headers={"Content-Encoding": "gzip"}))
    assert "longer than 8,388,608 bytes" in ask(make_client(server.base_url)).problem


def test_a_limit_without_retry_after_narrows_the_limiter_and_holds_nobody_else(
    serve: Serve, make_client: MakeClient
) -> None:
    server = serve(error(429), "x")
    client = make_client(server.base_url, width=8, first_backoff_seconds=1.5)
    with ThreadPoolExecutor(1) as pool:
        limited = pool.submit(ask, client)
        while client.limiter.width == 8:
            time.sleep(0.005)
        assert ask(client).attempts == 1
        assert limited.result().attempts == 2
    assert client.limiter.width == 1


def test_an_overloaded_endpoint_that_states_when_holds_everybody_and_narrows_nothing(
    serve: Serve, make_client: MakeClient
) -> None:
    server = serve(error(503, headers={"Retry-After-Ms": "300"}), "x")
    client = make_client(server.base_url, width=8)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, client)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        others = [pool.submit(ask, client) for _ in range(3)]
        assert [future.result().attempts for future in [first, *others]] == [2, 1, 1, 1]
    assert min(request.at for request in server.requests[1:]) - server.requests[0].at >= 0.3
    assert client.limiter.width == 8
