"""Verdicts as assessments of MLflow, sent to a server on loopback that speaks its API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from tasks.errors import SourceError
from tasks.sources.opening import SourceSettings, open_source
from tasks.sources.spans.notes import Note, NoteStore, Written

_TRACE = "a" * 32
_PATH = f"/api/3.0/mlflow/traces/tr-{_TRACE}"
_SECRET = "s3cret-word"
LoopbackUrl = Callable[[Callable[[httpx.Request], httpx.Response]], str]


class _Mlflow:
    """One trace, to which every POST adds an assessment, even one that is there."""

    def __init__(self) -> None:
        self.assessments: list[dict[str, Any]] = [
            {
                "assessment_id": "a-0",
                "assessment_name": "agent_report.success",
                "source": {"source_type": "HUMAN", "source_id": "ann"},
                "feedback": {"value": "yes"},
            }
        ]
        self.asked: Counter[str] = Counter()
        self.broken = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked[request.method] += 1
        path = request.url.path
        if not path.startswith(_PATH):
            return httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no trace"})
        if request.method == "GET":
            return httpx.Response(200, json={"trace": {"trace_info": {"assessments": self.assessments}}})
        body = orjson.loads(request.content)
        if self.broken:
            return httpx.Response(500, json={"message": f"who is {_SECRET}"})
        if request.method == "POST":
            assert path == f"{_PATH}/assessments"
            made = {"assessment_id": f"a-{len(self.assessments)}", **body["assessment"]}
            self.assessments.append(made)
            return httpx.Response(200, json={"assessment": made})
        assert request.method == "PATCH"
        [kept] = [one for one in self.assessments if path == f"{_PATH}/assessments/{one['assessment_id']}"]
        kept.update({name: body["assessment"].get(name) for name in body["update_mask"].split(",")})
        return httpx.Response(200, json={"assessment": kept})


@pytest.fixture
def mlflow() -> _Mlflow:
    return _Mlflow()


@pytest.fixture
def notes(mlflow: _Mlflow, loopback_url_of: LoopbackUrl) -> NoteStore:
    source = open_source(f"mlflow+http://user:{_SECRET}@{loopback_url_of(mlflow)}", SourceSettings())
    found = source.note_store()
    assert found is not None
    return found


def _note(label: str, **parts: Any) -> Note:
    return Note(_TRACE, "agent_report.success", label, None, metadata={"report_id": "1"}, **parts)


def test_a_verdict_is_an_assessment_and_replaces_the_one_before(mlflow: _Mlflow, notes: NoteStore) -> None:
    assert notes.write([_note("no", explanation="wrong account"), _note("yes", span_id="b" * 16)]) == Written(2, 0)
    assert mlflow.assessments[1] == {
        "assessment_id": "a-1",
        "assessment_name": "agent_report.success",
        "trace_id": f"tr-{_TRACE}",
        "source": {"source_type": "LLM_JUDGE", "source_id": "agent-report"},
        "feedback": {"value": "no"},
        "rationale": "wrong account",
        "metadata": {"report_id": "1"},
    }
    assert notes.write([_note("yes"), _note("yes", span_id="b" * 16)]) == Written(2, 0)
    assert [one["feedback"]["value"] for one in mlflow.assessments] == ["yes", "yes", "yes"]
    assert mlflow.assessments[0]["source"]["source_id"] == "ann", "what a person wrote stays"
    assert mlflow.asked == {"GET": 2, "POST": 2, "PATCH": 1}, "an unchanged one is not sent again"


def test_a_trace_that_is_gone_is_counted(mlflow: _Mlflow, notes: NoteStore) -> None:
    assert notes.write([Note("c" * 32, "n", "yes", 1.0), _note("yes")]) == Written(1, 1)


def test_a_new_assessment_is_sent_once_only(mlflow: _Mlflow, notes: NoteStore) -> None:
    mlflow.broken = True
    with pytest.raises(SourceError) as refused:
        notes.write([_note("no")])
    assert mlflow.asked["POST"] == 1, "it may have been written although no answer came"
    assert _SECRET not in str(refused.value)
