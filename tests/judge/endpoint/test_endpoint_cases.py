"""Refusals that made whole reports fail, each on the wire: ``tests/fixtures/endpoint_cases.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge
from deployments.demo.loopback import Response
from tasks.errors import ContextLengthError, EndpointError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.form import Form
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

_FILE = Path(__file__).parents[2] / "fixtures" / "endpoint_cases.json"
CASES = {case["case"]: case["answers"] for case in json.loads(_FILE.read_text(encoding="utf-8"))}
MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
Payload = dict[str, Any]
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]


def response(answer: dict[str, Any]) -> Response:
    return Response(answer["status"], json.dumps(answer["body"]).encode(), delay_seconds=0.001)


def variants(case: str) -> list[Any]:
    return [pytest.param(answer, id=f"{case}-{number}") for number, answer in enumerate(CASES[case])]


def ask(client: JudgeClient, stop: StopSignal | None = None) -> Reply:
    return client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + 20, stop=stop or StopSignal())


def has_schema(payload: Payload) -> bool:
    return bool(payload.get("response_format", {}).get("type") == "json_schema")


@pytest.mark.parametrize(
    "answer",
    [
        *variants("body-of-error-not-read-422-mistral"),
        {
            "status": 422,
            "body": {"detail": CASES["body-of-error-not-read-422-mistral"][0]["body"]["message"]["detail"]},
        },
        *variants("gemini-list-body"),
        *variants("provider-raw"),
    ],
)
def test_a_simpler_format_follows(
    answer: Any, serve: Serve, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(lambda payload, request: response(answer) if has_schema(payload) else "{}")
    client = make_client(server.base_url)
    assert ask(client).paid
    assert client.capabilities.form.rung == "json_object"
    first = len(server.requests)
    assert first <= 3
    assert ask(client).attempts == 1
    words = ("response_format.json_schema: Extra inputs", "Unknown name", "type is unavailable now")
    assert any(word in caplog.text for word in words)


def test_a_days_quota_ends_judging_and_a_minutes_is_waited_for(serve: Serve, make_client: MakeClient) -> None:
    (answer,) = CASES["gemini-429-retryinfo"]
    server, stop = serve(response(answer)), StopSignal()
    with pytest.raises(EndpointError, match="quota is used up: HTTP 429: You exceeded your current quota"):
        ask(make_client(server.base_url), stop)
    assert (stop.kind, len(server.requests)) == ("endpoint", 1)
    minute = json.loads(json.dumps(answer).replace("PerDay", "PerMinute").replace('"27s"', '"0.05s"'))
    server = serve(response(minute), "{}")
    assert ask(make_client(server.base_url, max_attempts=1)).attempts == 2
    assert server.requests[1].at - server.requests[0].at >= 0.05


@pytest.mark.parametrize("answer", variants("error-in-200"))
def test_an_error_in_200_is_waited_for(answer: Any, serve: Serve, make_client: MakeClient) -> None:
    server = serve(*[response(answer)] * 3, "{}")
    assert ask(make_client(server.base_url, max_attempts=1, first_backoff_seconds=0.001)).attempts == 4


@pytest.mark.parametrize("answer", variants("403-moderation-of-one-agent"))
def test_moderation_fails_one_agent(answer: Any, serve: Serve, make_client: MakeClient) -> None:
    server, stop = serve(response(answer), "{}"), StopSignal()
    client = make_client(server.base_url)
    with pytest.raises(EndpointError, match="refused the call: HTTP 403: m requires moderation"):
        ask(client, stop)
    assert ask(client, stop).paid


@pytest.mark.parametrize(
    ("answer", "words"),
    list(
        zip(
            CASES["error-text-elsewhere"],
            ("Content Exists Risk", "strictly positive", "AiError: Bad input"),
            strict=True,
        )
    ),
)
def test_the_words_are_read_wherever_they_stand(answer: Any, words: str, serve: Serve, make_client: MakeClient) -> None:
    with pytest.raises(EndpointError, match=f"HTTP {answer['status']}: .*{words}"):
        ask(make_client(serve(response(answer)).base_url))


@pytest.mark.parametrize(
    "answer",
    [
        *variants("output-limit-larger-than-context"),
        *variants("small-context-never-fits"),
        *variants("too-long-not-seen"),
    ],
)
def test_what_is_too_long_is_seen(answer: Any, serve: Serve, make_client: MakeClient) -> None:
    server = serve(response(answer))
    with pytest.raises(ContextLengthError) as caught:
        ask(make_client(server.base_url))
    assert len(server.requests) == 1
    assert caught.value.words


@pytest.mark.parametrize("answer", variants("groq-json-validate-failed"))
def test_an_invalid_answer_is_asked_for_once_more(answer: Any, serve: Serve, make_client: MakeClient) -> None:
    server = serve(response(answer), "{}")
    client = make_client(server.base_url)
    assert ask(client).attempts == 2
    assert client.capabilities.form == Form()
    server = serve(response(answer), response(answer), "{}")
    assert ask(make_client(server.base_url)).attempts == 3
    assert [has_schema(json.loads(request.body)) for request in server.requests] == [True, True, False]


@pytest.mark.parametrize("answer", variants("system-role-refused"))
def test_without_a_system_role_no_format_is_lost(answer: Any, serve: Serve, make_client: MakeClient) -> None:
    def refuse(payload: Payload, request: Any) -> Any:
        return response(answer) if payload["messages"][0]["role"] == "system" else "{}"

    server = serve(refuse)
    client = make_client(server.base_url)
    assert [ask(client).attempts for _ in range(2)] == [2, 1]
    last = json.loads(server.requests[-1].body)
    assert has_schema(last)
    assert last["messages"] == [{"role": "user", "content": "Judge.\n\nEvidence."}]


@pytest.mark.parametrize("answer", variants("loading-model"))
def test_a_model_that_loads_is_waited_for(answer: Any, serve: Serve, make_client: MakeClient) -> None:
    server = serve(*[response(answer)] * 8, "{}")
    assert ask(make_client(server.base_url, max_attempts=5, first_backoff_seconds=0.001)).attempts == 9


def test_every_case_is_tried() -> None:
    assert set(CASES) == {
        "body-of-error-not-read-422-mistral",
        "gemini-429-retryinfo",
        "gemini-list-body",
        "error-in-200",
        "403-moderation-of-one-agent",
        "error-text-elsewhere",
        "output-limit-larger-than-context",
        "small-context-never-fits",
        "too-long-not-seen",
        "groq-json-validate-failed",
        "system-role-refused",
        "loading-model",
        "provider-raw",
    }
