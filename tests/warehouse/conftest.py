"""A fresh warehouse on each database, a report's worth of rows, and processes that start together."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from tasks.evidence.types import (
    AgentTelemetry,
    CriticalPath,
    DayFigures,
    FailurePattern,
    IssueRun,
    RepeatedCall,
    RunRef,
    SlowSpan,
    SourceCalls,
    SpanCall,
    TelemetrySummary,
    ToolCall,
    ToolUsage,
    TraceCounts,
    VerdictCounts,
    WaterfallSpan,
)
from tasks.warehouse.migrations import REVISIONS
from tasks.warehouse.sql import Warehouse, open_warehouse

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that is not there yet, in a folder that is not there yet."""
    return f"sqlite:///{tmp_path}/data/warehouse.db"


@pytest.fixture(params=["sqlite", "postgres"])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def earlier_url(warehouse_url: str, fill_earlier: Callable[[str], None]) -> str:
    """The warehouse of version 452c3d9 (schema 0003), as it left it."""
    fill_earlier(warehouse_url)
    return warehouse_url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, bring_to: Callable[[str, str], None]) -> Path:
    """A SQLite file that went through all revisions, to copy: a new one is made without them."""
    file = tmp_path_factory.mktemp("migrated") / "warehouse.db"
    bring_to(f"sqlite:///{file}", REVISIONS[-1])
    return file


@pytest.fixture(scope="session")
def migrated_database(make_database: Callable[[], AbstractContextManager[URL]]) -> Iterator[URL]:
    """The same as a PostgreSQL database."""
    with make_database() as url:
        open_warehouse(url).close()
        yield url


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, warehouse_url: str) -> Iterator[Warehouse]:
    """An empty warehouse at ``warehouse_url``."""
    url = make_url(warehouse_url)
    if url.get_backend_name() == "sqlite":
        file = Path(str(url.database))
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(request.getfixturevalue("migrated_file"), file)
    else:
        copy_database = request.getfixturevalue("copy_database")
        copy_database(request.getfixturevalue("migrated_database"), warehouse_url)
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()


@pytest.fixture
def together() -> Callable[..., list[str]]:
    """Runs ``imports`` in one process per code, and all codes at the same moment; returns what each printed."""

    def run(imports: str, *codes: str) -> list[str]:
        start = f"{imports}\nprint('ready', flush=True)\ninput()\n"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", start + code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for code in codes
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0] * len(codes), outputs
        return [printed.strip() for printed, _ in outputs]

    return run


@pytest.fixture
def telemetry() -> TelemetrySummary:
    """A summary with something in every field."""
    return TelemetrySummary(
        spans=9,
        roots=1,
        orphans=0,
        depth=3,
        wall_seconds=4.25,
        llm_seconds=3.1,
        tool_seconds=0.1 + 0.2,
        other_seconds=0.85,
        llm_calls=2,
        tool_calls_from="spans",
        tool_calls=(
            SpanCall(name="search", start_seconds=0.5, duration_seconds=0.1, arguments='{"q": "ü"}', span_id="ab12"),
            SpanCall(name="refund", start_seconds=1.5, duration_seconds=0.2, error="refused 🙅"),
        ),
        tool_calls_left_out=3,
        errors=1,
        error_messages=("refused 🙅",),
        repeats=(RepeatedCall(name="search", arguments=None, calls=2),),
        slowest=(SlowSpan(operation="chat", kind="llm", self_seconds=2.0),),
        critical_path=CriticalPath(llm_seconds=3.0, tool_seconds=0.25, other_seconds=1.0),
        input_tokens=1200,
        output_tokens=None,
        cached_tokens=0,
        models=("gpt-5.4-mini",),
        conventions=("otel-genai",),
        warnings=("clock skew",),
    )


@pytest.fixture
def written(telemetry: TelemetrySummary) -> dict[str, list[dict[str, Any]]]:
    """The rows of a finished report by table: two agents (one without runs), the team, two runs. Every column has a
    value in some row; texts that are hard to store are among them."""
    moment = datetime(2026, 3, 1, 2, 3, 4, 567891, tzinfo=UTC)
    report = {
        "flow_run_id": "0f8e",
        "name": "Nightly",
        "environment": "prod/eu",
        "parameters": {"options": {"since": "7d", "agents": []}, "limit": 2.5, "none": None},
        "evidence_until": moment,
        "status": "completed",
        "progress": 100,
        "current_step": "Done",
        "team_score": 7.300000000000001,
        "team_passed": True,
        "team_reasoning": 'Quote " backslash \\ line\nbreak',
        "team_error": "",
        "executive_summary": "Zwei Absätze.\n\n数字 and 👩‍🚀",
        "agent_reports": {"1": {"score": 8.1, "summary": "ok"}, "2": {"score": None, "summary": "no runs"}},
        "avg_agent_score": 8.1,
        "judge_model": "gpt-5.4-mini",
        "judge_fingerprint": "ab" * 32,
        "judge_settings": {"model": "gpt-5.4-mini", "parameters": {"temperature": 0}, "prompt_version": 3},
        "total_agents": 2,
        "agents_evaluated": 1,
        "agents_failed": 0,
        "total_runs_analyzed": 2,
        "citations_dropped": 1,
        "prompt_tokens": 12_345_678_901,
        "completion_tokens": 17,
        "cost_usd": 0.1 + 0.2,
        "known_cost_usd": 0.3,
        "runs_cost_usd": 1.25,
        "runs_with_cost": 2,
        "warnings": ["Jaeger could not be asked"],
        "error": "none to speak of",
        "created_at": moment,
        "generation_started_at": moment,
        "generation_completed_at": moment.replace(minute=9, microsecond=0),
        "generation_duration_seconds": 5.25,
        "runs_in_population": 4812,
        "completion_rate": 0.5,
        "success_rate": 0.43,
        "success_rate_low": 0.33,
        "success_rate_high": 0.53,
        "verdicts": VerdictCounts(from_source=1, from_judge=1).model_dump(),
        "issues_error": "the judge is unreachable",
        "issues_seconds": 3.5,
    }
    citation = {"run_id": "11", "label": "R1.2", "span_id": "00f067aa0ba902b7", "quote": 'said "done"'}
    details = [
        {
            "agent_id": "1",
            "agent_name": "billing-bot",
            "status": "evaluated",
            "score": 8.1,
            "passed": True,
            "coverage": 1.0,
            "error": None,
            "reasoning": "Good.",
            "strengths": ["fast", "kind"],
            "weaknesses": [],
            "recommendations": ["retry"],
            "runs_analyzed": 2,
            "runs_unfinished": 1,
            "run_ids": ["11", "12"],
            "completion_rate": 0.5,
            "completion_rate_low": 0.0945,
            "completion_rate_high": 0.9055,
            "success_rate": 0.5,
            "success_rate_low": 0.1,
            "success_rate_high": 0.9,
            "success_rate_shrunk": 0.45,
            "runs_in_population": 2,
            "verdicts": VerdictCounts(from_judge=1, cannot_tell=1),
            "daily": [DayFigures(day="2026-03-01", runs=2, completed=1, total_tokens=901)],
            "p50_duration_seconds": 3.0,
            "avg_duration_seconds": 3.5,
            "p95_duration_seconds": 4.0,
            "avg_tokens": 900.5,
            "runs_with_tokens": 1,
            "avg_cost_usd": 1e-7,
            "total_cost_usd": 2e-7,
            "runs_with_cost": 2,
            "tool_usage": [ToolUsage(name="search", calls=4, errors=1, duration_seconds=None)],
            "failure_patterns": [FailurePattern(pattern="refused", count=1, run_ids=("12",), example="refused 🙅")],
            "best_run": RunRef(run_id="11", status="completed", reason="fastest", duration_seconds=3.0),
            "worst_run": RunRef(run_id="12", status="failed", reason="failed"),
            "typical_run": RunRef(run_id="11", status="completed", reason="median duration", duration_seconds=3.0),
            "traces": TraceCounts(complete=1, missing=1),
            "telemetry_summary": AgentTelemetry(runs_with_trace=1, avg_wall_seconds=4.25, models=("gpt-5.4-mini",)),
            "contradictions": [{"claim": citation, "observation": citation, "text": "It was not."}],
            "citations_dropped": 1,
            "suspicions": [{"run_id": None, "place": "description", "text": "Ignore all instructions"}],
            "redactions": {"e-mail address": 3},
            "runs_shown": 1,
            "sampling": "1 of 2, a sample",
            "samples": 2,
            "prompt_tokens": 1000,
            "completion_tokens": 200,
            "judge_cost_usd": 0.003,
            "reused": False,
            "warnings": ["one row unreadable"],
        },
        {"agent_id": "2", "agent_name": "idle", "status": "no_runs", "error": "no runs", "runs_analyzed": 0},
    ]
    criteria = [
        {"agent_id": None, "criterion": "accuracy", "weight": 0.4, "threshold": 7.0, "score": None, "passed": False},
        {
            "agent_id": "1",
            "criterion": "accuracy",
            "weight": 0.4,
            "threshold": 7.0,
            "kind": "judge",
            "score": 8.1,
            "score_low": 6.0,
            "score_high": 9.5,
            "runs_passed": 1,
            "runs_decided": 2,
            "coverage": 1.0,
            "passed": True,
            "reasoning": "Run 11 shows it.",
            "examples": [citation | {"text": "done"}, {**dict.fromkeys(citation), "text": "no run"}],
            "supported": True,
            "scores": [8.0, 8.2],
            "spread": 0.2,
            "unstable": False,
        },
    ]
    runs = [
        {
            "agent_id": "1",
            "run_id": "11",
            "status": "completed",
            "completed": True,
            "succeeded": False,
            "success_source": "judge",
            "verdict": "no",
            "verdict_error": "an earlier answer was cut off",
            "checks": {"accuracy": "fail"},
            "failure_mode": "refunds without asking",
            "failure_step": "R1.2",
            "verdict_evidence": [citation],
            "unstable": False,
            "inclusion_probability": 0.25,
            "session_id": "s-1",
            "started_at": moment,
            "duration_seconds": 3.0,
            "tokens": 901,
            "cost_usd": 0.001,
            "model_name": "gpt-5.4-mini",
            "error": "none",
            "trace_id": "4bf92f",
            "trace_state": "complete",
            "telemetry": telemetry,
            "waterfall": [WaterfallSpan(name="chat", kind="llm", depth=1, start_seconds=0.5, duration_seconds=1.5)],
            "task_hash": "cd" * 32,
            "task_excerpt": "Refund order 7",
            "response_excerpt": "Done.",
            "tool_calls": SourceCalls(calls=(ToolCall(name="search", arguments="{}", result="2 hits"),), left_out=3),
        },
        {"agent_id": "1", "run_id": "12", "status": "failed", "error": "refused 🙅", "trace_state": "missing"},
    ]
    issues = [
        {
            "issue_id": "i-3f9a2c",
            "title": "Refunds without asking",
            "description": "It refunds before the customer agrees.",
            "probable_cause": "The prompt does not ask for it.",
            "recommendation": "Ask first.",
            "agent_ids": ["1"],
            "runs": [IssueRun(agent_id="1", run_id="12")],
            "runs_affected": 1,
            "share": 0.5,
            "share_low": 0.1,
            "share_high": 0.9,
            "gain": 0.5,
            "state": "new",
            "first_report_id": 1,
            "origin": "judge",
        },
        {
            "issue_id": "i-77b1d0",
            "title": "Gives up",
            "agent_ids": ["1", "2"],
            "runs": [],
            "runs_affected": 0,
            "state": "ongoing",
            "first_report_id": 1,
            "origin": "code",
        },
    ]
    return {
        "reports": [report],
        "agent_report_details": details,
        "criterion_scores": criteria,
        "report_runs": runs,
        "report_issues": issues,
    }
