"""The table of faults, each example of it on the wire: the words of a refusal decide what is done next."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge
from deployments.demo.loopback import Response
from tasks.errors import ContextLengthError, EndpointError, JudgingEndedError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.faults.fault import Cause, Example, Fault, recognise
from tasks.judge.endpoint.faults.table import FAULTS, why_judging_ends
from tasks.judge.endpoint.form import Form
from tasks.judge.endpoint.refusals.refusal import Refusal
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]
SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": ["number", "null"], "minimum": 0, "maximum": 10}},
    "required": ["score"],
    "additionalProperties": False,
}
Payload = dict[str, Any]
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]
Refuses = Callable[[Payload], bool]

ROWS = [
    pytest.param(fault, example, id=f"{fault.cause}-{example.server}") for fault in FAULTS for example in fault.examples
]


def error(example: Example) -> Response:
    fields = {"message": example.words, "type": None, "param": example.param or None, "code": example.code or None}
    return Response(example.status, json.dumps({"error": fields}).encode(), delay_seconds=0.001)


def while_(refuses: Refuses, example: Example) -> Callable[[Payload, Any], Any]:
    return lambda payload, request: error(example) if refuses(payload) else "{}"


def ask(client: JudgeClient, stop: StopSignal | None = None) -> Reply:
    return client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + 20, stop=stop or StopSignal())


def sent(server: SimulatedJudge) -> list[Payload]:
    return [json.loads(request.body) for request in server.requests]


def form_of(payload: Payload) -> str:
    return str(payload.get("response_format", {}).get("type", "prompt"))


def schema_of(payload: Payload) -> Any:
    return payload["response_format"].get("json_schema", {})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_every_row_has_examples_and_words_for_people(fault: Fault) -> None:
    assert fault.examples
    assert fault.what
    assert fault.next.endswith((".", ":"))


@pytest.mark.parametrize(("fault", "example"), ROWS)
def test_every_example_is_recognised_as_its_row_first(fault: Fault, example: Example) -> None:
    found = Refusal(
        example.status,
        example.words,
        example.code,
        "",
        example.param,
        frozenset({example.code.lower()} - {""}),
        per_day=fault.per_day,
    )
    assert next(recognise(found, FAULTS)) is fault


def ends(server: SimulatedJudge, client: JudgeClient, fault: Fault, example: Example) -> None:
    stop = StopSignal()
    reason = why_judging_ends(fault.cause, Refusal(example.status))
    with pytest.raises(EndpointError) as caught:
        ask(client, stop)
    assert str(caught.value) == stop.reason
    assert str(caught.value).startswith(reason)
    assert f"HTTP {example.status}: " in str(caught.value)
    assert stop.kind == "endpoint"
    with pytest.raises(JudgingEndedError):
        ask(client, stop)
    assert len(server.requests) == 1


def fails_alone(server: SimulatedJudge, client: JudgeClient, fault: Fault, example: Example) -> None:
    stop = StopSignal()
    with pytest.raises(EndpointError, match=f"^the judge's endpoint refused the call: HTTP {example.status}: "):
        ask(client, stop)
    assert (stop.kind, len(server.requests), client.capabilities.form) == (None, 1, Form())


def is_shortened(server: SimulatedJudge, client: JudgeClient, fault: Fault, example: Example) -> None:
    with pytest.raises(ContextLengthError) as caught:
        ask(client)
    assert caught.value.words == example.words
    assert (len(server.requests), client.capabilities.form, client.limiter.width) == (1, Form(), 0)


def fails_in_the_end(server: SimulatedJudge, client: JudgeClient, fault: Fault, example: Example) -> None:
    stop = StopSignal()
    with pytest.raises(EndpointError, match=f"^the judge's endpoint failed 3 times: HTTP {example.status}: "):
        ask(client, stop)
    assert (stop.kind, len(server.requests), client.capabilities.form) == (None, 3, Form())


ALWAYS: dict[Cause, Callable[[SimulatedJudge, JudgeClient, Fault, Example], None]] = {
    "redirect": ends,
    "scheme": ends,
    "proxy": ends,
    "quota": ends,
    "key": ends,
    "model": ends,
    "moderation": fails_alone,
    "call": fails_alone,
    "length": is_shortened,
    "server": fails_in_the_end,
}


@pytest.mark.parametrize(
    ("fault", "example"),
    [row for row in ROWS if row.values[0].cause in ALWAYS],  # type: ignore[union-attr]
)
def test_what_no_other_request_helps_against(
    fault: Fault, example: Example, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(error(example))
    ALWAYS[fault.cause](server, make_client(server.base_url, first_backoff_seconds=0.001), fault, example)


@pytest.mark.parametrize(
    ("fault", "example"),
    [row for row in ROWS if row.values[0].cause in ("wait", "loading")],  # type: ignore[union-attr]
)
def test_what_passes_is_waited_for_however_often(
    fault: Fault, example: Example, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(*[error(example)] * 3, "{}")
    client = make_client(server.base_url, first_backoff_seconds=0.001, max_attempts=1)
    assert ask(client).attempts == 4
    assert client.capabilities.form == Form()


def keywords_of(words: str) -> Refuses:
    """Refuses a schema with the keyword that the words name."""
    named = {
        "additionalProperties": lambda payload: "additionalProperties" in json.dumps(schema_of(payload)),
        "cannot start list": lambda payload: '["number", "null"]' in json.dumps(schema_of(payload)),
        "minimum": lambda payload: "minimum" in json.dumps(schema_of(payload)),
        "strict": lambda payload: "strict" in schema_of(payload),
        "features": lambda payload: len(json.dumps(schema_of(payload))) > 180,
    }
    return next(test for word, test in named.items() if word in words)


def limit_of(words: str) -> Refuses:
    """Refuses the name, or the size, that the words name."""
    if "4096" in words:
        return lambda payload: payload.get("max_completion_tokens", 0) > 4096
    if "Use 'max_completion_tokens'" in words:
        return lambda payload: bool({"max_tokens", "max_completion_tokens"} & payload.keys())
    return lambda payload: "max_completion_tokens" in payload


REMEDIES: dict[Cause, tuple[Callable[[str], Refuses], int]] = {
    "role": (lambda words: lambda payload: payload["messages"][0]["role"] == "system", 2),
    "schema": (keywords_of, 2),
    "format": (lambda words: lambda payload: form_of(payload) == "json_schema", 2),
    "unnamed": (lambda words: lambda payload: form_of(payload) == "json_schema", 2),
    "generation": (lambda words: lambda payload: form_of(payload) == "json_schema", 3),
    "temperature": (lambda words: lambda payload: "temperature" in payload, 2),
    "limit": (limit_of, 2),
    "stream": (lambda words: lambda payload: not payload.get("stream"), 2),
}
"""By cause: what is refused of the request, by the words; and the attempts until it is taken."""


@pytest.mark.parametrize(
    ("fault", "example"),
    [row for row in ROWS if row.values[0].cause in REMEDIES],  # type: ignore[union-attr]
)
def test_what_another_request_helps_against(
    fault: Fault, example: Example, serve: Serve, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    refuses, attempts = REMEDIES[fault.cause]
    server = serve(while_(refuses(example.words), example))
    client = make_client(server.base_url, temperature=0.0)
    attempts += "Use 'max_completion_tokens'" in example.words
    assert [ask(client).attempts for _ in range(3)] == [attempts, 1, 1]
    # Each step is logged once, with the endpoint's words.
    steps = [record.getMessage() for record in caplog.records if record.name.startswith("tasks.judge.endpoint")]
    assert len(steps) == attempts - 1 - (fault.cause == "generation")
    words = (
        "accepts at most 4,096 tokens"
        if "4096" in example.words
        else f"It returned: HTTP {example.status}: {example.words[:20]}"
    )
    assert all(words in step for step in steps)
    # Nothing else is given up.
    form, last = client.capabilities.form, sent(server)[-1]
    if fault.cause not in ("format", "unnamed", "generation"):
        assert form_of(last) == "json_schema"
    if fault.cause != "role":
        assert [message["role"] for message in last["messages"]] == ["system", "user"]
        assert not form.merged
    if fault.cause != "temperature":
        assert last["temperature"] == 0.0
    if fault.cause != "limit":
        assert last["max_completion_tokens"] == 8000


def test_every_cause_is_tried_on_the_wire() -> None:
    assert {fault.cause for fault in FAULTS} == {*ALWAYS, *REMEDIES, "wait", "loading"}


def test_the_instructions_go_to_the_head_of_the_user_message(serve: Serve, make_client: MakeClient) -> None:
    example = Example("sglang", 400, "System role not supported")
    server = serve(while_(lambda payload: payload["messages"][0]["role"] == "system", example))
    ask(make_client(server.base_url))
    assert sent(server)[-1]["messages"] == [{"role": "user", "content": "Judge.\n\nEvidence."}]
