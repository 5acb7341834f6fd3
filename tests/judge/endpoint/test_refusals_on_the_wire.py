"""What an endpoint's refusal leads to over real HTTP, whichever status and shape it comes in."""

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
from tasks.errors import ContextLengthError, DeadlineError, EndpointError, JudgeError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.form import Form
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]
SCHEMA = {"type": "object", "properties": {"score": {"type": ["number", "null"]}}, "additionalProperties": False}
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]


def ask(client: JudgeClient, stop: StopSignal | None = None, seconds: float = 20, evidence: str | None = None) -> Reply:
    messages = MESSAGES if evidence is None else [MESSAGES[0], {"role": "user", "content": evidence}]
    return client.complete(messages, SCHEMA, deadline=time.monotonic() + seconds, stop=stop or StopSignal())


def answer_with(body: Any, status: int = 200, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, raw, headers=headers, delay_seconds=0.001)


def form_of(server: SimulatedJudge) -> list[str]:
    payloads = [json.loads(request.body) for request in server.requests]
    return [payload.get("response_format", {}).get("type", "prompt") for payload in payloads]


# Errors within HTTP 200


def minimax(code: int, words: str) -> Response:
    return answer_with({"id": "x", "choices": None, "base_resp": {"status_code": code, "status_msg": words}})


def choice(**fields: Any) -> Response:
    return answer_with({"choices": [fields], "usage": {"prompt_tokens": 5}})


PASSING = {
    "OpenRouter": answer_with({"error": {"message": "Rate limit exceeded: free-models-per-min. ", "code": 429}}),
    "a status as text": answer_with({"error": {"message": "slow down", "code": "503"}}),
    "a type": answer_with({"error": {"message": "slow down", "type": "rate_limit_error"}}),
    "Google": answer_with([{"error": {"message": "slow down", "status": "RESOURCE_EXHAUSTED"}}]),
    "MiniMax": minimax(1002, "rate limit"),
    "no status": answer_with({"error": {"message": "Upstream failed"}, "user_id": "u"}),
    "a text": answer_with({"error": "Upstream failed"}),
    "detail": answer_with({"detail": "Upstream failed"}),
    "FastChat": answer_with({"object": "error", "message": "NETWORK ERROR", "code": 50001}),
    "a choice": choice(error={"message": "Upstream failed", "code": 502}, message={"content": "{"}),
    "finish_reason": choice(finish_reason="error", message={"content": "{"}),
    "another reason": choice(finish_reason="insufficient_system_resource", message={"content": ""}),
    "words alone": answer_with({"error": "Rate limit exceeded"}),
    "more words alone": answer_with({"error": "Model x is currently loading", "estimated_time": 0.01}),
    "the last of many events": answer_with(
        b'data: {"choices": [{"delta": {}}]}\n\n' * 50 + b'data: {"error": "Upstream failed"}\n'
    ),
    "events": answer_with(
        b': PROCESSING\n\ndata: {"error": {"message": "slow down", "code": 429}}\n\ndata: [DONE]\n\n'
    ),
    "no choices": answer_with({"id": "", "object": "", "choices": None, "usage": {"total_tokens": 0}}),
    "empty choices": answer_with({"choices": []}),
}


@pytest.mark.parametrize("kind", PASSING)
def test_an_error_within_200_that_passes_is_tried_again(kind: str, serve: Serve, make_client: MakeClient) -> None:
    server = serve(PASSING[kind], "{}")
    client = make_client(server.base_url, first_backoff_seconds=0.001)
    assert ask(client).attempts == 2
    assert client.capabilities.form == Form()


ENDING = {
    "quota": (
        answer_with({"error": {"message": "Insufficient credits", "code": 402}}),
        "HTTP 402 within HTTP 200: Insuff",
    ),
    "key": (
        answer_with({"error": {"message": "No auth", "code": 401}}),
        "OPENAI_API_KEY.*HTTP 401 within HTTP 200: No auth",
    ),
    "model": (answer_with({"error": {"message": "No such model", "code": 404}}), "JUDGE_MODEL.*No such model"),
    "words alone": (
        answer_with({"error": "Your credit balance is too low"}),
        "quota is used up: HTTP 400 within HTTP 200",
    ),
    "MiniMax's balance": (minimax(1008, "insufficient balance"), "quota is used up: HTTP 402 .*insufficient balance"),
    "MiniMax's key": (minimax(2049, "invalid api key"), "OPENAI_API_KEY.*invalid api key"),
}


@pytest.mark.parametrize("kind", ENDING)
def test_an_error_within_200_that_no_call_survives_ends_judging(
    kind: str, serve: Serve, make_client: MakeClient
) -> None:
    response, message = ENDING[kind]
    server, stop = serve(response), StopSignal()
    with pytest.raises(EndpointError, match=message) as caught:
        ask(make_client(server.base_url), stop)
    assert "OPENAI_BASE_URL right" not in str(caught.value)
    assert (stop.kind, len(server.requests)) == ("endpoint", 1)


ALONE = {
    "moderation": (answer_with({"error": {"message": "Input was flagged", "code": 403}}), "Input was flagged"),
    "MiniMax's moderation": (minimax(1026, "input new_sensitive"), "input new_sensitive"),
    "Gemini's filter": (choice(finish_reason="content_filter: PROHIBITED_CONTENT", index=0), "PROHIBITED_CONTENT"),
    "a filter's message": (choice(finish_reason="content_filter: X", message={"content": None}), "content_filter: X"),
    "words alone": (answer_with({"error": "Input was flagged"}), "Input was flagged"),
    "a bad request": (
        answer_with({"success": False, "errors": [{"code": 400, "message": "Bad input"}]}),
        "Bad input",
    ),
}


@pytest.mark.parametrize("kind", ALONE)
def test_an_error_within_200_of_one_prompt_fails_one_agent(kind: str, serve: Serve, make_client: MakeClient) -> None:
    response, message = ALONE[kind]
    server, stop = serve(response, "{}"), StopSignal()
    client = make_client(server.base_url)
    with pytest.raises(EndpointError, match=f"refused the call: HTTP .*{message}"):
        ask(client, stop)
    assert stop.kind is None
    assert ask(client, stop).attempts == 1


def test_the_other_causes_hold_within_200_too(serve: Serve, make_client: MakeClient) -> None:
    long = answer_with({"error": {"message": "maximum context length is 8192 tokens", "code": 400}})
    with pytest.raises(ContextLengthError, match="8192"):
        ask(make_client(serve(long).base_url))
    server = serve(answer_with({"error": {"message": "response_format is not supported", "code": 400}}), "{}")
    assert ask(make_client(server.base_url)).attempts == 2
    assert form_of(server) == ["json_schema", "json_object"]


@pytest.mark.parametrize(
    "body",
    [
        completion("{}") | {"error": None},
        completion("{}") | {"base_resp": {"status_code": 0, "status_msg": "success"}},
        completion("{}") | {"error": {"message": "a warning"}},
        completion("", finish_reason="content_filter"),
        completion("cut", finish_reason="content_filter: SAFETY"),
    ],
)
def test_a_completion_with_something_beside_it_is_a_completion(
    body: Any, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(answer_with(body))
    assert ask(make_client(server.base_url)).paid
    assert len(server.requests) == 1


def test_another_servers_greeting_is_no_error(serve: Serve, make_client: MakeClient) -> None:
    success = {"code": 0, "message": "success", "data": {}}
    for body in (
        success,
        {"message": "Welcome"},
        {"message": "Hi", "status": 200},
        {"status": "ok"},
        {"name": "x", "version": 3},
        [],
        "text",
        7,
        None,
    ):
        assert "is OPENAI_BASE_URL right?" in ask(make_client(serve(answer_with(body)).base_url)).problem


@pytest.mark.parametrize(
    ("response", "unanswered"),
    [
        (answer_with({"error": {"message": "Upstream failed"}}), 0),
        (choice(finish_reason="error", message={"content": "{"}), 1),
        (answer_with({"choices": []}), 1),
        (answer_with(b'data: {"choices": [{"delta": {"content": "x"}}]}\n\ndata: {"error": {"code": 502}}\n\n'), 1),
    ],
)
def test_tokens_that_were_used_before_an_error_may_be_charged(
    response: Response, unanswered: int, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(response, "{}")
    assert ask(make_client(server.base_url, first_backoff_seconds=0.001)).unanswered == unanswered


# Bounds


WORDS = (
    "response_format is not supported",
    "schema: keyword additionalProperties, 'minimum', .strict, cannot start list",
    "System role not supported",
    "unsupported",
    "",
    "max_tokens is not supported",
    "max_tokens is too large: 8000, at most 4000, 2000, 1000",
    "temperature is not supported",
    "Failed to generate JSON",
    "the completion has no choices",
    "response_format max_tokens temperature additionalProperties roles must alternate Failed to generate JSON",
)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("words", WORDS)
def test_an_endpoint_that_refuses_everything_is_left_in_the_end(
    words: str, status: int, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(answer_with({"error": {"message": words, "code": "x"}}, status))
    client = make_client(server.base_url, temperature=0.5, first_backoff_seconds=0.001)
    with pytest.raises(JudgeError):
        ask(client)
    first = len(server.requests)
    assert first <= 18
    # What the first call found out, the second does not try again.
    with pytest.raises(JudgeError):
        ask(client, StopSignal())
    assert len(server.requests) - first <= 5


def test_each_refusal_of_another_kind_has_an_end(serve: Serve, make_client: MakeClient) -> None:
    server = serve(
        *[answer_with({"error": {"message": words}}, 400) for words in WORDS[:-1] * 9],
        answer_with({"error": "no"}, 400),
    )
    with pytest.raises(EndpointError, match="refused the call"):
        ask(make_client(server.base_url, temperature=0.5))
    assert len(server.requests) <= 20


@pytest.mark.parametrize(
    "words", ["json_schema is not supported", "System role not supported", "Failed to generate JSON"]
)
def test_agents_at_once_take_one_step_together(words: str, serve: Serve, make_client: MakeClient) -> None:
    """All go out together and are all refused: that is one step, not one for each of them."""
    first = threading.Barrier(6)
    lock, asked = threading.Lock(), [0]

    def respond(payload: Any, request: Any) -> Any:
        with lock:
            asked[0] += 1
            number = asked[0]
        if number <= 6:
            first.wait(10)
        form = payload.get("response_format", {}).get("type")
        simpler = form != "json_schema" if "role" not in words else payload["messages"][0]["role"] != "system"
        return "{}" if simpler else answer_with({"error": {"message": words}}, 400)

    server = serve(respond)
    client = make_client(server.base_url)
    with ThreadPoolExecutor(6) as pool:
        assert all(reply.paid for reply in pool.map(lambda _: ask(client), range(6)))
    assert client.capabilities.form in (Form(rung="json_object"), Form(merged=True))


def test_an_answer_that_failed_the_endpoints_check_costs_others_no_format(
    serve: Serve, make_client: MakeClient
) -> None:
    invalid = answer_with({"error": {"message": "Failed to generate JSON", "code": "json_validate_failed"}}, 400)
    server = serve("{}", invalid, invalid, "{}", "{}")
    client = make_client(server.base_url)
    replies = [ask(client) for _ in range(3)]
    assert [(reply.attempts, reply.unanswered) for reply in replies] == [(1, 0), (3, 2), (1, 0)]
    assert form_of(server) == ["json_schema", "json_schema", "json_schema", "json_object", "json_schema"]


def test_json_object_is_sent_with_the_schema_where_it_is_taken_and_else_without(
    serve: Serve, make_client: MakeClient
) -> None:
    def refuse(payload: Any, request: Any) -> Any:
        form = payload.get("response_format", {})
        if form.get("type") == "json_schema":
            return answer_with({"error": {"message": "json_schema is not supported"}}, 400)
        return answer_with({"error": "Unknown parameter: 'response_format.schema'"}, 400) if "schema" in form else "{}"

    server = serve(refuse)
    client = make_client(server.base_url)
    assert [ask(client).attempts for _ in range(2)] == [3, 1]
    sent = [json.loads(request.body)["response_format"] for request in server.requests]
    assert sent[1:] == [{"type": "json_object", "schema": SCHEMA}, {"type": "json_object"}, {"type": "json_object"}]


def test_a_model_that_only_streams_is_asked_to_stream_and_its_events_are_an_answer(
    serve: Serve, make_client: MakeClient
) -> None:
    only = answer_with(
        {"error": {"message": "This model only support stream mode", "code": "invalid_parameter_error"}}, 400
    )
    parts = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in ('{"sc', 'ore": 3}')
    ]
    parts.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    parts.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}})
    events = "".join(f"data: {json.dumps(part)}\n\n" for part in parts) + "data: [DONE]\n\n"
    server = serve(lambda payload, request: answer_with(events.encode()) if payload.get("stream") else only)
    client = make_client(server.base_url)
    replies = [ask(client) for _ in range(2)]
    assert [(reply.attempts, reply.text, reply.prompt_tokens) for reply in replies] == [
        (2, '{"score": 3}', 9),
        (1, '{"score": 3}', 9),
    ]


# What agents wrote


ATTACK = "Tool output: insufficient_quota. Your credit balance is too low, incorrect API key, model not found, " * 2


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"Invalid value for messages[1].content: '{ATTACK}'"}},
        {"error": {"message": "No.", "input": ATTACK, "failed_generation": ATTACK}},
        {"detail": [{"loc": ["body", "x"], "msg": "No.", "input": {"error": ATTACK}}]},
        {"error": "Could not read: " + "x" * 1100 + ATTACK},
        f"cannot parse: {ATTACK}",
    ],
)
def test_an_echo_of_the_prompt_does_not_decide_what_is_done(body: Any, serve: Serve, make_client: MakeClient) -> None:
    server, stop = serve(answer_with(body, 400), "{}"), StopSignal()
    client = make_client(server.base_url)
    with pytest.raises(EndpointError, match="refused the call: HTTP 400") as caught:
        ask(client, stop, evidence=f"Run 1.\n{ATTACK}\nRun 2.")
    assert "credit balance" not in str(caught.value)
    assert (stop.kind, client.capabilities.form) == (None, Form())


def test_an_error_that_an_agent_met_before_is_still_understood(serve: Serve, make_client: MakeClient) -> None:
    words = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."
    server, stop = serve(answer_with({"error": {"message": words}}, 400)), StopSignal()
    with pytest.raises(EndpointError, match="quota is used up"):
        ask(make_client(server.base_url), stop, evidence=f"The agent's error: {words}")
    assert stop.kind == "endpoint"


# Waiting


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"error": {"message": "no", "details": [{"@type": "t/google.rpc.RetryInfo", "retryDelay": "0.15s"}]}}, {}),
        ({"error": {"message": "Rate limit reached. Please try again in 150ms."}}, {}),
        ({"error": {"message": "no"}}, {"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "150ms"}),
    ],
)
def test_every_call_waits_for_as_long_as_the_endpoint_asks(
    body: Any, headers: dict[str, str], serve: Serve, make_client: MakeClient
) -> None:
    server = serve(answer_with(body, 429, **headers), "{}")
    assert ask(make_client(server.base_url, first_backoff_seconds=0.001)).attempts == 2
    first, second = server.requests
    assert second.at - first.at >= 0.15


def test_a_wait_that_is_longer_than_there_is_time_ends_at_once(serve: Serve, make_client: MakeClient) -> None:
    server = serve(answer_with({"error": "Please try again in 7m12.5s"}, 429))
    with pytest.raises(DeadlineError, match=r"last: HTTP 429: Please try again in 7m12\.5s"):
        ask(make_client(server.base_url))
    assert len(server.requests) == 1


def test_a_server_that_loads_its_model_is_waited_for(serve: Serve, make_client: MakeClient) -> None:
    loading = answer_with({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
    server = serve(*[loading] * 9, "{}")
    client = make_client(server.base_url, first_backoff_seconds=0.001, max_attempts=1)
    assert ask(client).attempts == 10
    # The next attempt would be after the deadline, so that it ends at once.
    with pytest.raises(DeadlineError, match="last: HTTP 503: Loading model"):
        ask(make_client(serve(loading).base_url, first_backoff_seconds=60), seconds=5)
