"""The report as rows: every agent has one, a failure is no score, an unknown cost is not 0."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import (
    Agent,
    AgentRuns,
    Evidence,
    FutureRuns,
    Outcome,
    Run,
    SpanCall,
    TelemetrySummary,
    ToolCall,
    Trace,
)
from tasks.judge.evaluation import Evaluation
from tasks.judge.ledger import Paid
from tasks.judge.rubric import Criteria
from tasks.judge.runs.verdict import RunVerdict
from tasks.render.markdown import Links, render_markdown
from tasks.report.build import Ending, ReportDraft, build_rows
from tasks.report.plan import ReportPlan
from tasks.report.rows import RunRow
from tasks.settings import ReportOptions
from tasks.wire.trace_pages import find_trace_pages
from tasks.wording.shortening import cut

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _plan() -> ReportPlan:
    return ReportPlan(
        id=1,
        environment="prod",
        name="",
        criteria=Criteria(),
        options=ReportOptions(),
        evidence_until=_NOW,
        started_at=_NOW,
    )


def _draft(*evaluations: Evaluation, ending: Ending | None = None) -> ReportDraft:
    agents = [Agent(id=str(number), name=f"agent-{number}", environment="prod") for number in (1, 2, 3)]
    return ReportDraft(
        agents=agents,
        chosen=frozenset({"1", "2", "3"}),
        evaluations={e.agent_id: e for e in evaluations if e.agent_id is not None},
        ending=ending,
    )


def _good(agent_id: int | str, score: float, **more: Any) -> Evaluation:
    return Evaluation(str(agent_id), "evaluated", score=score, passed=True, coverage=1.0, **more)


def test_every_agent_has_a_row_and_failures_stay_out_of_the_mean() -> None:
    rows = build_rows(_plan(), _draft(_good(1, 8.0), Evaluation("2", "failed", error="no reply in time")))
    assert [row["status"] for row in rows.details] == ["evaluated", "failed", "not_started"]
    assert rows.details[1]["score"] is None
    assert rows.details[1]["reasoning"] == "Evaluation failed: no reply in time"
    assert rows.report["avg_agent_score"] == 8.0
    assert (rows.report["agents_evaluated"], rows.report["agents_failed"]) == (1, 1)
    assert rows.report["status"] == "completed"


@pytest.mark.parametrize("traced", [None, 0, 1])
def test_calls_of_the_source_are_kept_where_the_trace_has_none(traced: int | None) -> None:
    call = SpanCall(name="pay", start_seconds=0.0, duration_seconds=1.0)
    summary = TelemetrySummary(
        spans=1, roots=1, orphans=0, depth=1, wall_seconds=1.0, llm_seconds=0.0, tool_seconds=1.0, other_seconds=0.0,
        llm_calls=0, tool_calls=(call,) * (traced or 0),
    )  # fmt: skip
    traces = [] if traced is None else [Trace(run_id="7", state="complete", trace_id="a" * 32, telemetry=summary)]
    run = Run(
        id="7",
        agent_id="1",
        status="completed",
        outcome="completed",
        started_at=_NOW,
        tool_calls=(ToolCall(name="pay"),),
    )
    draft = _draft()
    draft.evidence["1"] = build_evidence(draft.agents[0], AgentRuns(runs=(run,)), traces, RunPrices({}))
    (row,) = build_rows(_plan(), draft).runs
    assert (row["tool_calls"] is None) == (traced == 1)


def test_an_unknown_cost_makes_the_sum_unknown() -> None:
    rows = build_rows(_plan(), _draft(_good(1, 8.0, cost_usd=0.5), _good(2, 8.0, cost_usd=None)))
    assert rows.report["cost_usd"] is None
    rows = build_rows(_plan(), _draft(_good(1, 8.0, cost_usd=0.5), _good(2, 8.0, cost_usd=0.25)))
    assert rows.report["cost_usd"] == 0.75


def test_what_a_report_cost_is_what_the_ledger_has() -> None:
    """Of earlier processes too, of an agent that is gone (9), and of one that was not judged any more (3)."""
    paid = {"1": Paid(2, 200, 20, 0.75, 0.75), "3": Paid(1, 100, 10, 0.5, 0.5), "9": Paid(1, 100, 10, 0.25, 0.25)}
    judged = (_good(1, 8.0, cost_usd=0.25, prompt_tokens=100, known_cost_usd=0.25), _good(2, 8.0, reused=True))
    rows = build_rows(_plan(), _draft(*judged), paid=paid)
    assert [row["judge_cost_usd"] for row in rows.details] == [0.75, 0.0, 0.5]
    assert (rows.report["cost_usd"], rows.report["known_cost_usd"], rows.report["prompt_tokens"]) == (1.5, 1.5, 400)
    paid["9"] = Paid(2, None, None, None, 0.25)
    rows = build_rows(_plan(), _draft(*judged), paid=paid)
    assert (rows.report["cost_usd"], rows.report["known_cost_usd"], rows.report["prompt_tokens"]) == (None, 1.5, None)


def test_a_report_counts_the_dropped_citations_of_the_team_and_every_agent() -> None:
    draft = _draft(_good(1, 8.0, citations_dropped=2), _good(2, 8.0, citations_dropped=1))
    draft.team = Evaluation(None, "evaluated", score=7.0, citations_dropped=3)
    rows = build_rows(_plan(), draft)
    assert rows.report["citations_dropped"] == 6
    assert [row["citations_dropped"] for row in rows.details] == [2, 1, 0]


def test_doubts_about_the_teams_judgement_stand_in_the_report() -> None:
    draft = _draft(_good(1, 8.0))
    draft.team = Evaluation(
        None, "evaluated", score=7.0, citations_dropped=3, warnings=("1 of 3 samples are missing: no reply in time",)
    )
    rows = build_rows(_plan(), draft)
    for warning in ("1 of 3 samples are missing: no reply in time", "3 citations did not hold and were dropped"):
        assert f"The team's judgement: {warning}" in rows.report["warnings"]
        assert warning in render_markdown(rows)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("cancelled", "cancelled"),
        ("endpoint", "failed"),
        ("fail_fast", "failed"),
        ("error", "failed"),
        ("timeout", "completed"),
    ],
)
def test_what_ended_the_judging_decides_the_status(kind: str, status: str) -> None:
    rows = build_rows(_plan(), _draft(_good(1, 8.0), ending=Ending(kind, "the reason")))
    assert rows.report["status"] == status
    assert rows.details[2]["status"] == "not_started"
    assert rows.details[2]["error"] == "the reason"


def test_no_agent_evaluated_although_some_had_runs_is_a_failed_report() -> None:
    failures = [Evaluation(str(number), "failed", error="no reply") for number in (1, 2, 3)]
    rows = build_rows(_plan(), _draft(*failures))
    assert rows.report["status"] == "failed"
    assert "no reply" in rows.report["error"]
    idle = [Evaluation(str(number), "no_runs", error="no runs") for number in (1, 2, 3)]
    assert build_rows(_plan(), _draft(*idle)).report["status"] == "completed"


def _seen(agent: Agent, *statuses: str) -> Evidence:
    outcomes: dict[str, Outcome] = {"completed": "completed", "failed": "failed"}
    runs = [
        Run(id=str(n), agent_id=agent.id, status=s, outcome=outcomes.get(s, "unfinished"), started_at=_NOW)
        for n, s in enumerate(statuses)
    ]
    return build_evidence(agent, AgentRuns(runs=tuple(runs)), (), RunPrices())


def test_rows_of_runs_are_made_when_their_agents_evaluation_is_kept() -> None:
    agents = [Agent(id=str(number), name=f"agent {number}", environment="demo") for number in (1, 2)]
    draft = ReportDraft(agents=agents, chosen=frozenset("12"), evidence={a.id: _seen(a, "completed") for a in agents})
    verdict = RunVerdict(draft.evidence["2"].runs[0].id, "it did", "yes")
    draft.keep_evaluation("2", _good(2, 8.0, run_verdicts=(verdict,)))
    (made,) = draft.run_rows["2"]
    assert made["verdict"] == "yes"
    first, second = build_rows(_plan(), draft).runs
    assert (first["agent_id"], first["verdict"]) == ("1", None)
    assert second is made


def test_where_no_run_has_a_status_that_counts_the_report_fails_and_names_the_statuses() -> None:
    idle = [Evaluation(str(number), "no_runs", error="no finished run") for number in (1, 2, 3)]
    draft = _draft(*idle)
    draft.evidence = {agent.id: _seen(agent, "queued", "queued", "running") for agent in draft.agents[:2]}
    rows = build_rows(_plan(), draft)
    left_out = "6 runs are left out as unfinished: queued (4), running (2)"
    assert rows.report["status"] == "failed"
    assert rows.report["error"] == f"no agent could be judged: {left_out}"
    assert rows.report["warnings"] == [left_out]
    text = render_markdown(rows)
    assert "**Failed:** no agent could be judged: 6 runs are left out" in text
    assert "> 6 runs are left out" in text


def test_runs_in_the_future_alone_are_not_no_runs() -> None:
    idle = [Evaluation(str(number), "no_runs", error="no finished run") for number in (1, 2, 3)]
    draft = _draft(*idle)
    future = AgentRuns(future=FutureRuns(count=4, latest=_NOW))
    draft.evidence = {agent.id: build_evidence(agent, future, (), RunPrices()) for agent in draft.agents[:2]}
    rows = build_rows(_plan(), draft)
    why = "8 runs are left out for starting in the future, the last at 2026-01-01 00:00 UTC (are the dates in UTC?)"
    assert (rows.report["status"], rows.report["error"]) == ("failed", f"no agent could be judged: {why}")
    assert rows.report["warnings"] == [why]
    assert [row["runs_unfinished"] for row in rows.details] == [4, 4, None]


def test_left_out_runs_beside_judged_ones_are_named_and_fail_nothing() -> None:
    draft = _draft(_good(1, 8.0), Evaluation("2", "no_runs"), Evaluation("3", "no_runs"))
    draft.evidence = {
        agent.id: _seen(agent, *statuses)
        for agent, statuses in zip(draft.agents, (("completed", "paused"), ("paused",)), strict=False)
    }
    report = build_rows(_plan(), draft).report
    assert report["status"] == "completed"
    assert any("2 runs are left out" in warning and "paused (2)" in warning for warning in report["warnings"])


@pytest.mark.parametrize("text", ["x" * 500, "e\u0301" * 300, "👩\u200d👩\u200d👧" * 90, "🇩🇪" * 200, "word " * 100])
def test_a_summary_is_cut_between_characters(text: str) -> None:
    summary = cut(text)
    assert len(summary) <= 200
    assert summary.endswith("…")
    kept = summary[:-1]
    following = " ".join(text.split())[len(kept)]
    assert following not in "\u0301\u200d"
    assert not kept.endswith("\u200d")
    assert cut("short") == "short"


def test_hostile_text_is_no_markup_in_markdown() -> None:
    evil = "<script>alert(1)</script> | [x](javascript:1) **b**"
    rows = build_rows(_plan(), _draft(_good(1, 8.0), Evaluation("2", "failed", error=evil)))
    text = render_markdown(rows)
    assert "<script" not in text
    assert "](javascript" not in text
    assert "\\*\\*b\\*\\*" in text


def test_markdown_leads_to_flow_run_and_files_and_is_no_markup_there() -> None:
    links = Links("http://ui/runs/flow-run/1", ["/data/`x`/1.parquet"])
    text = render_markdown(build_rows(_plan(), _draft(_good(1, 8.0))), links)
    assert "[The flow run](http://ui/runs/flow-run/1)" in text
    assert "- `/data/%60x%60/1.parquet`" in text
    assert "Where it is" not in render_markdown(build_rows(_plan(), _draft(_good(1, 8.0))))


def test_verdicts_of_the_worst_agents_lead_to_their_traces() -> None:
    def run(agent_id: str, run_id: str, verdict: str, mode: str = "") -> RunRow:
        known = {"agent_id": agent_id, "run_id": run_id, "trace_id": f"t{run_id}", "verdict": verdict}
        return cast(RunRow, dict.fromkeys(RunRow.__annotations__) | known | {"failure_mode": mode})

    bad = Evaluation("1", "evaluated", score=2.0, passed=False, coverage=1.0)
    rows = build_rows(_plan(), _draft(bad, _good(2, 8.0)))
    runs = [run("1", "7", "no", "wrong *account*"), run("1", "8", "yes"), run("1", "a)b", "no"), run("2", "9", "no")]
    links = Links(trace_pages=find_trace_pages("jaeger+https://j.example"))
    text = render_markdown(replace(rows, runs=runs), links)
    [line] = [line for line in text.splitlines() if "Judged as failed" in line]
    assert line == (
        "    - Judged as failed: [run 7](https://j.example/trace/t7) (wrong \\*account\\*), "
        "[run a\\)b](https://j.example/trace/ta%29b)"
    )
    assert "Judged as failed: run 7 (wrong" in render_markdown(replace(rows, runs=runs))
    many = render_markdown(replace(rows, runs=[run("1", str(number), "no") for number in range(9)]))
    assert "run 2 and 6 more" in many


def test_an_agent_that_could_not_be_judged_is_named_with_the_reason() -> None:
    rows = build_rows(_plan(), _draft(_good(1, 8.0), Evaluation("2", "failed", error="no reply")))
    worst = render_markdown(rows).partition("## Could not be judged")[2].partition("## Every agent")[0]
    assert "** failed: no reply" in worst
