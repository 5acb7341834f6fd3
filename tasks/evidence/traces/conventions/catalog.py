"""All conventions, and which of them a span follows."""

from __future__ import annotations

from tasks.evidence.traces.conventions.convention import Convention
from tasks.evidence.traces.conventions.frameworks.crewai import CREWAI
from tasks.evidence.traces.conventions.frameworks.google_adk import GOOGLE_ADK
from tasks.evidence.traces.conventions.frameworks.haystack import HAYSTACK
from tasks.evidence.traces.conventions.frameworks.litellm import LITELLM
from tasks.evidence.traces.conventions.frameworks.llama_index import LLAMA_INDEX
from tasks.evidence.traces.conventions.frameworks.pydantic_ai import PYDANTIC_AI
from tasks.evidence.traces.conventions.frameworks.smolagents import SMOLAGENTS
from tasks.evidence.traces.conventions.frameworks.station import STATION
from tasks.evidence.traces.conventions.frameworks.strands import STRANDS
from tasks.evidence.traces.conventions.frameworks.vercel_ai import VERCEL_AI
from tasks.evidence.traces.conventions.platforms.langfuse import LANGFUSE
from tasks.evidence.traces.conventions.platforms.langsmith import LANGSMITH
from tasks.evidence.traces.conventions.platforms.logfire import LOGFIRE
from tasks.evidence.traces.conventions.platforms.mlflow import MLFLOW
from tasks.evidence.traces.conventions.standards.genkit import GENKIT
from tasks.evidence.traces.conventions.standards.mcp import MCP
from tasks.evidence.traces.conventions.standards.openinference import OPENINFERENCE
from tasks.evidence.traces.conventions.standards.openllmetry import OPENLLMETRY
from tasks.evidence.traces.conventions.standards.otel_genai import OTEL_GENAI, OTEL_GENAI_UNNAMED
from tasks.evidence.traces.spans import Span

OWN = (
    CREWAI,
    GOOGLE_ADK,
    HAYSTACK,
    LANGFUSE,
    LANGSMITH,
    LITELLM,
    LLAMA_INDEX,
    LOGFIRE,
    MLFLOW,
    PYDANTIC_AI,
    SMOLAGENTS,
    STATION,
    STRANDS,
    VERCEL_AI,
)
"""Of one framework or platform, often on top of a shared one. At most one of them knows a span, so the order of these
has no meaning."""
SHARED = (MCP, OPENLLMETRY, OTEL_GENAI, OPENINFERENCE, GENKIT, OTEL_GENAI_UNNAMED)
"""What the own ones build on, asked after them. Instrumentations mix them: the first that knows a part decides."""

_RANKED = (*OWN, *SHARED)
_RANKS = {id(convention): rank for rank, convention in enumerate(_RANKED)}
_BY_MARK: dict[str, list[Convention]] = {}
_BY_SCOPE: dict[str, list[Convention]] = {}
for _convention in _RANKED:
    for _mark in _convention.marks:
        _BY_MARK.setdefault(_mark, []).append(_convention)
    for _scope in _convention.scopes:
        _BY_SCOPE.setdefault(_scope, []).append(_convention)
_NAMED = [convention for convention in _RANKED if convention.names is not None]


def conventions_of(span: Span) -> tuple[Convention, ...]:
    """The conventions that ``span`` follows, in the order in which they are asked; none is empty."""
    tags = span.tags
    found: dict[int, Convention] = {}
    # The views' intersection walks the smaller side in C: most spans have a dozen attributes.
    for mark in _BY_MARK.keys() & tags.keys():
        for convention in _BY_MARK[mark]:
            found[_RANKS[id(convention)]] = convention
    scope = tags.get("otel.scope.name")
    for convention in _BY_SCOPE.get(scope, ()) if isinstance(scope, str) else ():
        found[_RANKS[id(convention)]] = convention
    for convention in _NAMED:
        if convention.names is not None and convention.names(span.operation):
            found[_RANKS[id(convention)]] = convention
    if not found:
        return ()
    ranked = [found[rank] for rank in sorted(found)]
    return tuple(each for each in ranked if each.matches is None or each.matches(span))
