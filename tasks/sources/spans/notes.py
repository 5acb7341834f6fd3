"""Verdicts that are written back to a store of traces: the one thing that is ever written there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

AUTHOR = "agent-report"
"""Who writes the notes, as the stores are informed: they know a note again by it, by its name and by its place."""


@dataclass(frozen=True, slots=True)
class Note:
    """One verdict on a trace, or on the span ``span_id`` of it (16 hex digits).

    ``label`` is the verdict as a word, ``score`` 1 for a good one, 0 for a bad one and None for one that is neither.
    """

    trace_id: str
    name: str
    label: str
    score: float | None
    explanation: str = ""
    span_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What stays the same when the verdict changes: 32 hex digits."""
        place = f"{AUTHOR}\n{self.trace_id}\n{self.span_id or ''}\n{self.name}"
        return hashlib.sha256(place.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Written:
    """How many notes are in the store now, and how many had no trace or span there."""

    notes: int
    missing: int


class NoteStore(Protocol):
    """A store of traces that keeps notes. Writing a note again replaces it."""

    def describe(self) -> str:
        """What and where it is, without credentials."""
        ...

    def write(self, notes: Sequence[Note]) -> Written:
        """Write ``notes``; those before an error are in the store.

        Raises:
            SourceError: the store does not answer, or refuses; the reason is without credentials.
        """
        ...
