from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.evidence.population.sessions import merge_session
from tasks.evidence.types import Run, ToolCall

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_run(number: int, **values: Any) -> Run:
    started = START + timedelta(minutes=number)
    fields: dict[str, Any] = {
        "id": str(number),
        "agent_id": "1",
        "status": "completed",
        "outcome": "completed",
        "started_at": started,
        "completed_at": started + timedelta(seconds=10),
        "duration_seconds": 10.0,
        "session_id": "s",
        "task": f"ask {number}",
        "final_response": f"answer {number}",
        "tool_calls": (ToolCall(name=f"tool {number}"),),
        "input_tokens": 100,
        "model_name": "m",
        "trace_id": f"{number}",
    }
    return Run(**(fields | values))


def test_a_conversation_is_what_was_asked_done_and_answered_in_order() -> None:
    steps = '[{"role": "assistant", "content": "looking"}]'
    runs = [
        make_run(2, status="failed", outcome="failed", error="lost", succeeded=False),
        make_run(1, execution_steps=steps, cost_usd=0.5),
    ]
    merged = merge_session("s", runs)
    assert (merged.id, merged.status, merged.outcome, merged.error) == ("s", "failed", "failed", "lost")
    assert (merged.task, merged.final_response, merged.succeeded) == ("ask 1", "answer 2", False)
    assert (merged.started_at, merged.completed_at) == (runs[1].started_at, runs[0].completed_at)
    assert (merged.duration_seconds, merged.input_tokens, merged.output_tokens) == (20.0, 200, None)
    # Of one run the cost is unknown, and so is that of both.
    assert (merged.cost_usd, merged.model_name, merged.trace_id) == (None, "m", None)
    assert [call.name for call in merged.tool_calls] == ["tool 1", "tool 2"]
    assert json.loads(merged.execution_steps or "") == [
        {"role": "assistant", "content": "looking"},
        {"role": "assistant", "content": "answer 1"},
        {"role": "user", "content": "ask 2"},
    ]


def test_a_conversation_that_goes_on_is_unfinished() -> None:
    runs = [make_run(1), make_run(2, status="running", outcome="unfinished", left_out_for="status", completed_at=None)]
    merged = merge_session("s", runs)
    assert (merged.outcome, merged.left_out_for) == ("unfinished", "status")


def test_a_run_alone_is_its_conversation() -> None:
    run = make_run(1)
    assert merge_session("s", [run]) == run.model_copy(update={"id": "s"})
