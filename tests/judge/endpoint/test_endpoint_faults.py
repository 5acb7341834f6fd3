"""What an endpoint does to one call, and what that means for the others."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.errors import DeadlineError, EndpointError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "The secret evidence."}]
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]


def error(status: int, message: str = "no", **fields: Any) -> Response:
    return Response(status, json.dumps({"error": {"message": message, **fields}}).encode())


def ask(client: JudgeClient, stop: StopSignal | None = None) -> Reply:
    return client.complete(MESSAGES, SCHEMA, deadline=client.clock() + 1000, stop=stop or StopSignal())


def ticking() -> Callable[[], float]:
    """A clock on which a second goes by at every look."""
    started, seconds = time.monotonic(), itertools.count()
    return lambda: started + next(seconds)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_prompt_stays_here(
    status: int, serve: Serve, make_client: MakeClient
) -> None:
    other = serve("stolen")
    where = f"{other.base_url}/chat/completions?key=s3cret"
    server = serve(Response(status, b"", headers={"Location": where}))
    stop = StopSignal()
    with pytest.raises(EndpointError) as caught:
        ask(make_client(server.base_url), stop)
    assert f"redirects to {other.base_url}/chat/completions, which is not followed: set OPENAI_BASE_URL" in str(
        caught.value
    )
    assert "s3cret" not in str(caught.value)
    assert other.requests == []
    # Every other call would be sent there too.
    assert (stop.kind, len(server.requests)) == ("endpoint", 1)


# Time and size


def test_headers_that_trickle_end_at_the_calls_time_out(send_raw: Callable[..., Any], make_client: MakeClient) -> None:
    pieces = itertools.chain([b"HTTP/1.1 200 OK\r\nX-Slow: "], itertools.repeat(b"a", 20_000))
    server = send_raw(list(pieces), pause_seconds=0.002)
    client = make_client(server.base_url, call_timeout_seconds=30, max_attempts=1, clock=ticking())
    with pytest.raises(EndpointError, match="no reply in time"):
        ask(client)


def test_a_deadline_bounds_a_reply_that_trickles(send_raw: Callable[..., Any], make_client: MakeClient) -> None:
    """The clock goes on by a second with every look at it: the deadline comes long before the reply ends."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    server = send_raw([head, *[b" "] * 20_000], pause_seconds=0.002)
    client = make_client(server.base_url, call_timeout_seconds=10_000, clock=ticking())
    with pytest.raises(DeadlineError) as caught:
        client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + 40, stop=StopSignal())
    # It was sent, so it may be charged.
    assert caught.value.unanswered == 1


def test_one_encoding_is_asked_for_and_no_second_is_undone(serve: Serve, make_client: MakeClient) -> None:
    bomb = gzip.compress(gzip.compress(b"x" * 10_000_000))
    server = serve(Response(200, bomb, headers={"Content-Encoding": "gzip, gzip"}))
    reply = ask(make_client(server.base_url))
    assert (reply.problem, reply.paid) == ("the reply is encoded as 'gzip, gzip', which was not asked for", False)
    assert server.requests[0].headers["Accept-Encoding"] == "identity"
    server = serve(Response(418, bomb, headers={"Content-Encoding": "gzip, gzip"}))
    with pytest.raises(EndpointError, match=r"HTTP 418: I'm a Teapot$"):
        ask(make_client(server.base_url))


def test_what_is_compressed_all_the_same_is_read(serve: Serve, make_client: MakeClient) -> None:
    body = gzip.compress(json.dumps(completion("The text.")).encode())
    server = serve(Response(200, body, headers={"Content-Encoding": "gzip"}))
    assert ask(make_client(server.base_url)).text == "The text."


def test_a_compressed_reply_is_bounded_once_it_is_decoded(serve: Serve, make_client: MakeClient) -> None:
    body = gzip.compress(b" " * 50_000_000)
    server = serve(Response(200, body, headers={"Content-Encoding": "gzip"}))
    assert ask(make_client(server.base_url)).problem == "the reply is longer than 8,388,608 bytes"


# What is read


def test_an_invalid_byte_costs_one_character(serve: Serve, make_client: MakeClient) -> None:
    body = json.dumps(completion("The te?t is good.")).encode().replace(b"te?t", b"te\xfft")
    reply = ask(make_client(serve(Response(body=body)).base_url))
    assert (reply.text, reply.paid, reply.problem) == ("The te\ufffdt is good.", True, "")


# Refused for the key, and not for what stands in one prompt

NOT_MODERATION = [
    {"message": "Invalid API key"},
    {"message": "Your account is not allowed to use this model", "code": "model_not_allowed"},
    {"message": "Country, region, or territory not supported", "code": "unsupported_country_region_territory"},
    {"message": "Project does not have access to model gpt-5.4", "code": "model_not_found"},
]


@pytest.mark.parametrize("fields", NOT_MODERATION)
def test_a_key_that_is_refused_at_first_ends_judging(
    fields: dict[str, Any], serve: Serve, make_client: MakeClient
) -> None:
    fields = dict(fields)
    server = serve(error(403, fields.pop("message"), **fields))
    stop = StopSignal()
    with pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        ask(make_client(server.base_url), stop)
    assert (stop.kind, len(server.requests)) == ("endpoint", 1)


# A key or a model that was good before


@pytest.mark.parametrize("status", [401, 404])
def test_a_stumble_after_good_answers_is_tried_once_more(status: int, serve: Serve, make_client: MakeClient) -> None:
    server = serve(completion("Good."), error(status), completion("Good again."))
    client, stop = make_client(server.base_url), StopSignal()
    ask(client, stop)
    assert ask(client, stop).text == "Good again."
    assert stop.kind is None


@pytest.mark.parametrize("status", [401, 404])
def test_what_is_refused_twice_after_good_answers_ends_judging(
    status: int, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(completion("Good."), error(status))
    client, stop = make_client(server.base_url), StopSignal()
    ask(client, stop)
    with pytest.raises(EndpointError, match=f"HTTP {status}"):
        ask(client, stop)
    assert (stop.kind, len(server.requests)) == ("endpoint", 3)


@pytest.mark.parametrize("body", [b"\x0b\x02\x80", b"x" * 9_000_000], ids=["br", "too long"])
def test_an_error_whose_body_cannot_be_read_is_known_by_its_status(
    body: bytes, serve: Serve, make_client: MakeClient
) -> None:
    encoding = {"Content-Encoding": "br"} if len(body) < 10 else {}
    server, stop = serve(Response(401, body, headers=encoding)), StopSignal()
    with pytest.raises(EndpointError, match=r"does not accept the key \(OPENAI_API_KEY\): HTTP 401: "):
        ask(make_client(server.base_url), stop)
    assert stop.kind == "endpoint"


def test_a_gateway_that_loses_its_channel_after_good_answers_is_a_server_that_failed(
    serve: Serve, make_client: MakeClient
) -> None:
    server = serve(completion("Good."), error(503, "No available channel for model m under group default"))
    client, stop = make_client(server.base_url, first_backoff_seconds=0.001), StopSignal()
    ask(client, stop)
    with pytest.raises(EndpointError, match="failed 3 times: HTTP 503: No available channel"):
        ask(client, stop)
    assert stop.kind is None


def test_no_connection_names_the_url_the_setting_and_the_way(make_client: MakeClient) -> None:
    client = make_client("http://127.0.0.1:9/v1", max_attempts=1, route=" (through HTTP_PROXY=http://proxy:1)")
    where = r"http://127\.0\.0\.1:9/v1/ \(OPENAI_BASE_URL\) \(through HTTP_PROXY=http://proxy:1\): Connection refused"
    with pytest.raises(EndpointError, match=where):
        client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + 60, stop=StopSignal())
