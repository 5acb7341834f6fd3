"""The verdicts of a report as notes on the traces of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from tasks.errors import SourceError
from tasks.report.notes import build_notes, write_notes
from tasks.report.rows import RunRow
from tasks.sources.spans.notes import Note, Written
from tasks.sources.spans.runs import run_id_of

_TRACE, _SPAN = "a" * 32, "b" * 16


def _run(**values: Any) -> RunRow:
    row = dict.fromkeys(RunRow.__annotations__)
    known = {"run_id": run_id_of(_TRACE, _SPAN), "trace_id": _TRACE, "verdict": "yes", "unstable": False}
    return cast(RunRow, row | known | values)


def _notes(*runs: RunRow, inner: Sequence[str] = ()) -> list[Note]:
    return build_notes(runs, inner, 12, "gpt-5.4")


def test_a_run_has_a_note_on_success_and_one_for_each_check() -> None:
    quote = {"run_id": "1", "label": "R1.3", "span_id": None, "quote": "Error: not yours"}
    run = _run(
        verdict="no",
        checks={"accuracy": "fail", "efficiency": "pass", "odd": "perhaps", "tone": "cannot_tell"},
        failure_mode="wrong account refunded",
        failure_step="R1.3",
        verdict_evidence=[quote],
        unstable=True,
    )
    found = _notes(run)
    assert [(note.name, note.label, note.score) for note in found] == [
        ("agent_report.success", "no", 0.0),
        ("agent_report.accuracy", "fail", 0.0),
        ("agent_report.efficiency", "pass", 1.0),
        ("agent_report.tone", "cannot tell", None),
    ]
    assert found[0].explanation == (
        "wrong account refunded; perhaps at step 3; the judge's samples disagree; “Error: not yours”"
    )
    assert {(note.trace_id, note.span_id) for note in found} == {(_TRACE, None)}
    assert found[0].metadata == {"judge_model": "gpt-5.4", "report_id": "12"}


@pytest.mark.parametrize("values", [{"verdict": None}, {"trace_id": None}, {"verdict": "maybe"}])
def test_without_a_usable_verdict_or_a_trace_there_is_no_note(values: dict[str, Any]) -> None:
    assert _notes(_run(**values)) == []


def test_a_run_that_shares_its_trace_has_its_notes_on_its_own_span() -> None:
    run, other = _run(), _run(run_id=run_id_of(_TRACE, "c" * 16))
    assert [note.span_id for note in _notes(run, other)] == [_SPAN, "c" * 16]
    assert [note.span_id for note in _notes(run, inner=[run["run_id"]])] == [_SPAN]
    assert _notes(_run(run_id="7"), inner=["7"]) == [], "on the whole trace it would be a verdict on others"
    assert [note.span_id for note in _notes(_run(run_id="7"))] == [None]


def test_the_key_of_a_note_is_that_of_its_place_and_name() -> None:
    [first], [second], [other] = _notes(_run()), _notes(_run(verdict="no")), _notes(_run(trace_id="d" * 32))
    assert first.key == second.key
    assert first.key != other.key
    assert len(first.key) == 32


class _Store:
    def __init__(self, missing: int = 0) -> None:
        self.missing = missing

    def describe(self) -> str:
        return "Phoenix at http://localhost:6006"

    def write(self, notes: Sequence[Note]) -> Written:
        return Written(len(notes) - self.missing, self.missing)


def test_what_happened_is_one_sentence() -> None:
    notes = _notes(_run(checks={"accuracy": "pass"}))
    assert write_notes(_Store(), notes) == ("2 verdicts on 1 run were published to Phoenix at http://localhost:6006")
    assert write_notes(_Store(missing=1), notes).endswith("localhost:6006; 1 verdict had no trace there")
    assert write_notes(_Store(), []) == "No verdict was published: no run has both a verdict and a trace"
    with pytest.raises(SourceError, match="keeps no verdicts"):
        write_notes(None, notes)
