"""Environment, service, session and the agent's id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces.spans import Span
from tasks.sources.spans.environments import agent_id, place_of, session_of

MakeSpan = Callable[..., Span]


@pytest.mark.parametrize(
    ("fields", "environment"),
    [
        ({"resource": {"deployment.environment.name": "prod", "deployment.environment": "old"}}, "prod"),
        ({"resource": {"deployment.environment": "prod"}, "service": "shop"}, "prod"),
        ({"tags": {"langfuse.environment": "prod"}}, "prod"),
        ({"tags": {"deployment.environment": "default"}, "resource": {"deployment.environment": "prod"}}, "prod"),
        ({"resource": {"openinference.project.name": "mine"}, "service": "shop"}, "mine"),
        ({"service": "shop"}, "shop"),
        ({"resource": {"service.name": "shop"}}, "shop"),
        ({"service": "unknown_service:python"}, "default"),
        ({"tags": {"deployment.environment.name": " "}}, "default"),
        ({"tags": {"deployment.environment.name": 7}}, "7"),
        ({}, "default"),
    ],
)
def test_the_environment_is_named_by_the_deployment_else_the_project_else_the_service(
    make_span: MakeSpan, fields: dict[str, Any], environment: str
) -> None:
    assert place_of([make_span("a", **fields)]).environment == environment


@pytest.mark.parametrize(
    "name", ["gen_ai.conversation.id", "session.id", "langfuse.session.id", "ai.telemetry.metadata.sessionId"]
)
def test_the_session_is_that_of_the_first_span_that_has_one(make_span: MakeSpan, name: str) -> None:
    assert session_of([make_span("a"), make_span("b", tags={name: "s1"}), make_span("c", tags={name: "s2"})]) == "s1"
    assert session_of([make_span("a")]) is None


@pytest.mark.parametrize(
    ("environment", "service", "written"),
    [
        ("prod", "shop", "prod/shop/a"),
        ("prod", "", "prod/-/a"),
        ("prod/eu", "shop", "prod%2Feu/shop/a"),
        ("prod%2Feu", "shop", "prod%252Feu/shop/a"),
    ],
)
def test_two_agents_never_share_an_id(environment: str, service: str, written: str) -> None:
    assert agent_id(environment, service, "a") == written
