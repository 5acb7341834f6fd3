"""Verdicts as scores of Langfuse, sent to a server on loopback that speaks its API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from tasks.errors import SourceError
from tasks.sources.contract.signals import fill_from_signals
from tasks.sources.langfuse.scores import read_score
from tasks.sources.opening import SourceSettings, open_source
from tasks.sources.spans.notes import Note, NoteStore, Written

_TRACE, _UUID = "a" * 32, "12345678-1234-1234-1234-123456789abc"
_SECRET = "sk-s3cret-word"
LoopbackUrl = Callable[[Callable[[httpx.Request], httpx.Response]], str]


class _Langfuse:
    """Scores by their id; an event whose id came before is passed over."""

    def __init__(self) -> None:
        self.scores: dict[str, dict[str, Any]] = {}
        self.events: set[str] = set()
        self.error = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            known = request.url.path.removeprefix("/api/public/traces/") in (_TRACE, _UUID)
            return httpx.Response(200 if known else 404, json={"id": "x"} if known else {"message": "not found"})
        assert (request.method, request.url.path) == ("POST", "/api/public/ingestion")
        batch = orjson.loads(request.content)["batch"]
        if self.error:
            return httpx.Response(
                207, json={"successes": [], "errors": [{"id": "e", "status": 400, "message": self.error}]}
            )
        for event in batch:
            assert event["type"] == "score-create"
            if event["id"] not in self.events:
                self.events.add(event["id"])
                self.scores[event["body"]["id"]] = event["body"]
        return httpx.Response(
            207, json={"successes": [{"id": event["id"], "status": 201} for event in batch], "errors": []}
        )


@pytest.fixture
def langfuse() -> _Langfuse:
    return _Langfuse()


@pytest.fixture
def notes(langfuse: _Langfuse, loopback_url_of: LoopbackUrl) -> NoteStore:
    source = open_source(f"langfuse+http://pk:{_SECRET}@{loopback_url_of(langfuse)}", SourceSettings())
    found = source.note_store()
    assert found is not None
    return found


def test_a_verdict_is_a_score_and_replaces_the_one_before(langfuse: _Langfuse, notes: NoteStore) -> None:
    for label in ("no", "yes", "no"):
        note = Note(_TRACE, "agent_report.success", label, None, "wrong account", metadata={"report_id": "1"})
        assert notes.write([note]) == Written(1, 0)
    [score] = langfuse.scores.values()
    assert score == {
        "id": note.key,
        "traceId": _TRACE,
        "name": "agent_report.success",
        "value": "no",
        "dataType": "CATEGORICAL",
        "comment": "wrong account",
        "metadata": {"report_id": "1"},
    }


def test_each_place_and_name_has_a_score_of_its_own(langfuse: _Langfuse, notes: NoteStore) -> None:
    both = [Note(_TRACE, name, "yes", 1.0, span_id=span) for name in ("a", "b") for span in (None, "b" * 16)]
    assert notes.write(both) == Written(4, 0)
    assert {(score["name"], score.get("observationId")) for score in langfuse.scores.values()} == {
        *(("a", None), ("b", None), ("a", "b" * 16), ("b", "b" * 16)),
    }


def test_a_trace_is_found_by_its_uuid_and_one_that_is_gone_is_counted(langfuse: _Langfuse, notes: NoteStore) -> None:
    written = notes.write([Note(trace, "n", "yes", 1.0) for trace in (_UUID.replace("-", ""), "c" * 32, "c" * 32)])
    assert written == Written(1, 2)
    assert [score["traceId"] for score in langfuse.scores.values()] == [_UUID]


def test_an_error_in_the_answer_is_an_error(langfuse: _Langfuse, notes: NoteStore) -> None:
    langfuse.error = "invalid score"
    with pytest.raises(SourceError, match="refused 1 of 1 scores: invalid score") as refused:
        notes.write([Note(_TRACE, "n", "yes", 1.0)])
    assert _SECRET not in str(refused.value)


def test_a_verdict_of_ours_does_not_come_back_as_an_outcome() -> None:
    row = {"name": "agent_report.success", "string_value": "yes", "data_type": "CATEGORICAL", "source": "API"}
    signal = read_score(row)
    assert signal is not None
    assert "succeeded" not in fill_from_signals({"id": "1"}, [signal])
