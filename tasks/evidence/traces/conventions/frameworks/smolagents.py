"""smolagents under OpenInference's instrumentation: the span of an agent's run sums up its calls."""

from __future__ import annotations

from tasks.evidence.traces.conventions.convention import Convention
from tasks.evidence.traces.conventions.standards.openinference import usage
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage
from tasks.evidence.traces.spans import Span


def _totals(span: Span) -> Usage:
    return usage(span) if span.tags.get("openinference.span.kind") == "AGENT" else UNKNOWN_USAGE


SMOLAGENTS = Convention(
    name="smolagents", scopes=frozenset({"openinference.instrumentation.smolagents"}), totals=_totals
)
