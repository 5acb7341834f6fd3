"""How a judge is asked: every rung against an endpoint that refuses the one above it, and parameters that go."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, asked_schema, completion
from deployments.demo.loopback import Response
from tasks.errors import ContextLengthError, EndpointError
from tasks.judge.endpoint.capabilities import Capabilities
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.faults.fault import recognise
from tasks.judge.endpoint.faults.table import FAULTS, REMEDIES
from tasks.judge.endpoint.form import Form
from tasks.judge.endpoint.refusals.refusal import read_refusal
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]
SCHEMA = {"type": "object", "properties": {"wörd": {"type": "string"}}, "required": ["wörd"]}
# Seconds; longer than a test waits for a result.
_LONG = 100.0
PARAMETERS = {"max_completion_tokens": 8000, "temperature": 0.5}
Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]


def error(status: int, message: Any, **fields: Any) -> Response:
    return Response(status, json.dumps({"error": {"message": message, **fields}}).encode())


def refused(capabilities: Capabilities, form: Form, status: int, message: Any, param: Any = None) -> Form | None:
    """The form to try next, by the first remedy of the table that there is."""
    body = json.dumps({"error": {"message": message, "param": param}}).encode()
    refusal = read_refusal(status, body, {})
    for fault in recognise(refusal, FAULTS):
        if fault.cause not in REMEDIES:
            return None
        following = capabilities.refused(form, fault.cause, refusal, PARAMETERS, "no")
        if following is not None:
            return following
    return None


def refusing(refuse: Callable[[dict[str, Any]], Response | None]) -> Callable[[dict[str, Any], Any], Any]:
    """Answers whatever ``refuse`` lets through; a refusal comes at once."""

    def respond(payload: dict[str, Any], request: Any) -> Any:
        refusal = refuse(payload)
        if refusal is None:
            return "{}"
        refusal.delay_seconds = 0.001
        return refusal

    return respond


def form_of(payload: dict[str, Any]) -> str:
    return str(payload.get("response_format", {}).get("type", "prompt"))


def takes(*forms: str) -> Callable[[dict[str, Any], Any], Any]:
    def refuse(payload: dict[str, Any]) -> Response | None:
        form = form_of(payload)
        if form in forms:
            return None
        return error(400, f"response_format of type '{form}' is not supported", param="response_format")

    return refusing(refuse)


def ask(client: JudgeClient, seconds: float = 20, output_tokens: int | None = None) -> Reply:
    deadline = time.monotonic() + seconds
    return client.complete(MESSAGES, SCHEMA, deadline=deadline, stop=StopSignal(), output_tokens=output_tokens)


def sent(server: SimulatedJudge) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests]


@pytest.mark.parametrize(
    ("taken", "asked"),
    [
        (("json_schema",), ["json_schema"]),
        (("json_object", "prompt"), ["json_schema", "json_object"]),
        (("prompt",), ["json_schema", "json_object", "prompt"]),
    ],
)
def test_each_rung_is_taken_when_the_one_above_is_refused_and_remembered(
    taken: tuple[str, ...], asked: list[str], serve: Serve, make_client: MakeClient
) -> None:
    server = serve(takes(*taken))
    client = make_client(server.base_url)
    assert ask(client).attempts == len(asked)
    assert [form_of(payload) for payload in sent(server)] == asked
    assert ask(client).attempts == 1
    last = sent(server)[-1]
    assert form_of(last) == asked[-1] == client.capabilities.form.rung
    assert asked_schema(last) == SCHEMA
    assert last["messages"][1:] == MESSAGES[1:]
    assert last["messages"][0]["content"].startswith("Judge.")


def test_where_the_endpoint_enforces_the_schema_the_messages_stay_as_they_are() -> None:
    assert Form().messages(MESSAGES, SCHEMA) == MESSAGES


def test_instructions_that_are_missing_are_made() -> None:
    first, second = Form(rung="prompt").messages(MESSAGES[1:], SCHEMA)
    assert (first["role"], second) == ("system", MESSAGES[1])
    assert json.loads(first["content"].rpartition("\n")[2]) == SCHEMA
    # OpenAI refuses json_object when the messages do not mention JSON.
    assert "JSON" in first["content"]


def test_the_messages_that_were_given_are_not_changed() -> None:
    given = [dict(message) for message in MESSAGES]
    Form(rung="prompt").messages(given, SCHEMA)
    assert given == MESSAGES


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", {}),
        ("Invalid schema", {"param": "response_format"}),
        ("Invalid value: 'json_schema'", {"param": "response_format.type", "code": "invalid_value"}),
        ("'response_format.type' must be 'text'", {"param": None}),
        ("This model does not support structured outputs", {"type": "invalid_request_error"}),
        ("failed to parse grammar", {}),
        ("Guided decoding is off", {"code": 400}),
        ("[{'loc': ('body', 'response_format', 'type'), 'input': {'max_completion_tokens': 800}}]", {}),
        ("Unsupported request", {}),
    ],
)
def test_a_rung_goes_when_the_error_names_it(status: int, message: str, fields: dict[str, Any]) -> None:
    capabilities = Capabilities()
    assert refused(capabilities, Form(), status, message, fields.get("param"))
    assert capabilities.form == Form(rung="json_object")


@pytest.mark.parametrize(
    ("status", "param", "message"),
    [
        (400, None, "Something is wrong"),
        (400, "model", "response_format is not the matter"),
        (400, "messages[1].content", "is not supported"),
        (503, "response_format", "response_format is not supported"),
        (429, "response_format", "response_format is not supported"),
        (404, None, "Not Found"),
        (400, None, "x" * 2000 + " response_format is not supported"),
        (400, {"a": 1}, "no"),
    ],
)
def test_other_errors_cost_no_rung(status: int, param: Any, message: str) -> None:
    capabilities = Capabilities()
    assert not refused(capabilities, Form(), status, message, param)
    assert capabilities.form == Form()


def test_a_form_that_was_answered_is_not_given_up_for_a_vague_error() -> None:
    capabilities = Capabilities()
    capabilities.answered(Form())
    assert not refused(capabilities, Form(), 400, "unsupported character")
    assert not refused(capabilities, Form(), 500, "json_schema is unsupported")
    assert refused(capabilities, Form(), 400, "json_schema is unsupported")


def test_at_the_last_rung_an_error_is_an_error(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(400, "response_format is not supported"))
    with pytest.raises(EndpointError, match="refused the call: HTTP 400: response_format is not supported"):
        ask(make_client(server.base_url))
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [503, 429])
def test_failures_and_limits_cost_no_rung(status: int, serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(status, "response_format is not supported just now"), "{}")
    client = make_client(server.base_url)
    assert ask(client).attempts == 2
    assert client.capabilities.form == Form()


def needs(name: str, message: str, **fields: Any) -> Callable[[dict[str, Any], Any], Any]:
    """Refuses requests that hold ``name``."""
    return refusing(lambda payload: error(400, message, **fields) if name in payload else None)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Unrecognized request argument supplied: max_completion_tokens", None),
        ("Unsupported parameter", "max_completion_tokens"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens')}]", None),
        ("Use 'max_tokens' instead.", None),
    ],
)
def test_the_output_limit_takes_its_old_name(
    message: str, param: str | None, serve: Serve, make_client: MakeClient
) -> None:
    server = serve(needs("max_completion_tokens", message, param=param))
    client = make_client(server.base_url, max_output_tokens=777)
    assert [ask(client).attempts for _ in range(2)] == [2, 1]
    last = sent(server)[-1]
    assert last["max_tokens"] == 777
    assert "max_completion_tokens" not in last
    assert form_of(last) == "json_schema"


def test_an_output_limit_that_is_refused_by_both_names_is_left_out(serve: Serve, make_client: MakeClient) -> None:
    def refuse(payload: dict[str, Any]) -> Response | None:
        names = {"max_tokens", "max_completion_tokens"} & set(payload)
        return error(400, "Unknown parameter", param=names.pop()) if names else None

    server = serve(refusing(refuse))
    client = make_client(server.base_url)
    assert [ask(client).attempts for _ in range(2)] == [3, 1]


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("max_tokens is too large: 8000. This model supports at most 4096 completion tokens, you provided 8000.", 4096),
        ("max_tokens: 8000 > 4096, which is the maximum for claude-3-opus-20240229", 4096),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 2048]", 2048),
        ("max_tokens (8,000) exceeds model's maximum output tokens (6,553) for gpt-4-32k", 6553),
        ("max_tokens must be at most 4", None),
        ("max_tokens is too large", None),
    ],
)
def test_an_output_limit_that_is_too_large_becomes_the_largest_that_is_taken(
    message: str, limit: int | None, serve: Serve, make_client: MakeClient
) -> None:
    def refuse(payload: dict[str, Any]) -> Response | None:
        return error(400, message) if payload.get("max_completion_tokens", 0) > (limit or 0) else None

    server = serve(refusing(refuse))
    client = make_client(server.base_url)
    assert [ask(client).attempts for _ in range(2)] == [2, 1]
    assert sent(server)[-1].get("max_completion_tokens") == limit
    # Where an answer is asked for that is shorter anyhow, it stays so.
    ask(client, output_tokens=300)
    assert sent(server)[-1].get("max_completion_tokens") == (300 if limit else None)


@pytest.mark.parametrize(("tokens", "name"), [(256, "max_tokens"), (7900, "max_completion_tokens")])
def test_a_limit_that_is_passed_over_takes_its_old_name(
    tokens: int, name: str, serve: Serve, make_client: MakeClient
) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": tokens, "total_tokens": 900 + tokens}
    server = serve(completion("{", finish_reason="length", usage=usage))
    client = make_client(server.base_url)
    for _ in range(3):
        assert ask(client).finish_reason == "length"
    first, *later = sent(server)
    assert "max_completion_tokens" in first
    assert [payload.get(name) for payload in later] == [8000, 8000]


def test_the_temperature_is_sent_when_set_and_left_out_when_refused(serve: Serve, make_client: MakeClient) -> None:
    server = serve("{}")
    ask(make_client(server.base_url))
    ask(make_client(server.base_url, temperature=0.0))
    assert [payload.get("temperature") for payload in sent(server)] == [None, 0.0]
    message = "Unsupported value: 'temperature' does not support 0 with this model."
    server = serve(needs("temperature", message, param="temperature", code="unsupported_value"))
    client = make_client(server.base_url, temperature=0.0)
    assert [ask(client).attempts for _ in range(2)] == [2, 1]
    assert form_of(sent(server)[-1]) == "json_schema"
    # It stays what was asked for: the next process, which has not learnt it yet, finds the same answers.
    assert client.parameters()["temperature"] == 0.0


def test_everything_may_be_refused_in_turn(serve: Serve, make_client: MakeClient) -> None:
    def refuse(payload: dict[str, Any]) -> Response | None:
        for name in ("temperature", "max_completion_tokens", "max_tokens", "response_format"):
            if name in payload:
                return error(422, f"extra field: {name}")
        return None

    server = serve(refusing(refuse))
    client = make_client(server.base_url, temperature=1.0)
    assert [ask(client).attempts for _ in range(2)] == [7, 1]
    assert set(sent(server)[-1]) == {"model", "messages"}


def test_a_parameter_that_was_not_sent_is_no_reason_to_ask_again(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(400, "bad value", param="top_p"))
    with pytest.raises(EndpointError):
        ask(make_client(server.base_url))
    assert len(server.requests) == 1


def test_calls_at_once_find_out_together(serve: Serve, make_client: MakeClient) -> None:
    def refuse(payload: dict[str, Any]) -> Response | None:
        for name in ("max_completion_tokens", "max_tokens", "response_format"):
            if name in payload:
                return error(400, f"unsupported: {name}", param=name)
        return None

    server = serve(refusing(refuse), seconds=0.05)
    client = make_client(server.base_url)
    together = threading.Barrier(12)

    def call(_: int) -> Reply:
        together.wait()
        return ask(client)

    with ThreadPoolExecutor(12) as pool:
        assert len(list(pool.map(call, range(12)))) == 12
    refusals = len(server.requests) - 12
    # The first twelve go out together; of the four forms after that one call each finds out.
    assert refusals <= 12 + 4
    assert ask(client).attempts == 1


def take_turn(capabilities: Capabilities) -> None:
    with capabilities.turn():
        pass


def test_attempts_that_wait_for_a_trial_without_an_end_go_after_all() -> None:
    capabilities = Capabilities()
    refused(capabilities, Form(), 400, "no", "response_format")
    with capabilities.turn(), ThreadPoolExecutor(5) as pool:
        list(pool.map(take_turn, [capabilities] * 5))


def test_an_answer_ends_the_wait_for_a_trial() -> None:
    capabilities = Capabilities(_LONG)
    refused(capabilities, Form(), 400, "no", "response_format")
    with ThreadPoolExecutor(1) as pool, capabilities.turn():
        waiting = pool.submit(take_turn, capabilities)
        capabilities.answered(Form())
        time.sleep(0.05)
        assert not waiting.done()
        capabilities.answered(capabilities.form)
        waiting.result(60)


def test_after_a_trial_that_shows_nothing_the_next_attempt_tries() -> None:
    capabilities = Capabilities(_LONG)
    refused(capabilities, Form(), 400, "no", "response_format")
    with ThreadPoolExecutor(2) as pool:
        with capabilities.turn():
            waiting = [pool.submit(take_turn, capabilities) for _ in range(2)]
            time.sleep(0.05)
            assert not any(each.done() for each in waiting)
        for each in waiting:
            each.result(60)


@pytest.mark.parametrize("status", [400, 500])
def test_a_failed_trial_delays_no_attempt(status: int, serve: Serve, make_client: MakeClient) -> None:
    """With HTTP 500 the next attempt is of the same call."""
    server = serve(error(400, "response_format is not supported"), error(status, "no"))
    client = make_client(server.base_url, capabilities=Capabilities(_LONG))
    for _ in range(2):
        with pytest.raises(EndpointError):
            ask(client)


def test_a_refusal_of_an_older_form_changes_nothing_more() -> None:
    capabilities = Capabilities()
    for _ in range(5):
        assert refused(capabilities, Form(), 400, "no", "response_format")
    assert capabilities.form == Form(rung="json_object")


def test_poor_answers_change_neither_form_nor_width(serve: Serve, make_client: MakeClient) -> None:
    poor = [
        completion("I cannot judge this: response_format json_schema is not supported."),
        completion('{"accuracy": ', finish_reason="length", usage={"prompt_tokens": 1000, "completion_tokens": 8000}),
        completion(None, refusal="I will not."),
        completion("", finish_reason="content_filter"),
        completion('```json\n{"score": 99}\n```'),
        completion('{"score": NaN}'),
        completion(None),
    ]
    server = serve(*[reply for one in poor for reply in (completion("{}"), completion("{}"), one)], "{}")
    client = make_client(server.base_url, width=5)
    replies = [ask(client) for _ in range(3 * len(poor))]
    assert [reply.attempts for reply in replies] == [1] * len(replies)
    # Useless or not, it was paid for.
    assert all(reply.paid and reply.prompt_tokens == 1000 for reply in replies)
    assert [reply.finish_reason for reply in replies[5::6]] == ["length", "content_filter", "stop"]
    assert replies[8].refusal == "I will not."
    assert client.capabilities.form == Form()
    assert client.limiter.width == 5


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "no"),
        (400, "name is too long"),
        (400, "The context is missing"),
        (401, "maximum context length"),
        (400, "x" * 2000 + "maximum context length"),
        (400, "max_items must be at most 5"),
    ],
)
def test_other_refusals_are_not_taken_for_one(status: int, message: str, serve: Serve, make_client: MakeClient) -> None:
    with pytest.raises(EndpointError) as caught:
        ask(make_client(serve(error(status, message)).base_url))
    assert not isinstance(caught.value, ContextLengthError)


def test_too_many_tokens_just_now_is_waited_for(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(429, "Too many tokens, please wait before trying again."), "{}")
    assert ask(make_client(server.base_url)).attempts == 2


def test_what_is_sent_follows_the_form() -> None:
    parameters = {"max_completion_tokens": 5, "temperature": 0.5}
    form = Form(rung="json_object", carries_schema=False, limit="max_tokens", dropped=frozenset({"temperature"}))
    assert form.body(parameters, SCHEMA) == {"max_tokens": 5, "response_format": {"type": "json_object"}}
    carrying = Form(rung="json_object").body(parameters, SCHEMA)
    assert carrying["response_format"] == {"type": "json_object", "schema": SCHEMA}
    assert set(Form().body(parameters, SCHEMA)) == {"response_format", *parameters}


def test_what_the_error_names_by_itself_comes_before_what_its_words_mention() -> None:
    capabilities = Capabilities()
    assert refused(capabilities, Form(), 400, "not supported together with response_format", "temperature")
    assert capabilities.form == Form(dropped=frozenset({"temperature"}))


def test_an_answer_proves_the_form_that_it_was_asked_for_in(serve: Serve, make_client: MakeClient) -> None:
    server = serve(error(400, "json_schema is not supported"), "{}", error(400, "unsupported character"))
    client = make_client(server.base_url)
    assert ask(client).attempts == 2
    with pytest.raises(EndpointError, match="unsupported character"):
        ask(client)
    assert len(server.requests) == 3
    assert client.capabilities.form == Form(rung="json_object")


def test_who_has_waited_for_a_place_asks_as_is_known_by_then(serve: Serve, make_client: MakeClient) -> None:
    def refuse(payload: dict[str, Any]) -> Response | None:
        for name in ("max_completion_tokens", "max_tokens", "response_format"):
            if name in payload:
                return error(400, f"unsupported: {name}", param=name)
        return None

    server = serve(refusing(refuse), seconds=0.05)
    client = make_client(server.base_url, width=1)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: ask(client), range(8)))) == 8
    # Two names of the limit and three formats are refused, each of them once.
    assert len(server.requests) == 8 + 5
