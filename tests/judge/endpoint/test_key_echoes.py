"""The key is in no error, reply or log, however the endpoint writes it back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.errors import DeadlineError, EndpointError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

KEY = "sk-secret-0123456789abcdef"
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]


def error(status: int, message: str) -> Response:
    return Response(status, json.dumps({"error": {"message": message}}).encode())


def ask(client: JudgeClient, seconds: float = 20, stop: StopSignal | None = None) -> Reply:
    return client.complete([], {}, deadline=time.monotonic() + seconds, stop=stop or StopSignal())


@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize(
    "echo",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Authorization: Bearer {KEY} is unknown",
        "x" * 380 + f" key {KEY}",
        "x" * 490 + KEY,
        f'headers: {{"x-api-key": "{KEY}"}}',
        "Incorrect API key provided: sk-secre****cdef",
    ],
)
def test_the_key_is_in_no_error_even_if_it_is_echoed(
    status: int, echo: str, serve: Serve, make_client: MakeClient
) -> None:
    server, stop = serve(error(status, echo)), StopSignal()
    with pytest.raises((EndpointError, DeadlineError)) as caught:
        ask(make_client(server.base_url, max_attempts=1), seconds=0.2, stop=stop)
    for text in (str(caught.value), stop.reason or ""):
        assert "secre" not in text
        assert "cdef" not in text
        assert len(text) < 700


@pytest.mark.parametrize("key", ["hunter2hunter2hunter2", "none", ""])
def test_a_key_of_any_look_is_taken_out(key: str, serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(400, f"none of the headers match: {key}"))
    with pytest.raises(EndpointError, match="none of the headers") as caught:
        ask(make_client(server.base_url, key=key))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("field", ["content", "refusal", "model"])
def test_a_key_in_a_reply_is_taken_out_of_it(field: str, serve: Serve, make_client: MakeClient) -> None:
    texts = {"content": "c", "refusal": "r", "model": "m"} | {field: f"You sent {KEY}."}
    server = serve(completion(texts["content"], model=texts["model"], refusal=texts["refusal"]))
    reply = ask(make_client(server.base_url))
    assert KEY not in repr(reply)
    assert "You sent [key]." in repr(reply)


def test_a_page_that_is_no_completion_names_no_key(serve: Serve, make_client: MakeClient) -> None:
    server = serve(Response(body=f"Authorization: Bearer {KEY}".encode()))
    assert KEY[:12] not in ask(make_client(server.base_url)).problem


@pytest.mark.parametrize("how", ["as it is", "slashes", "unicode", "inside JSON"])
def test_a_key_is_taken_out_however_json_writes_it(how: str, serve: Serve, make_client: MakeClient) -> None:
    key = "hush/key+of-the-judge"
    body = json.dumps(completion("it is KEY, no?"))
    written = {
        "as it is": key,
        "slashes": key.replace("/", "\\/"),
        "unicode": "".join(f"\\u{ord(char):04X}" for char in key),
        "inside JSON": key.replace("/", "\\\\/").replace("+", "\\\\u002b"),
    }[how]
    server = serve(Response(body=body.replace("KEY", written).encode()))
    assert ask(make_client(server.base_url, key=key)).text == "it is [key], no?"
