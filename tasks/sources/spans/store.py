"""What a store of spans does, wherever its spans are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from tasks.evidence.traces.spans import Span

SIGNALS = "agent_report.signals"
"""The attribute of a trace's outermost span with what was observed of it: a JSON array of the contract's signals."""


class SpanStore(Protocol):
    """Whole traces, read a page at a time. A span's ``service`` is its service's name, or its project's in the store.

    Every method raises SourceError, without credentials, when the store does not answer.
    """

    def check(self) -> None:
        """Ask for as little as shows that the store is there and takes the credentials."""
        ...

    def describe(self) -> str:
        """The store for messages, as ``Phoenix at http://localhost:6006``, without credentials."""
        ...

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` (None: ever) until before ``until``, both aware; none is empty.

        Newest first, as far as the store sorts: those of one project are. Pages are asked for as they are needed, and
        no trace is loaded twice.
        """
        ...

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that the store has."""
        ...

    def close(self) -> None:
        """Ends the connections."""
        ...


@runtime_checkable
class WarningStore(Protocol):
    """A store that knows what of it could not be read."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence each for the report, none when all that was asked for was read."""
        ...
