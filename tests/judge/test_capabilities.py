"""The ladder, rung by rung, against endpoints that refuse the one above; what was found out is remembered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.judge.capabilities import Capabilities, is_too_long
from tasks.judge.client import ContextLengthError, EndpointError, JudgeClient
from tasks.judge.gate import Stop

Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]
SCHEMA = {"type": "object", "properties": {"criteria": {"type": "object", "description": "é"}}}
MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]


def refusal(message: str, status: int = 400, **error: Any) -> Response:
    return Response(status, json.dumps({"error": {"message": message, **error}}).encode(), delay_seconds=1e-9)


def picky(*checks: Callable[[dict[str, Any]], Response | None]) -> Callable[..., Any]:
    """An endpoint that answers when no check refuses."""

    def respond(payload: dict[str, Any], request: Any) -> Any:
        return next((found for check in checks if (found := check(payload))), completion("{}"))

    return respond


def no_schema(payload: dict[str, Any]) -> Response | None:
    if payload.get("response_format", {}).get("type") == "json_schema":
        return refusal("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.")
    return None


def no_format(payload: dict[str, Any]) -> Response | None:
    return refusal("unknown field response_format", 422) if "response_format" in payload else None


def no_parameter(name: str, message: str, param: str | None = None) -> Callable[[dict[str, Any]], Response | None]:
    return lambda payload: refusal(message, param=param) if name in payload else None


def ask(client: JudgeClient) -> Any:
    return client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + 20, stop=Stop())


def bodies(server: SimulatedJudge) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests]


def test_a_schema_is_asked_for_first(serve: Serve, make_client: MakeClient) -> None:
    server = serve("{}")
    ask(make_client(server.base_url))
    [body] = bodies(server)
    assert body["response_format"]["json_schema"] == {"name": "judgement", "strict": True, "schema": SCHEMA}
    assert body["messages"] == MESSAGES
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("check", "forms"),
    [(no_schema, ["json_schema", "json_object"]), (no_format, ["json_schema", "json_object", None])],
)
def test_each_rung_is_tried_when_the_one_above_is_refused(
    check: Callable[..., Any], forms: list[str | None], serve: Serve, make_client: MakeClient
) -> None:
    server = serve(picky(check))
    client = make_client(server.base_url, max_attempts=1)
    assert ask(client).attempts == len(forms)
    assert [body.get("response_format", {}).get("type") for body in bodies(server)] == forms
    last = bodies(server)[-1]["messages"]
    assert last[0]["content"].startswith("Judge.\n\nAnswer with one JSON object that follows this JSON schema")
    assert json.dumps(SCHEMA, ensure_ascii=False) in last[0]["content"]
    assert last[1] == MESSAGES[1]
    # Remembered: nothing is refused a second time.
    ask(client)
    assert len(server.requests) == len(forms) + 1


def test_what_was_found_out_belongs_to_endpoint_and_model(serve: Serve, make_client: MakeClient) -> None:
    server, shared = serve(picky(no_schema)), Capabilities()
    ask(make_client(server.base_url, capabilities=shared))
    ask(make_client(server.base_url, capabilities=shared))
    assert len(server.requests) == 3
    ask(make_client(server.base_url))
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("checks", "last"),
    [
        (
            [no_parameter("max_completion_tokens", "Unrecognized request argument supplied: max_completion_tokens")],
            {"max_tokens": 8000, "temperature": 0.2},
        ),
        (
            [no_parameter("temperature", "Unsupported value", "temperature")],
            {"max_completion_tokens": 8000},
        ),
        (
            [
                no_parameter("max_completion_tokens", "extra fields not permitted", "max_completion_tokens"),
                no_parameter("max_tokens", "'max_tokens' is not supported, use 'max_output' instead"),
                no_parameter("temperature", "temperature is deprecated for this model"),
            ],
            {},
        ),
    ],
)
def test_parameters_that_an_error_names_are_renamed_or_dropped(
    checks: list[Callable[..., Any]], last: dict[str, Any], serve: Serve, make_client: MakeClient
) -> None:
    server = serve(picky(*checks))
    client = make_client(server.base_url, temperature=0.2, max_attempts=1)
    ask(client)
    names = ("max_completion_tokens", "max_tokens", "temperature")
    assert {name: value for name, value in bodies(server)[-1].items() if name in names} == last
    asked = len(server.requests)
    ask(client)
    assert len(server.requests) == asked + 1
    # What is wanted stays the same, and with it the ledger's fingerprints.
    assert client.parameters() == {"max_completion_tokens": 8000, "temperature": 0.2}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("the messages are invalid", 400),
        ("temperature in the room is high", 400),
        ("response_format is fine but we are down", 500),
    ],
)
def test_other_errors_are_no_reason_to_ask_otherwise(
    message: str, status: int, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(refusal(message, status))
    client = make_client(server.base_url, temperature=0.2, max_attempts=2)
    with pytest.raises(EndpointError):
        ask(client)
    assert all(body["response_format"]["type"] == "json_schema" for body in bodies(server))


def test_a_poor_answer_is_no_reason_to_ask_otherwise(serve: Serve, make_client: MakeClient) -> None:
    server = serve("response_format json_schema is not supported")
    client = make_client(server.base_url)
    ask(client)
    ask(client)
    assert [body["response_format"]["type"] for body in bodies(server)] == ["json_schema"] * 2


def test_an_endpoint_that_refuses_everything_ends(serve: Serve, make_client: MakeClient) -> None:
    server = serve(refusal("response_format, max_completion_tokens, max_tokens and temperature are not supported"))
    with pytest.raises(EndpointError, match="are not supported"):
        ask(make_client(server.base_url, temperature=1.0))
    assert len(server.requests) <= 6


def test_calls_that_begin_together_find_it_out_once_each(serve: Serve, make_client: MakeClient) -> None:
    together = threading.Barrier(8)
    server = serve(picky(no_format))
    client = make_client(server.base_url, width=8)

    def one() -> None:
        together.wait(10)
        ask(client)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(one) for _ in range(8)]:
            future.result()
    assert client.capabilities.form.rung == "prompt"
    assert len(server.requests) <= 8 * 3


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("too big", "context_length_exceeded"),
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens", ""),
        ("'max_tokens' or 'max_completion_tokens' is too large: the maximum context length is 4096", ""),
        ("the request exceeds the available context size, try increasing it", ""),
        ("prompt is too long: 210000 tokens > 200000 maximum", ""),
    ],
)
def test_evidence_that_is_too_long_is_an_error_of_its_own(
    message: str, code: str, serve: Serve, make_client: MakeClient
) -> None:
    assert is_too_long(message, code)
    server = serve(refusal(message, code=code))
    client = make_client(server.base_url)
    with pytest.raises(ContextLengthError, match=r"too long for gpt-5\.4-mini"):
        ask(client)
    assert len(server.requests) == 1
    assert client.capabilities.form.rung == "json_schema"
