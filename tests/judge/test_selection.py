"""What of the evidence a judgement sees, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.types import Evidence, Run, SpanCall, TelemetrySummary, ToolCall, Trace
from tasks.judge.prompts import render_agent
from tasks.judge.selection import DEFAULT_BUDGET_TOKENS, clip, estimate_tokens, select_run, select_runs

MakeRun = Callable[..., Run]
MakeEvidence = Callable[..., Evidence]


def telemetry(*calls: SpanCall) -> TelemetrySummary:
    seconds = dict.fromkeys(("wall_seconds", "llm_seconds", "tool_seconds", "other_seconds"), 1.0)
    return TelemetrySummary(spans=3, roots=1, orphans=0, depth=2, llm_calls=1, tool_calls=calls, **seconds)


@pytest.mark.parametrize("text", [None, "", "short", "x" * 70])
def test_short_texts_are_left_alone(text: str | None) -> None:
    assert clip(text, 70) == (text or "")


def test_long_texts_keep_head_and_tail_and_say_how_much_is_missing() -> None:
    clipped = clip("H" * 1000 + "T" * 1000, 90)
    assert clipped.startswith("H" * 60 + " [… 1,910 characters left out] ")
    assert clipped.endswith("T" * 30)
    assert len(clipped) < 130


@pytest.mark.parametrize("limit", [0, 1, 2, 10, 40])
def test_clipping_never_makes_a_text_longer(limit: int) -> None:
    for length in range(120):
        text = "x" * length
        assert len(clip(text, limit)) <= length


def test_tokens_are_estimated_from_bytes() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("a" * 250) == 100
    assert estimate_tokens("漢" * 250) == 300
    assert estimate_tokens("\ud800") == 0


def test_only_finished_runs_newest_first(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    runs = [make_run(1), make_run(2, status="running"), make_run(3, status="failed")]
    assert [excerpt.run.id for excerpt in select_runs(make_evidence(runs))] == [1, 3]
    assert select_runs(make_evidence([make_run(1, status="running")])) == []
    assert select_runs(make_evidence([])) == []


def test_one_run(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(1), make_run(2, status="running")])
    excerpt = select_run(evidence, 1, 500)
    assert excerpt is not None
    assert excerpt.task == "Task 1"
    assert select_run(evidence, 2, 500) is None
    assert select_run(evidence, 99, 500) is None


@pytest.mark.parametrize("count", [1, 20, 150, 1000])
def test_the_budget_holds_however_large_and_many_the_runs_are(
    count: int, make_run: MakeRun, make_evidence: MakeEvidence
) -> None:
    calls = tuple(ToolCall(name="n" * 300, arguments="a" * 9000, result="r" * 9000) for _ in range(60))
    texts = {"task": "t" * 90_000, "final_response": "f" * 90_000, "error": "e" * 90_000, "tool_calls": calls}
    evidence = make_evidence([make_run(n, status="failed", **texts) for n in range(1, count + 1)])
    excerpts = select_runs(evidence)
    assert excerpts[0].run.id == 1
    assert estimate_tokens(render_agent(evidence, excerpts)) < 2 * DEFAULT_BUDGET_TOKENS


def test_of_too_many_runs_the_newest_are_shown_and_it_is_said(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(n) for n in range(1, 501)])
    excerpts = select_runs(evidence)
    assert [excerpt.run.id for excerpt in excerpts] == list(range(1, 101))
    assert "## Runs shown: 100 of 500, newest first" in render_agent(evidence, excerpts)


def test_calls_that_are_not_shown_are_counted(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    run = make_run(1, tool_calls=tuple(ToolCall(name=f"tool-{n}") for n in range(100)))
    [excerpt] = select_runs(make_evidence([run]))
    assert [call.name for call in excerpt.calls] == [f"tool-{n}" for n in range(40)]
    assert excerpt.calls_left_out == 60


def test_calls_come_from_the_row_or_else_from_the_trace(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    span = SpanCall(name="spanned", start_seconds=0, duration_seconds=1.5, error="late", result="r")
    trace = Trace(run_id=1, state="complete", telemetry=telemetry(span))
    [excerpt] = select_runs(make_evidence([make_run(1)], traces=[trace]))
    [call] = excerpt.calls
    assert (call.name, call.duration_seconds, call.error, call.result, call.arguments) == (
        "spanned",
        1.5,
        "late",
        "r",
        "",
    )
    with_row = make_run(1, tool_calls=(ToolCall(name="rowed", arguments="a"),))
    [excerpt] = select_runs(make_evidence([with_row], traces=[trace]))
    assert [(call.name, call.duration_seconds) for call in excerpt.calls] == [("rowed", None)]
