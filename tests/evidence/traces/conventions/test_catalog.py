"""Which conventions a span follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces.conventions.catalog import OWN, SHARED, conventions_of
from tasks.evidence.traces.spans import Span

MakeSpan = Callable[..., Span]


@pytest.mark.parametrize(
    ("operation", "tags", "names"),
    [
        ("x", {}, []),
        ("x", {"otel.scope.name": 7}, []),
        ("GET /", {"http.method": "GET"}, []),
        ("x", {"langfuse.observation.type": "tool"}, ["Langfuse"]),
        ("haystack.agent.run", {}, ["Haystack"]),
        ("chat m", {"gen_ai.operation.name": "chat"}, ["OTel GenAI", "OTel GenAI"]),
        # The own convention is asked before the shared one that it builds on.
        (
            "chat",
            {"otel.scope.name": "strands.telemetry.tracer", "gen_ai.operation.name": "chat"},
            ["Strands", "OTel GenAI", "OTel GenAI"],
        ),
        (
            "invoke_agent a",
            {"openinference.span.kind": "LLM", "gcp.vertex.agent.event_id": "e"},
            ["Google ADK", "OpenInference"],
        ),
    ],
)
def test_a_span_follows_what_it_carries_marks_of(
    make_span: MakeSpan, operation: str, tags: dict[str, Any], names: list[str]
) -> None:
    assert [found.name for found in conventions_of(make_span("a", operation=operation, tags=tags))] == names


def test_every_convention_can_be_recognised() -> None:
    assert all(each.marks or each.scopes or each.names for each in (*OWN, *SHARED))
    assert len({each.name for each in OWN}) == len(OWN)
