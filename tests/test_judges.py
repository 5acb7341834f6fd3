"""The judges that people have, from the settings to the wire: servers on loopback that act as they do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deployments.demo.judge import completion
from deployments.demo.loopback import LoopbackServer, Request, Response
from tasks.connecting import open_clients
from tasks.errors import ConfigurationError, EndpointError
from tasks.evidence.prices import RunPrices, Tokens
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.settings import ReportOptions, read_settings

KEY = "key-of-the-endpoint-0123456789"
MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "The evidence."}]
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
GOOD = completion('{"ok": true}', model="gpt-5.4-mini")
Serve = Callable[..., LoopbackServer]
Ask = Callable[..., Reply]


def body_of(request: Request) -> dict[str, Any]:
    """What was asked, as JSON."""
    found: dict[str, Any] = json.loads(request.body)
    return found


def header(request: Request, name: str) -> str | None:
    """What a header holds, whatever the case of its name; None without it."""
    return {key.lower(): value for key, value in request.headers.items()}.get(name.lower())


def answer(body: dict[str, Any] | None = None, status: int = 200) -> Response:
    return Response(status, json.dumps(body or GOOD).encode())


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without ``.env``, and none of the settings of who runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(respond)``: a server on loopback, with a function from its requests to its responses."""
    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(LoopbackServer(respond))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., JudgeClient]]:
    """``connect(OPENAI_BASE_URL=…, …)``: the judge's client for these settings."""
    with ExitStack() as stack:

        def make(**variables: str) -> JudgeClient:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            return stack.enter_context(open_clients()).judge_client(ReportOptions())

        yield make


@pytest.fixture
def ask(connect: Callable[..., JudgeClient]) -> Ask:
    """``ask(OPENAI_BASE_URL=…, …)``: the reply to one call with these settings."""

    def once(client: JudgeClient | None = None, **variables: str) -> Reply:
        client = client or connect(**variables)
        return client.complete(MESSAGES, SCHEMA, deadline=client.clock() + 30, stop=StopSignal())

    return once


# Azure OpenAI


def act_as_azure(request: Request) -> Response:
    """The older path with its version and the key in its header, the v1 path with a bearer token; else 404 and 401."""
    parts = urlsplit(request.path)
    if parts.path == "/openai/deployments/judge/chat/completions":
        if parse_qs(parts.query) != {"api-version": ["2024-10-21"]}:
            return answer({"error": {"code": "404", "message": "Resource not found"}}, 404)
        let_in = header(request, "api-key") == KEY and header(request, "Authorization") is None
    elif parts.path == "/openai/v1/chat/completions":
        let_in = header(request, "Authorization") == f"Bearer {KEY}"
    else:
        return answer({"error": {"code": "404", "message": "Resource not found"}}, 404)
    return answer() if let_in else answer({"error": {"code": "401", "message": "Access denied"}}, 401)


@pytest.mark.parametrize(
    "path",
    ["/openai/deployments/judge?api-version=2024-10-21", "/openai/deployments/judge/?api-version=2024-10-21"],
)
def test_azures_deployments_path(path: str, serve: Serve, ask: Ask) -> None:
    server = serve(act_as_azure)
    assert ask(OPENAI_BASE_URL=f"{server.url}{path}", OPENAI_API_KEY=KEY).text == '{"ok": true}'
    assert server.requests[0].path == "/openai/deployments/judge/chat/completions?api-version=2024-10-21"


def test_azures_v1_path(serve: Serve, ask: Ask) -> None:
    server = serve(act_as_azure)
    assert ask(OPENAI_BASE_URL=f"{server.url}/openai/v1/", OPENAI_API_KEY=KEY).text == '{"ok": true}'


@pytest.mark.parametrize("path", ["/openai/deployments/judge?api-version=2024-10-21", "/openai/v1/"])
def test_azure_with_a_token_of_entra(
    path: str, serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The token comes from a managed identity, as an app service offers it: azure-identity asks for it over HTTP."""
    token = "token-of-entra-0123456789"

    def identity(request: Request) -> Response:
        assert parse_qs(urlsplit(request.path).query)["resource"] == ["https://cognitiveservices.azure.com"]
        expires = int(datetime.now(UTC).timestamp()) + 3600
        return answer({"access_token": token, "expires_on": str(expires), "token_type": "Bearer", "resource": "r"})

    def azure(request: Request) -> Response:
        # It echoes what it got, as a bad proxy does.
        return answer(completion(header(request, "Authorization")))

    server, identities = serve(azure), serve(identity)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identities.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "a-secret-of-the-app-service")
    caplog.set_level("DEBUG")
    reply = ask(
        OPENAI_BASE_URL=f"{server.url}{path}",
        OPENAI_API_KEY="not-sent-0123456789",
        AGENT_REPORT_JUDGE_ENTRA_SCOPE="https://cognitiveservices.azure.com/.default",
    )
    (request,) = server.requests
    assert header(request, "Authorization") == f"Bearer {token}"
    assert header(request, "api-key") is None
    assert reply.text == "Bearer [token]"
    assert token not in caplog.text


def test_a_refused_token_is_not_called_an_openai_key(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    token = {"access_token": "refused-0123456789ab", "expires_on": "4102444800", "token_type": "Bearer"}
    server, identities = serve(act_as_azure), serve(lambda _: answer(token | {"resource": "r"}))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identities.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    with pytest.raises(EndpointError, match=r"does not accept the key \(AGENT_REPORT_JUDGE_ENTRA_SCOPE\): HTTP 401"):
        ask(OPENAI_BASE_URL=f"{server.url}/openai/v1", AGENT_REPORT_JUDGE_ENTRA_SCOPE="https://x/.default")


def test_without_an_identity_the_report_is_refused(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(act_as_azure)
    identities = serve(lambda _: answer({"error": "none"}, 400))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identities.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    # Only this identity: others are asked for at addresses of the cloud.
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    with pytest.raises(ConfigurationError, match=r"no token of Microsoft Entra for https://x/.default"):
        ask(OPENAI_BASE_URL=f"{server.url}/openai/v1", AGENT_REPORT_JUDGE_ENTRA_SCOPE="https://x/.default")
    assert server.requests == []


def test_a_url_that_ends_in_an_operation_is_refused_before_anything_is_asked(serve: Serve, ask: Ask) -> None:
    server = serve(act_as_azure)
    with pytest.raises(ConfigurationError, match=rf"write {server.url}/v1$"):
        ask(OPENAI_BASE_URL=f"{server.url}/v1/chat/completions", OPENAI_API_KEY=KEY)
    assert server.requests == []


def test_a_path_without_v1_is_named_when_the_endpoint_does_not_know_it(serve: Serve, ask: Ask) -> None:
    server = serve(lambda _: Response(404, b"404 page not found", "text/plain"))
    with pytest.raises(EndpointError, match=rf"OPENAI_BASE_URL={server.url} has no /v1"):
        ask(OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)


# Headers and other fields


def test_headers_are_sent_and_hidden_in_what_comes_back(serve: Serve, ask: Ask) -> None:
    secret = "token-of-the-gateway-0123456789"

    def gateway(request: Request) -> Response:
        given = header(request, "X-Gateway")
        if len(server.requests) == 1:
            return answer({"error": {"message": f"who is {given}?"}}, 403)
        return answer(completion(f"{given} said yes"))

    server = serve(gateway)
    settings = {
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "OPENAI_API_KEY": KEY,
        "AGENT_REPORT_JUDGE_HEADERS": json.dumps({"X-Gateway": f"Bearer {secret}", "X-Tenant": "a"}),
    }
    with pytest.raises(EndpointError, match=r"who is \[header\]\?") as caught:
        ask(**settings)
    assert secret not in str(caught.value)
    assert ask(**settings).text == "[header] said yes"
    assert header(server.requests[1], "X-Tenant") == "a"
    assert header(server.requests[1], "Authorization") == f"Bearer {KEY}"
    assert secret not in repr(read_settings())


def test_no_request_is_made_with_a_wrong_header_or_field(
    serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(act_as_azure)
    for name, value in (
        ("AGENT_REPORT_JUDGE_HEADERS", '{"Host": "a"}'),
        ("AGENT_REPORT_JUDGE_EXTRA", '{"messages": []}'),
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=name):
            ask(OPENAI_BASE_URL=f"{server.url}/v1")
        monkeypatch.delenv(name)
    assert server.requests == []


def test_openrouter_gets_its_routing_and_states_its_cost(serve: Serve, ask: Ask) -> None:
    routing = {"order": ["azure"], "allow_fallbacks": False, "data_collection": "deny"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.0125}
    server = serve(lambda _: answer(completion('{"ok": true}', model="azure/some-model", usage=usage)))
    extra = {"provider": routing, "reasoning_effort": "low"}
    reply = ask(OPENAI_BASE_URL=f"{server.url}/api/v1", AGENT_REPORT_JUDGE_EXTRA=json.dumps(extra))
    body = body_of(server.requests[0])
    assert (body["provider"], body["reasoning_effort"]) == (routing, "low")
    assert {"model", "messages", "response_format", "max_completion_tokens"} < body.keys()
    assert reply.cost_usd == 0.0125


def test_a_refused_field_of_the_users_own_costs_no_format_and_is_named(serve: Serve, ask: Ask) -> None:
    body = {"error": {"message": "Unsupported parameter: 'reasoning_effort' is not supported with this model."}}
    server = serve(lambda _: answer(body, 400))
    with pytest.raises(EndpointError, match=r"AGENT_REPORT_JUDGE_EXTRA sends reasoning_effort"):
        ask(OPENAI_BASE_URL=f"{server.url}/v1", AGENT_REPORT_JUDGE_EXTRA='{"reasoning_effort": "low"}')
    assert len(server.requests) == 1


# Service tiers


def act_as_openai_without_flex(status: int, message: str) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        if body_of(request).get("service_tier") == "flex":
            return answer({"error": {"message": message, "type": "invalid_request_error"}}, status)
        return answer(GOOD | {"service_tier": "default"})

    return respond


@pytest.mark.parametrize(
    ("status", "message"),
    [(429, "Resource Unavailable"), (400, "Flex is not available for this model.")],
)
def test_flex_falls_back_to_the_standard_tier_for_good(
    status: int,
    message: str,
    serve: Serve,
    connect: Callable[..., JudgeClient],
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = serve(act_as_openai_without_flex(status, message))
    client = connect(OPENAI_BASE_URL=f"{server.url}/v1", AGENT_REPORT_JUDGE_EXTRA='{"service_tier": "flex", "seed": 1}')
    assert [ask(client).service_tier for _ in range(2)] == ["default", "default"]
    bodies = [body_of(request) for request in server.requests]
    assert [body.get("service_tier") for body in bodies] == ["flex", None, None]
    # No form of the answer is lost by it, and what else was asked for stays.
    assert {body["response_format"]["type"] for body in bodies} == {"json_schema"}
    assert {body["seed"] for body in bodies} == {1}
    assert caplog.text.count("asks for the service tier flex") == 1


def test_the_tier_of_a_reply_is_the_one_that_was_asked_for_when_the_endpoint_names_none(serve: Serve, ask: Ask) -> None:
    server = serve(lambda _: answer())
    settings = {"OPENAI_BASE_URL": f"{server.url}/v1", "AGENT_REPORT_JUDGE_EXTRA": '{"service_tier": "flex"}'}
    assert ask(**settings).service_tier == "flex"


def test_flex_has_more_time_by_default(connect: Callable[..., JudgeClient], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_EXTRA", '{"service_tier": "flex"}')
    settings = read_settings()
    assert (settings.call_timeout_seconds, settings.options(ReportOptions()).eval_timeout_seconds) == (900, 1800)
    given = settings.options(ReportOptions(eval_timeout_seconds=60))
    assert given.eval_timeout_seconds == 60
    assert connect(OPENAI_API_KEY=KEY).call_timeout_seconds == 900
    monkeypatch.setenv("AGENT_REPORT_JUDGE_CALL_TIMEOUT_SECONDS", "30")
    monkeypatch.setenv("AGENT_REPORT_EVAL_TIMEOUT_SECONDS", "90")
    settings = read_settings()
    assert (settings.call_timeout_seconds, settings.options(ReportOptions()).eval_timeout_seconds) == (30, 90)


def test_other_tiers_have_the_usual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_EXTRA", '{"service_tier": "priority"}')
    settings = read_settings()
    assert (settings.call_timeout_seconds, settings.options(ReportOptions()).eval_timeout_seconds) == (120, 300)


def test_a_tier_has_its_own_price_or_none() -> None:
    million, now = Tokens(1_000_000, 1_000_000), datetime(2026, 11, 1, tzinfo=UTC)
    prices = RunPrices({"own": {"input": 2, "output": 4}, "own:flex": {"input": 1, "output": 2}})
    standard = prices.cost_usd("gpt-5.4-mini", million, now)
    assert standard is not None
    for tier in ("default", "auto", "standard", "on_demand", "Default "):
        assert prices.cost_usd("gpt-5.4-mini", million, now, tier) == standard
    for tier in ("flex", "batch"):
        assert prices.cost_usd("gpt-5.4-mini", million, now, tier) == pytest.approx(standard / 2)
    priority = prices.cost_usd("gpt-5.4-mini", million, now, "priority")
    assert priority is not None
    assert priority > standard
    # Unknown is not the standard price.
    assert prices.cost_usd("gpt-5.4-mini", million, now, "scale") is None
    assert prices.cost_usd("claude-sonnet-4-5", million, now, "flex") is None
    assert [prices.cost_usd("own", million, now, tier) for tier in ("", "flex", "priority")] == [6, 3, None]
