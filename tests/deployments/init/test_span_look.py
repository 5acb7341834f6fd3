"""What ``init`` says of spans before there are runs."""

from __future__ import annotations

from collections.abc import Callable

from deployments.init.span_look import look_at_spans
from tasks.evidence.traces.spans import Span


def test_services_and_conventions_are_counted(make_span: Callable[..., Span]) -> None:
    root = make_span("a", service="shop", tags={"openinference.span.kind": "AGENT"})
    llm = make_span("b", "a", service="shop", tags={"gen_ai.operation.name": "chat", "gen_ai.system": "openai"})
    other = make_span("c", "a", service="http")
    look = look_at_spans(iter([[root, llm, other]] * 3), most=2)
    assert (look.traces, look.spans, list(look.services)) == (2, 6, ["shop", "http"])
    assert look.sentence == (
        "2 traces read (the newest), 6 spans of shop, http; conventions: OpenInference 2, OTel GenAI 2"
    )


def test_an_empty_store_and_unknown_spans(make_span: Callable[..., Span]) -> None:
    assert look_at_spans([]).sentence == "no trace"
    assert look_at_spans([[make_span("a")]]).sentence.endswith("1 span; conventions: none that is known")
