"""The demo's past: nine weekly reports before the first one, made up from it, so that there are changes and trends.

They go straight to the demo's warehouse, and are marked as sample data wherever a report is shown.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.demo.sample import ENVIRONMENT
from tasks.evidence.types import AgentId, RunId
from tasks.report.rows import AgentRow, CriterionRow, ReportRow, RunRow
from tasks.settings import SIMULATED_JUDGE_MODEL
from tasks.statistics.intervals import wilson_interval
from tasks.warehouse.sql import Warehouse

Row = dict[str, Any]
"""A row to write: one that was read, with other values."""
WEEKS = 9
MARK = "Sample data"
_WARNING = "Sample data: this week was made up for the demo from the report that followed; nothing was run or judged."
# By how much the newest report differs from the weeks before it.
_MOVED = {"deploy-pilot": -2.8, "access-broker": -2.2, "refund-desk": 3.6}
# A run's id of so many weeks ago is no other run's.
_IDS_A_WEEK = 10_000_000
_MOMENTS = ("created_at", "evidence_until", "generation_started_at", "generation_completed_at")
_AGENT_TEXTS = (
    "strengths weaknesses recommendations contradictions suspicions failure_patterns best_run worst_run typical_run "
    "redactions warnings"
)
_RUN_TEXTS = (
    "trace_id trace_state telemetry waterfall task_excerpt response_excerpt error succeeded success_source verdict "
    "verdict_error checks failure_mode failure_step verdict_evidence unstable"
)


@dataclass(frozen=True, slots=True)
class Past:
    """The places of the weeks, the oldest first; none where the warehouse had reports before."""

    warehouse: Warehouse
    weeks: Sequence[int]

    def write(self, report_id: int) -> None:
        """Fill the weeks in from the report that followed them; without one that completed they go."""
        report = self.warehouse.load_report(report_id)
        if report is None or report["status"] != "completed" or report["team_score"] is None:
            self.discard()
            return
        agents, criteria = self.warehouse.load_agents(report_id), self.warehouse.load_criteria(report_id)
        runs = self.warehouse.load_runs(report_id)
        chance = random.Random(7)  # noqa: S311
        for place, week_id in enumerate(self.weeks):
            week = len(self.weeks) - place
            shifts: dict[AgentId | None, float] = {
                row["agent_id"]: chance.gauss(0, 0.25) - _MOVED.get(row["agent_name"], 0.0) for row in agents
            }
            shifts[None] = chance.gauss(-0.03 * week, 0.15)
            scores = [_criterion(row, shifts[row["agent_id"]]) for row in criteria]
            details = [_agent(row, scores, shifts[row["agent_id"]], week) for row in agents]
            past = _runs(runs, details, week)
            self.warehouse.write_report(week_id, _report(report, scores, details, week), details, scores, past)

    def discard(self) -> None:
        """Give the places up that nothing was written to."""
        for week_id in self.weeks:
            row = self.warehouse.load_report(week_id)
            if row is not None and row["status"] == "pending":
                self.warehouse.discard_report(week_id)


@contextmanager
def open_past(warehouse: Warehouse, judge_model: str, now: datetime | None = None) -> Iterator[Past]:
    """Keep the places of nine weeks before a first report, whose id comes after theirs.

    Only in an empty warehouse: a second demo does not double them, and a user's own reports are never mixed with them.
    Nor does a real judge get a past that it did not judge.
    """
    now = now or datetime.now(UTC)
    weeks: list[int] = []
    if judge_model == SIMULATED_JUDGE_MODEL and not warehouse.list_reports(limit=1):
        for week in range(WEEKS, 0, -1):
            week_of = now - timedelta(weeks=week)
            values = {"environment": ENVIRONMENT, "name": f"{MARK}: week of {week_of:%Y-%m-%d}", "created_at": week_of}
            # No owner: the progress bar looks for the report that this process owns, and must not find one of these.
            nobody = {"owner": None, "heartbeat": None}
            weeks.append(warehouse.create_report(values | nobody))
    past = Past(warehouse, weeks)
    try:
        yield past
    finally:
        past.discard()


def _report(report: ReportRow, criteria: Sequence[Row], agents: Sequence[Row], week: int) -> Row:
    own = ("id", "name", "owner", "heartbeat", "flow_run_id")
    row: Row = {name: value for name, value in report.items() if name not in own}
    row |= {name: row[name] - timedelta(weeks=week) for name in _MOMENTS if row[name] is not None}
    team = [found for found in criteria if found["agent_id"] is None]
    scores = [found["score"] for found in agents if found["score"] is not None]
    judged = [found for found in agents if found["success_rate"] is not None]
    runs = sum(found["runs_analyzed"] for found in judged)
    return (
        row
        | _success(sum(round(found["success_rate"] * found["runs_analyzed"]) for found in judged), runs)
        | {
            "team_score": _mean(team),
            "team_passed": all(found["passed"] for found in team),
            "team_reasoning": _WARNING,
            "executive_summary": _WARNING,
            "agent_reports": {found["agent_id"]: {"score": found["score"], "summary": MARK} for found in agents},
            "avg_agent_score": sum(scores) / len(scores) if scores else None,
            "warnings": [_WARNING],
        }
    )


def _criterion(row: CriterionRow, shift: float) -> Row:
    known: Row = {name: value for name, value in row.items() if name != "report_id"}
    if row["score"] is None:
        return known
    score = round(max(0.0, min(10.0, row["score"] + shift)), 1)
    passed: bool | None = score >= row["threshold"]
    if runs := row["runs_decided"]:
        hits = round(score / 10 * runs)
        low, high = wilson_interval(hits, runs) or (0.0, 1.0)
        score, share = 10 * hits / runs, row["threshold"] / 10
        passed = True if low >= share else False if high < share else None
        known |= {"runs_passed": hits, "score_low": 10 * low, "score_high": 10 * high}
    return known | {
        "score": score,
        "passed": passed,
        "reasoning": MARK,
        "examples": [],
        "scores": [],
    }


def _agent(agent: AgentRow, criteria: Sequence[Row], shift: float, week: int) -> Row:
    row: Row = {name: value for name, value in agent.items() if name != "report_id"}
    row |= dict.fromkeys(_AGENT_TEXTS.split())
    row["run_ids"] = [_earlier(run_id, week) for run_id in agent["run_ids"] or ()]
    if agent["score"] is None or not agent["runs_analyzed"]:
        return row
    own = [found for found in criteria if found["agent_id"] == agent["agent_id"]]
    runs = agent["runs_analyzed"]
    completed = round(runs * max(0.0, min(1.0, (agent["completion_rate"] or 0.0) + shift / 6)))
    low, high = wilson_interval(completed, runs) or (None, None)
    if agent["success_rate"] is not None:
        row |= _success(round(runs * max(0.0, min(1.0, agent["success_rate"] + shift / 6))), runs)
    return row | {
        "reasoning": _WARNING,
        "score": _mean(own),
        "passed": _passes([found["passed"] for found in own if found["score"] is not None]),
        "success_rate_shrunk": None,
        "completion_rate": completed / runs,
        "completion_rate_low": low,
        "completion_rate_high": high,
    }


def _success(hits: int, runs: int) -> Row:
    """The columns of the success of ``runs`` runs; none of them judged, empty columns."""
    low, high = wilson_interval(hits, runs) or (None, None)
    rate = hits / runs if runs else None
    return {"success_rate": rate, "success_rate_low": low, "success_rate_high": high}


def _passes(criteria: Sequence[bool | None]) -> bool | None:
    """False with a criterion that fails, True where all pass, else None."""
    return False if False in criteria else None if None in criteria else True


def _earlier(run_id: RunId, week: int) -> RunId:
    """The id of the run that stands for this one in an earlier week: the demo's are numbers."""
    return str(int(run_id) + week * _IDS_A_WEEK)


def _runs(runs: Sequence[RunRow], agents: Sequence[Mapping[str, Any]], week: int) -> list[Row]:
    """The runs as of that week, as many of each agent's completed and did their task as its rates have it."""
    rows = []
    for agent in agents:
        agent_id, rate, success = agent["agent_id"], agent["completion_rate"], agent["success_rate"]
        own = [run for run in runs if run["agent_id"] == agent_id]
        finished = [run["run_id"] for run in own if run["completed"] is not None]
        completed = set(finished[: round((rate or 0.0) * len(finished))])
        succeeded = set(finished[: round((success or 0.0) * len(finished))])
        for run in own:
            row: Row = {name: value for name, value in run.items() if name != "report_id"}
            row |= dict.fromkeys(_RUN_TEXTS.split())
            row["run_id"] = _earlier(run["run_id"], week)
            row["started_at"] = run["started_at"] - timedelta(weeks=week) if run["started_at"] else None
            if run["completed"] is not None:
                row["completed"] = run["run_id"] in completed
                row["status"] = "completed" if row["completed"] else "failed"
                if success is not None:
                    done = run["run_id"] in succeeded
                    row |= {"succeeded": done, "success_source": "judge", "verdict": "yes" if done else "no"}
            rows.append(row)
    return rows


def _mean(criteria: Sequence[Row]) -> float | None:
    scored = [row for row in criteria if row["score"] is not None]
    weight = sum(row["weight"] for row in scored)
    return sum(row["score"] * row["weight"] for row in scored) / weight if weight else None
