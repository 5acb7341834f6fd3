"""All conventions, and which of them a span follows."""

from __future__ import annotations

from functools import lru_cache

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
_BY_MARK: dict[str, list[Convention]] = {}
_BY_SCOPE: dict[str, list[Convention]] = {}
for _convention in _RANKED:
    for _mark in _convention.marks:
        _BY_MARK.setdefault(_mark, []).append(_convention)
    for _scope in _convention.scopes:
        _BY_SCOPE.setdefault(_scope, []).append(_convention)
MARKS = frozenset(_BY_MARK)
"""The attributes by which spans of agents are recognised."""
SCOPES = frozenset(_BY_SCOPE)
"""The instrumentations by which they are."""
_NAMED = tuple((convention, convention.names) for convention in _RANKED if convention.names is not None)


def conventions_of(span: Span) -> tuple[Convention, ...]:
    """The conventions that ``span`` follows, in the order in which they are asked; none is empty."""
    tags = span.tags
    scope = tags.get("otel.scope.name")
    # The views' intersection walks the smaller side in C: most spans have a dozen attributes.
    marks = frozenset(_BY_MARK.keys() & tags.keys())
    named = tuple(convention for convention, names in _NAMED if names(span.operation))
    return _conventions(marks, scope if isinstance(scope, str) and scope in _BY_SCOPE else None, named)


@lru_cache(maxsize=512)
def _conventions(marks: frozenset[str], scope: str | None, named: tuple[Convention, ...]) -> tuple[Convention, ...]:
    found = {*named, *_BY_SCOPE.get(scope or "", ()), *(each for mark in marks for each in _BY_MARK[mark])}
    return tuple(each for each in _RANKED if each in found)
