"""Verdicts as annotations of Phoenix, sent to a server on loopback that speaks its API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from tasks.errors import SourceError
from tasks.sources.opening import SourceSettings, open_source
from tasks.sources.spans.notes import Note, NoteStore, Written

_TRACE, _SPAN = "a" * 32, "b" * 16
_SECRET = "s3cret-word"
LoopbackUrl = Callable[[Callable[[httpx.Request], httpx.Response]], str]


class _Phoenix:
    """Annotations by place, name and identifier; a request with an unknown place is refused as a whole."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        self.requests: list[int] = []
        self.places = {_TRACE, _SPAN}
        self.refusal: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        kind = {"/v1/trace_annotations": "trace_id", "/v1/span_annotations": "span_id"}[request.url.path]
        assert request.method == "POST"
        assert request.url.params["sync"] == "true"
        rows = orjson.loads(request.content)["data"]
        self.requests.append(len(rows))
        if self.refusal is not None:
            return self.refusal
        if any(row[kind] not in self.places for row in rows):
            return httpx.Response(404, text="Traces with IDs do not exist.")
        for row in rows:
            assert row["annotator_kind"] == "LLM"
            self.kept[kind, row[kind], row["name"], row["identifier"]] = row
        return httpx.Response(200, json={"data": [{"id": "x"} for _ in rows]})


@pytest.fixture
def phoenix() -> _Phoenix:
    return _Phoenix()


@pytest.fixture
def notes(phoenix: _Phoenix, loopback_url_of: LoopbackUrl) -> NoteStore:
    source = open_source(f"phoenix+http://user:{_SECRET}@{loopback_url_of(phoenix)}", SourceSettings())
    found = source.note_store()
    assert found is not None
    return found


def test_a_verdict_is_an_annotation_and_replaces_the_one_before(phoenix: _Phoenix, notes: NoteStore) -> None:
    first = [
        Note(_TRACE, "agent_report.success", "no", 0.0, "wrong account", metadata={"report_id": "1"}),
        Note(_TRACE, "agent_report.accuracy", "cannot tell", None),
        Note(_TRACE, "agent_report.success", "yes", 1.0, span_id=_SPAN),
    ]
    assert notes.write(first) == notes.write(first) == Written(3, 0)
    assert len(phoenix.kept) == 3
    assert phoenix.kept["trace_id", _TRACE, "agent_report.success", "agent-report"] == {
        "trace_id": _TRACE,
        "name": "agent_report.success",
        "annotator_kind": "LLM",
        "result": {"label": "no", "score": 0.0, "explanation": "wrong account"},
        "metadata": {"report_id": "1"},
        "identifier": "agent-report",
    }
    assert phoenix.kept["trace_id", _TRACE, "agent_report.accuracy", "agent-report"]["result"] == {
        "label": "cannot tell"
    }
    assert phoenix.kept["span_id", _SPAN, "agent_report.success", "agent-report"]["result"]["score"] == 1.0


def test_a_trace_that_is_gone_takes_no_other_with_it(phoenix: _Phoenix, notes: NoteStore) -> None:
    gone = Note("c" * 32, "agent_report.success", "no", 0.0)
    written = notes.write([Note(_TRACE, f"agent_report.c{number}", "pass", 1.0) for number in range(150)] + [gone])
    assert written == Written(150, 1)
    assert phoenix.requests == [100, 51, *[1] * 51]


def test_a_refusal_names_no_secret(phoenix: _Phoenix, notes: NoteStore) -> None:
    for status in (401, 403, 422):
        phoenix.refusal = httpx.Response(status, json={"message": f"no rights for {_SECRET}"})
        with pytest.raises(SourceError) as refused:
            notes.write([Note(_TRACE, "agent_report.success", "no", 0.0)])
        assert str(status) in str(refused.value)
        assert _SECRET not in str(refused.value)
        assert _SECRET not in notes.describe()
