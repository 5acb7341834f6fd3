"""Notes as assessments of MLflow 3, which adds one at every request: those that are there are read first.

https://mlflow.org/docs/latest/genai/assessments/feedback/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tasks.sources.spans.api import StoreApi, dicts
from tasks.sources.spans.notes import AUTHOR, Note, Written

_TRACES = "/api/3.0/mlflow/traces"
_PREFIX = "tr-"


class MlflowAssessments:
    """The assessments of an MLflow server as a store of notes (see ``NoteStore``)."""

    def __init__(self, api: StoreApi) -> None:
        self._api = api

    def describe(self) -> str:
        """Where MLflow is, without credentials."""
        return f"MLflow at {self._api.base_url}"

    def write(self, notes: Sequence[Note]) -> Written:
        """Write ``notes``, trace by trace: new ones, and those that differ from before."""
        missing = 0
        for trace_id in dict.fromkeys(note.trace_id for note in notes):
            of_trace = [note for note in notes if note.trace_id == trace_id]
            own_id = trace_id if trace_id.startswith(_PREFIX) else _PREFIX + trace_id
            path = f"{_TRACES}/{quote(own_id, safe='')}"
            found = self._api.find(path)
            if found is None:
                missing += len(of_trace)
                continue
            known = _assessments(found)
            missing += sum(not self._put(path, note, own_id, known) for note in of_trace)
        return Written(len(notes) - missing, missing)

    def _put(self, path: str, note: Note, trace_id: str, known: Sequence[Mapping[str, Any]]) -> bool:
        wanted = _assessment(note, trace_id)
        before = next((one for one in known if _is_of(one, note)), None)
        if before is None:
            # Once only: that no answer came need not mean that nothing was written.
            return self._api.write("POST", f"{path}/assessments", {"assessment": wanted}, attempts=1) is not None
        if all(before.get(name) == wanted.get(name) for name in ("feedback", "rationale", "metadata")):
            return True
        identity = str(before["assessment_id"])
        body = {"assessment": wanted | {"assessment_id": identity}, "update_mask": "feedback,rationale,metadata"}
        return self._api.write("PATCH", f"{path}/assessments/{quote(identity, safe='')}", body) is not None


def _assessments(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    trace = answer.get("trace")
    info = trace.get("trace_info") if isinstance(trace, dict) else None
    return dicts(info.get("assessments")) if isinstance(info, dict) else []


def _is_of(assessment: Mapping[str, Any], note: Note) -> bool:
    source = assessment.get("source")
    return (
        bool(assessment.get("assessment_id"))
        and assessment.get("assessment_name") == note.name
        and isinstance(source, dict)
        and source.get("source_id") == AUTHOR
        and (assessment.get("span_id") or None) == note.span_id
        and assessment.get("valid") is not False
    )


def _assessment(note: Note, trace_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "assessment_name": note.name,
        "trace_id": trace_id,
        "source": {"source_type": "LLM_JUDGE", "source_id": AUTHOR},
        "feedback": {"value": note.label},
        "metadata": dict(note.metadata),
    }
    if note.span_id is not None:
        found["span_id"] = note.span_id
    if note.explanation:
        found["rationale"] = note.explanation
    return found
