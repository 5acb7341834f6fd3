"""Where an agent runs, by the attributes of its spans and of the service that wrote them: environment, service,
session."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.evidence.ids import read_id
from tasks.evidence.traces.spans import Span
from tasks.evidence.values import read_filled

DEFAULT_ENVIRONMENT = "default"

_ENVIRONMENTS = (
    "deployment.environment.name",
    "deployment.environment",
    "langfuse.environment",
    "traceloop.association.properties.environment",
)
_PROJECTS = ("openinference.project.name", "langsmith.trace.session_name", "project.name")
_SESSIONS = (
    *("gen_ai.conversation.id", "session.id", "langfuse.session.id", "langsmith.metadata.session_id"),
    *("langsmith.metadata.thread_id", "langsmith.metadata.conversation_id", "langsmith.trace.session_id"),
    *("mlflow.trace.session", "thread.id", "conversation.id"),
    *(f"traceloop.association.properties.{name}" for name in ("session_id", "conversation_id", "thread_id", "chat_id")),
    *(f"ai.telemetry.metadata.{name}" for name in ("sessionId", "conversationId", "threadId", "chatId")),
    *("genkit:sessionId", "ag2.conversation.id"),
)
_LONGEST = 200
# What SDKs write for a service without a name.
_UNKNOWN = "unknown_service"


def environment_of(spans: Iterable[Span]) -> str:
    """The environment of a run by its ``spans``, those that count most first.

    ``deployment.environment.name`` or ``deployment.environment``, else the platform's; else the project's name, else
    the service's; "default" where nothing says.
    """
    listed = list(spans)
    for keys in (_ENVIRONMENTS, _PROJECTS):
        if found := _first(listed, keys):
            return found
    return service_of(listed) or DEFAULT_ENVIRONMENT


def service_of(spans: Iterable[Span]) -> str:
    """The name of the first service that has one, else an empty text."""
    for span in spans:
        name = read_filled(span.service) or read_filled(span.resource.get("service.name"))
        if name and not name.startswith(_UNKNOWN):
            return name.strip()[:_LONGEST]
    return ""


def session_of(spans: Iterable[Span]) -> str | None:
    """The conversation that a run is a part of, None where no span says."""
    return _first(spans, _SESSIONS)


def agent_id(environment: str, service: str, name: str) -> str:
    """The id of an agent: ``environment/service/name``, "-" where no service has a name; the same in every report."""
    written = "/".join((_part(environment), _part(service) or "-", name))
    return read_id(written) or written


def _part(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


def _first(spans: Iterable[Span], keys: tuple[str, ...]) -> str | None:
    for span in spans:
        for attributes in (span.tags, span.resource):
            if attributes:
                for key in keys:
                    if found := read_filled(attributes.get(key)):
                        return found.strip()[:_LONGEST]
    return None
