"""Notes as scores of Langfuse, which replaces one of the same id.

https://api.reference.langfuse.com/#tag/ingestion
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tasks.errors import SourceError
from tasks.sources.spans.api import StoreApi, dicts
from tasks.sources.spans.notes import Note, Written

_AT_ONCE = 100
_HEX_ID = re.compile(r"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")


class LangfuseNotes:
    """The scores of one project of Langfuse, that of the keys, as a store of notes (see ``NoteStore``)."""

    def __init__(self, api: StoreApi) -> None:
        self._api = api

    def describe(self) -> str:
        """Where Langfuse is, without the keys."""
        return f"Langfuse at {self._api.base_url}"

    def write(self, notes: Sequence[Note]) -> Written:
        """Write ``notes`` on the traces that are there: Langfuse would take a score for any id."""
        ids = {trace_id: self._own_id(trace_id) for trace_id in dict.fromkeys(note.trace_id for note in notes)}
        known = [(note, own) for note in notes if (own := ids[note.trace_id])]
        for start in range(0, len(known), _AT_ONCE):
            events = [_event(note, own) for note, own in known[start : start + _AT_ONCE]]
            answer = self._api.write("POST", "/api/public/ingestion", {"batch": events})
            if refused := dicts((answer or {}).get("errors")):
                why = refused[0].get("message") or refused[0].get("error") or refused[0].get("status")
                raise SourceError(f"{self.describe()} refused {len(refused)} of {len(events)} scores: {str(why)[:200]}")
            if answer is None:
                raise SourceError(f"{self.describe()} has no /api/public/ingestion, which takes scores")
        return Written(len(known), len(notes) - len(known))

    def _own_id(self, trace_id: str) -> str:
        """The trace's id as Langfuse has it, which can be a UUID; "" where it has no such trace."""
        match = _HEX_ID.fullmatch(trace_id)
        for written in (trace_id, *(["-".join(match.groups())] if match else [])):
            if self._api.find(f"/api/public/traces/{quote(written, safe='')}", [("fields", "core")]) is not None:
                return written
        return ""


def _event(note: Note, trace_id: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": note.key,
        "traceId": trace_id,
        "name": note.name,
        "value": note.label,
        "dataType": "CATEGORICAL",
        "metadata": dict(note.metadata),
    }
    if note.span_id is not None:
        body["observationId"] = note.span_id
    if note.explanation:
        body["comment"] = note.explanation
    # An event whose id came before is passed over.
    return {"id": str(uuid.uuid4()), "type": "score-create", "timestamp": datetime.now(UTC).isoformat(), "body": body}
