"""Without a trace the tool calls of the source are kept, and shown where a run is."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deployments.tool_calls import describe_calls
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Run, ToolCall
from tasks.judge.rubric import Criteria
from tasks.report.build import ReportDraft, build_rows
from tasks.report.plan import ReportPlan
from tasks.settings import ReportOptions
from tasks.warehouse.sql import open_warehouse

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def stored_run(tmp_path: Path) -> Any:
    """The stored row of a run with these tool calls and no trace."""

    def store(*calls: ToolCall) -> dict[str, Any]:
        agent = Agent(id="1", name="bot", environment="prod")
        started = _NOW - timedelta(hours=1)
        run = Run(id="7", agent_id="1", status="completed", outcome="completed", started_at=started, tool_calls=calls)
        evidence = build_evidence(agent, AgentRuns(runs=(run,)), (), RunPrices({}))
        warehouse = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
        report_id = warehouse.create_report({"environment": "prod"})
        plan = ReportPlan(
            id=report_id,
            environment="prod",
            name="",
            criteria=Criteria(),
            options=ReportOptions(),
            evidence_until=_NOW,
            started_at=_NOW,
        )
        findings = ReportDraft(agents=[agent], chosen=frozenset({"1"}), evidence={"1": evidence})
        rows = build_rows(plan, findings)
        warehouse.write_report(report_id, {"status": "completed"}, (), (), rows.runs)
        (row,) = warehouse.load_runs(report_id)
        return row

    return store


def _shown(run: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200)
    for line in describe_calls(run):
        console.print(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_calls_of_the_source_are_stored_and_shown_without_a_trace(stored_run: Any) -> None:
    row = stored_run(
        ToolCall(name="fetch_invoice", arguments='{"id": 4711}', result="12.50 EUR"),
        ToolCall(name="pay\x1b[2J", error="declined"),
    )
    assert row["telemetry"] is None
    shown = _shown(row)
    assert "No trace of this run. The source has 2 tool calls:" in shown
    assert '  fetch_invoice {"id": 4711} → 12.50 EUR' in shown
    assert "✗ declined" in shown
    assert "\x1b" not in shown


def test_of_many_calls_the_first_are_shown_and_the_rest_counted(stored_run: Any) -> None:
    row = stored_run(*[ToolCall(name=f"call-{number}", result="x" * 5_000) for number in range(70)])
    assert row["tool_calls"]["left_out"] == 20
    assert max(len(call["result"]) for call in row["tool_calls"]["calls"]) <= 300
    shown = _shown(row)
    assert "The source has 70 tool calls:" in shown
    assert "call-11" in shown
    assert "call-12" not in shown
    assert "and 58 more" in shown


@pytest.mark.parametrize(
    ("parts", "heading"),
    [
        ({"llm_calls": 3, "tool_calls_from": "spans"}, "Trace: 3 LLM calls, 0 tool calls, 0 errors"),
        ({"llm_calls": None}, "Trace: LLM calls unknown, tool calls unknown, 0 errors"),
        (
            {"llm_calls": 1, "tool_calls": [{"name": "a", "arguments": None, "result": None, "error": None}]},
            "Trace: 1 LLM call, 1 tool call, 0 errors",
        ),
    ],
)
def test_what_a_trace_does_not_record_is_unknown(parts: dict[str, Any], heading: str) -> None:
    telemetry = {"tool_calls": [], "tool_calls_left_out": 0, "errors": 0, "wall_seconds": 4.0, "tool_calls_from": None}
    assert heading in _shown({"telemetry": telemetry | parts})


def test_no_call_anywhere_is_stated(stored_run: Any) -> None:
    row = stored_run()
    assert row["tool_calls"] is None
    assert "No trace of this run, and no tool call in the source." in _shown(row)
