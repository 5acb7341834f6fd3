"""Notes as annotations of Phoenix, which replaces one of the same name, place and identifier.

https://arize.com/docs/phoenix/sdk-api-reference/rest-api/api-reference/traces/create-trace-annotations
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.sources.spans.api import StoreApi
from tasks.sources.spans.notes import AUTHOR, Note, Written

_AT_ONCE = 100
# Without it Phoenix answers before it knows whether the traces exist.
_SYNC = [("sync", "true")]


class PhoenixAnnotations:
    """The annotations of a Phoenix as a store of notes (see ``NoteStore``)."""

    def __init__(self, api: StoreApi) -> None:
        self._api = api

    def describe(self) -> str:
        """Where Phoenix is, without credentials."""
        return f"Phoenix at {self._api.base_url}"

    def write(self, notes: Sequence[Note]) -> Written:
        """Write ``notes`` in requests of 100; where a trace of one is not there, its notes one by one."""
        missing = 0
        for path, of_kind in (
            ("/v1/trace_annotations", [note for note in notes if note.span_id is None]),
            ("/v1/span_annotations", [note for note in notes if note.span_id is not None]),
        ):
            for start in range(0, len(of_kind), _AT_ONCE):
                batch = of_kind[start : start + _AT_ONCE]
                if not self._send(path, batch):
                    missing += sum(not self._send(path, [note]) for note in batch)
        return Written(len(notes) - missing, missing)

    def _send(self, path: str, notes: Sequence[Note]) -> bool:
        """Whether all of ``notes`` are written; if not, none is."""
        return self._api.write("POST", path, {"data": [_annotation(note) for note in notes]}, _SYNC) is not None


def _annotation(note: Note) -> dict[str, Any]:
    place = {"trace_id": note.trace_id} if note.span_id is None else {"span_id": note.span_id}
    result: dict[str, Any] = {"label": note.label}
    if note.score is not None:
        result["score"] = note.score
    if note.explanation:
        result["explanation"] = note.explanation
    return {
        **place,
        "name": note.name,
        "annotator_kind": "LLM",
        "result": result,
        "metadata": dict(note.metadata),
        "identifier": AUTHOR,
    }
