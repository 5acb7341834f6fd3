"""Where an agent runs, by the attributes of its spans and of the service that wrote them: environment, service,
session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class Place(NamedTuple):
    """Where a run was, by its spans: empty where they leave it open."""

    deployment: str
    project: str
    service: str

    @property
    def environment(self) -> str:
        """The deployment's environment, else the project, else the service, else "default"."""
        return self.deployment or self.project or self.service or DEFAULT_ENVIRONMENT

    def filled_from(self, other: Place) -> Place:
        """This place, with its empty parts filled from ``other``."""
        return Place(*(own or theirs for own, theirs in zip(self, other, strict=True)))


def place_of(spans: Sequence[Span]) -> Place:
    """The place of a run by its ``spans``: of each part the first that is not empty."""
    return Place(_first(spans, _ENVIRONMENTS) or "", _first(spans, _PROJECTS) or "", service_of(spans))


def service_of(spans: Iterable[Span]) -> str:
    """The name of the first service that has one, else an empty text."""
    for span in spans:
        name = read_filled(span.service) or read_filled(span.resource.get("service.name"))
        if name and not name.startswith(_UNKNOWN):
            return name.strip()[:_LONGEST]
    return ""


def session_of(spans: Iterable[Span]) -> str | None:
    """The conversation that a run is a part of, None where no span names one."""
    return _first(spans, _SESSIONS)


def agent_id(environment: str, service: str, name: str) -> str:
    """The id of an agent: ``environment/service/name``, "-" where no service has a name; the same in every report."""
    written = "/".join((_part(environment), _part(service) or "-", name))
    return read_id(written) or written


def _part(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


def _first(spans: Iterable[Span], keys: tuple[str, ...]) -> str | None:
    for span in spans:
        # Instrumentations write defaults of their own on spans (OpenLIT: the environment "default").
        for attributes in (span.resource, span.tags):
            if attributes:
                for key in keys:
                    if found := read_filled(attributes.get(key)):
                        return found.strip()[:_LONGEST]
    return None
