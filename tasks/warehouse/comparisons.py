"""Comparisons in the warehouse: what one is made from, which report it is made with, and what it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.comparison.comparability import is_same_series
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.errors import WarehouseError
from tasks.evidence.ids import natural_key
from tasks.evidence.types import AgentId
from tasks.report.rows import CriterionRow, ReportRow
from tasks.report.stored_report import ScoreRow, StoredReport
from tasks.warehouse.issues.known_issues import load_undecided, was_searched_before
from tasks.warehouse.schema import (
    agent_report_details,
    criterion_scores,
    report_comparisons,
    report_runs,
    reports,
)
from tasks.warehouse.sql import Warehouse

_RUN_COLUMNS = (
    *("agent_id", "run_id", "completed", "succeeded", "success_source", "verdict", "inclusion_probability"),
    *("duration_seconds", "cost_usd", "task_hash"),
)
_AGENT_COLUMNS = (
    *("agent_id", "agent_name", "status", "score", "passed"),
    *("success_rate", "success_rate_low", "success_rate_high", "verdicts"),
    *("completion_rate", "completion_rate_low", "completion_rate_high"),
    *("runs_analyzed", "runs_in_population", "runs_unfinished"),
    *("avg_duration_seconds", "avg_cost_usd", "reused"),
)
_MOST_HISTORY = 10
_MOST_CANDIDATES = 50


def load_stored_report(warehouse: Warehouse, report_id: int) -> StoredReport | None:
    """A report as comparisons and rules look at it; None when there is none of this id."""
    found = warehouse.load_report(report_id)
    if found is None:
        return None
    with warehouse.database.reading() as connection:

        def load(query: sa.Select[Any]) -> list[Any]:
            return [dict(row) for row in connection.execute(query).mappings()]

        runs = load(_of(report_runs, _RUN_COLUMNS, report_id))
        runs.sort(key=lambda row: (natural_key(row["agent_id"]), natural_key(row["run_id"])))
        details = load(_of(agent_report_details, _AGENT_COLUMNS, report_id))
        details.sort(key=lambda row: natural_key(row["agent_id"]))
        criteria = _of(criterion_scores, criterion_scores.c.keys(), report_id).order_by(
            criterion_scores.c.weight.desc(), criterion_scores.c.criterion
        )
        scores: list[CriterionRow] = load(criteria)
    issues = load_undecided(warehouse, found)
    first = not was_searched_before(warehouse.database, found)
    return StoredReport(found, details, scores, runs, issues, is_first_search=first)


def _of(table: sa.Table, names: Sequence[str], report_id: int) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in names)).where(table.c.report_id == report_id)


def load_score_history(warehouse: Warehouse, report: ReportRow) -> list[ScoreRow]:
    """The agents' scores in the last 10 completed reports before ``report`` of its series (``is_same_series``); empty
    without any."""
    agents, criteria = agent_report_details, criterion_scores
    with warehouse.database.reading() as connection:
        ids = list(islice(_same_series(connection, report), _MOST_HISTORY))
        whole = connection.execute(
            sa.select(agents.c.report_id, agents.c.agent_id, agents.c.score, agents.c.reused, agents.c.run_ids).where(
                agents.c.report_id.in_(ids) & agents.c.score.is_not(None)
            )
        ).all()
        single = connection.execute(
            sa.select(criteria.c.report_id, criteria.c.agent_id, criteria.c.criterion, criteria.c.score).where(
                criteria.c.report_id.in_(ids) & criteria.c.score.is_not(None) & criteria.c.agent_id.is_not(None)
            )
        ).all()
    known = {
        (report_id, agent_id): (bool(reused), frozenset(run_ids or ()))
        for report_id, agent_id, _, reused, run_ids in whole
    }
    return [
        *(ScoreRow(row.report_id, row.agent_id, None, row.score, *known[row.report_id, row.agent_id]) for row in whole),
        *(
            ScoreRow(report_id, agent_id, criterion, score, *known.get((report_id, agent_id), ()))
            for report_id, agent_id, criterion, score in single
        ),
    ]


def find_baseline(warehouse: Warehouse, report: ReportRow) -> int | None:
    """The last comparable report: the newest completed one before ``report`` of its series (``is_same_series``).

    None without any: a report by another judge, against another rubric or over other agents or runs never takes its
    place.
    """
    with warehouse.database.reading() as connection:
        return next(_same_series(connection, report), None)


def _same_series(connection: sa.Connection, report: ReportRow) -> Iterator[int]:
    """The completed reports before ``report`` of its series, the newest first."""
    columns = ("id", "environment", "judge_fingerprint", "judge_settings", "judge_model", "parameters")
    earlier = (
        sa.select(*(reports.c[name] for name in columns))
        .where(reports.c.environment == report["environment"], reports.c.id < report["id"])
        .where(reports.c.status == "completed", reports.c.judge_fingerprint == report["judge_fingerprint"])
        .order_by(reports.c.id.desc())
    )
    for row in connection.execute(earlier).mappings():
        if is_same_series(cast(ReportRow, dict(row)), report):
            yield int(row["id"])


def find_followers(warehouse: Warehouse, report: ReportRow) -> list[int]:
    """The later reports that are to be compared with ``report`` (``find_baseline``), by id; of the next 50 at most."""
    later = (
        sa.select(reports)
        .where(reports.c.environment == report["environment"], reports.c.id > report["id"])
        .where(reports.c.status == "completed")
        .order_by(reports.c.id)
        .limit(_MOST_CANDIDATES)
    )
    with warehouse.database.reading() as connection:
        rows = [cast(ReportRow, dict(row)) for row in connection.execute(later).mappings()]
    return [row["id"] for row in rows if find_baseline(warehouse, row) == report["id"]]


def write_comparison(warehouse: Warehouse, comparison: Comparison) -> None:
    """Store what was found in the place of what was known of this pair of reports, in one transaction.

    A row for every change, and one with the metric ``overall`` for the team and every agent.

    Raises:
        WarehouseError: one of the reports is gone, or nothing could be written.
    """
    now = datetime.now(UTC)
    pair = {"baseline_id": comparison.baseline_id, "report_id": comparison.report_id, "created_at": now}
    rows = [
        pair | row
        for subject in (comparison.team, *comparison.agents)
        for row in _rows(subject, comparison.reasons if subject.agent_id is None else ())
    ]
    table = report_comparisons
    with warehouse.database.writing() as connection:
        # Another comparison of the same two at the same time waits here, so that the rows are there once.
        ids = sorted((comparison.baseline_id, comparison.report_id))
        locked = sa.select(reports.c.id).where(reports.c.id.in_(ids)).order_by(reports.c.id).with_for_update()
        if list(connection.execute(locked).scalars()) != ids:
            raise WarehouseError(f"Reports {ids[0]} and {ids[1]} are not both in the warehouse any more.")
        same = (table.c.baseline_id == comparison.baseline_id) & (table.c.report_id == comparison.report_id)
        connection.execute(sa.delete(table).where(same))
        connection.execute(sa.insert(table), rows)


def _rows(subject: AgentComparison, reasons: Sequence[str]) -> list[dict[str, Any]]:
    whose = {
        "agent_id": subject.agent_id,
        "agent_name": None if subject.agent_id is None else subject.agent_name,
        "baseline_name": subject.baseline_name,
        "presence": subject.presence,
    }
    empty = dict.fromkeys(Change.model_fields)
    overall = {"metric": "overall", "verdict": subject.verdict, "reason": "\n".join(reasons) or subject.reason}
    return [whose | empty | overall, *(whose | change.model_dump() for change in subject.changes)]


def load_comparison(warehouse: Warehouse, report_id: int, baseline_id: int | None = None) -> Comparison | None:
    """The stored comparison of a report with ``baseline_id``; None where it was never made.

    Without ``baseline_id`` the one with the last comparable report (``find_baseline``).
    """
    table = report_comparisons
    if baseline_id is None:
        report = warehouse.load_report(report_id)
        baseline_id = find_baseline(warehouse, report) if report else None
        if baseline_id is None:
            return None
    with warehouse.database.reading() as connection:
        same = (table.c.report_id == report_id) & (table.c.baseline_id == baseline_id)
        rows = [dict(row) for row in connection.execute(sa.select(table).where(same).order_by(table.c.id)).mappings()]
        created = connection.execute(sa.select(reports.c.created_at).where(reports.c.id == baseline_id)).scalar()
        before, now = (_too_close(connection, which) for which in (baseline_id, report_id))
    if not rows:
        return None
    subjects: list[AgentComparison] = []
    reasons: tuple[str, ...] = ()
    for row in rows:
        if row["metric"] != "overall":
            change = Change(**{name: row[name] for name in Change.model_fields})
            last_one = subjects[-1]
            subjects[-1] = last_one.model_copy(update={"changes": (*last_one.changes, change)})
            continue
        is_team = row["agent_id"] is None
        if is_team and row["reason"]:
            reasons = tuple(row["reason"].split("\n"))
        subjects.append(
            AgentComparison(
                agent_id=row["agent_id"],
                agent_name="team" if is_team else row["agent_name"],
                presence=row["presence"],
                baseline_name=row["baseline_name"],
                verdict=row["verdict"],
                reason=None if is_team else row["reason"],
            )
        )
    for place, subject in enumerate(subjects):
        scored = any(change.metric == "score" and change.verdict != "not_comparable" for change in subject.changes)
        if scored and subject.agent_id in before & now:
            subjects[place] = subject.model_copy(update={"stays_close": True})
    return Comparison(
        baseline_id=baseline_id,
        report_id=report_id,
        baseline_created_at=created,
        reasons=reasons,
        team=subjects[0],
        agents=tuple(subjects[1:]),
    )


def _too_close(connection: Connection, report_id: int) -> set[AgentId]:
    """The agents of a report whose scores do not decide whether they pass, as ``is_too_close``."""
    table = agent_report_details.c
    close = (table.status == "evaluated") & table.passed.is_(None) & table.score.is_not(None)
    return set(connection.execute(sa.select(table.agent_id).where(table.report_id == report_id, close)).scalars())
