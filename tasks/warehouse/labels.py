"""People's labels in SQL, and what measuring the judge by them needs of the reports that they are of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from tasks.calibration.judging import JudgedReport, JudgedRun, RepeatedAnswer, RunKey, build_judged_run
from tasks.calibration.labels import ItemKey, Label
from tasks.evidence.types import AgentId, RunId
from tasks.report.rows import ReportRow, RunRow
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import agent_report_details, criterion_scores, judge_calls, labels, report_runs, reports

_LABEL = tuple(labels.c[field.name] for field in fields(Label))
_JUDGED = (
    *("report_id", "agent_id", "run_id", "completed", "succeeded", "success_source", "verdict", "verdict_error"),
    *("checks", "failure_mode", "unstable", "inclusion_probability"),
)
_SCORED = ("report_id", "agent_id", "criterion", "passed", "threshold", "scores", "kind")
_MOST_AT_ONCE = 500
_OF_AGENT = ("report_id", "agent_id", "criterion", "labeler")


def write_labels(database: Database, environment: str, given: Sequence[tuple[Label, str | None, str | None]]) -> None:
    """Store labels, each with the agent's name and a note, in one transaction: all of them or none.

    A label by the same person of the same thing (report, agent, run, criterion) takes the place of the earlier one. The
    run stays one that was drawn, if it was.
    """
    insert = sqlite_insert if database.is_sqlite else postgres_insert
    with database.writing() as connection:
        for label, agent_name, note in given:
            row = asdict(label) | {"environment": environment, "agent_name": agent_name, "note": note}
            statement = insert(labels).values(row)
            new: dict[str, sa.ColumnElement[Any]] = {
                name: statement.excluded[name] for name in row if name not in (*_OF_AGENT, "run_id")
            }
            new["drawn"] = sa.or_(labels.c.drawn, statement.excluded.drawn)
            whole = label.run_id is None
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(_OF_AGENT) if whole else [*_OF_AGENT, "run_id"],
                    index_where=sa.text("run_id IS NULL" if whole else "run_id IS NOT NULL"),
                    set_=new,
                )
            )


def load_labels(
    database: Database, environment: str | None = None, *, report_id: int | None = None, labeler: str | None = None
) -> list[Label]:
    """The labels of an environment, a report, a person (or all), in the order in which they were first given."""
    query = sa.select(*_LABEL).order_by(labels.c.id)
    for column, value in ((labels.c.environment, environment), (labels.c.report_id, report_id)):
        if value is not None:
            query = query.where(column == value)
    if labeler is not None:
        query = query.where(labels.c.labeler == labeler)
    with database.reading() as connection:
        return [Label(**row) for row in connection.execute(query).mappings()]


def load_notes(database: Database, environment: str) -> dict[tuple[int, AgentId, RunId | None, str, str], str]:
    """People's notes on their labels of an environment by report, agent, run, question and labeler."""
    key = ("report_id", "agent_id", "run_id", "criterion", "labeler")
    query = sa.select(*(labels.c[name] for name in key), labels.c.note).where(
        labels.c.environment == environment, labels.c.note.is_not(None)
    )
    with database.reading() as connection:
        return {(row[0], row[1], row[2], row[3], row[4]): row.note for row in connection.execute(query)}


def has_labels(database: Database, environment: str) -> bool:
    """Whether anybody has labelled anything of this environment."""
    query = sa.select(labels.c.id).where(labels.c.environment == environment).limit(1)
    with database.reading() as connection:
        return connection.execute(query).first() is not None


def has_outcomes(database: Database, report_id: int) -> bool:
    """Whether a report has a verdict of the judge on a run whose outcome the source states."""
    runs = report_runs
    query = sa.select(runs.c.run_id).where(
        runs.c.report_id == report_id, runs.c.success_source == "source", runs.c.verdict.is_not(None)
    )
    with database.reading() as connection:
        return connection.execute(query.limit(1)).first() is not None


def find_judged_report(database: Database, environment: str | None = None) -> ReportRow | None:
    """The newest completed report (of this environment) that has agents, as a row of ``reports``; None without any."""
    has_agents = sa.exists().where(agent_report_details.c.report_id == reports.c.id)
    query = sa.select(reports).where(reports.c.status == "completed", has_agents).order_by(reports.c.id.desc()).limit(1)
    if environment is not None:
        query = query.where(reports.c.environment == environment)
    with database.reading() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else cast(ReportRow, dict(row))


def find_reports_of_runs(database: Database, environment: str, model: str, keys: Collection[RunKey]) -> set[int]:
    """The reports of an environment in which this judge has a verdict on any of these runs; empty for none."""
    wanted, found = set(keys), set()
    run_ids = sorted({run_id for _, run_id in wanted})
    runs = report_runs
    with database.reading() as connection:
        for start in range(0, len(run_ids), _MOST_AT_ONCE):
            query = (
                sa.select(runs.c.report_id, runs.c.agent_id, runs.c.run_id)
                .join(reports, reports.c.id == runs.c.report_id)
                .where(
                    reports.c.environment == environment,
                    reports.c.judge_model == model,
                    runs.c.verdict.is_not(None),
                    runs.c.run_id.in_(run_ids[start : start + _MOST_AT_ONCE]),
                )
            )
            found |= {row.report_id for row in connection.execute(query) if (row.agent_id, row.run_id) in wanted}
    return found


def load_judged(
    database: Database, report_ids: Collection[int]
) -> tuple[dict[int, JudgedReport], dict[tuple[int, AgentId], int], list[RepeatedAnswer]]:
    """What the judge concluded in these reports; one that is gone, or judged nothing, is not among them.

    Its scores of agents and its verdicts on runs by report; over how many runs a score is, by report and agent; and the
    questions that it answered several times over (option ``judge_samples``), once where a report took an earlier one's
    answers.
    """
    details, scores = agent_report_details, criterion_scores
    with database.reading() as connection:
        agents = connection.execute(
            sa.select(details.c.report_id, details.c.agent_id, details.c.passed, details.c.runs_analyzed).where(
                details.c.report_id.in_(report_ids)
            )
        ).all()
        verdicts = connection.execute(
            sa.select(*(scores.c[name] for name in _SCORED)).where(
                scores.c.report_id.in_(report_ids), scores.c.agent_id.is_not(None)
            )
        ).all()
        judges = connection.execute(
            sa.select(reports.c.id, reports.c.judge_model, reports.c.judge_fingerprint).where(
                reports.c.id.in_(report_ids)
            )
        ).all()
        # A run that has not finished was not judged.
        finished = report_runs.c.report_id.in_(report_ids) & report_runs.c.completed.is_not(None)
        judged_runs = (
            connection.execute(sa.select(*(report_runs.c[name] for name in _JUDGED)).where(finished)).mappings().all()
        )
    units: dict[int, dict[ItemKey, bool]] = defaultdict(dict)
    asked: dict[RepeatedAnswer, None] = {}
    computed = {(row.report_id, row.agent_id, row.criterion) for row in verdicts if row.kind not in (None, "judge")}
    for report_id, agent_id, criterion, passed, threshold, several, _ in verdicts:
        if (report_id, agent_id, criterion) in computed:
            continue
        if passed is not None:
            units[report_id][ItemKey(report_id, agent_id, None, criterion)] = passed
        if several and len(several) > 1:
            asked[RepeatedAnswer(agent_id, criterion, threshold, tuple(several))] = None
    on_runs: dict[int, dict[RunKey, JudgedRun]] = defaultdict(dict)
    for row in judged_runs:
        # What code computed is no verdict of the judge.
        checks = {
            name: check
            for name, check in (row["checks"] or {}).items()
            if (row["report_id"], row["agent_id"], name) not in computed
        }
        run = build_judged_run(cast(RunRow, {**row, "checks": checks}))
        on_runs[row["report_id"]][run.agent_id, run.run_id] = run
    judged = {
        judge.id: JudgedReport(
            units=units[judge.id],
            agents={agent: passed for report, agent, passed, _ in agents if report == judge.id},
            runs=on_runs[judge.id] if any(run.verdicts for run in on_runs[judge.id].values()) else {},
            model=judge.judge_model,
            fingerprint=judge.judge_fingerprint,
        )
        for judge in judges
        if units[judge.id] or any(run.verdicts for run in on_runs[judge.id].values())
    }
    return judged, {(report, agent): runs for report, agent, _, runs in agents if runs is not None}, list(asked)


def load_repeated_answers(database: Database, environment: str, model: str) -> list[RepeatedAnswer]:
    """The questions about agents that the judge was paid several times for answering, with all its scores.

    They have one fingerprint: all that went in is the same. Answers that were asked for again (option ``fresh``) are
    such; several samples in one report are not, as each has a fingerprint of its own. An answer whose report is gone
    is left out: its thresholds are not known any more.
    """
    calls, scores = judge_calls, criterion_scores
    usable = (calls.c.status == "answered") & (calls.c.outcome == "usable") & (calls.c.kind == "agent")
    of_environment = sa.select(reports.c.id).where(reports.c.environment == environment, reports.c.judge_model == model)
    mine = usable & calls.c.report_id.in_(of_environment)
    repeated = sa.select(calls.c.fingerprint).where(mine).group_by(calls.c.fingerprint).having(sa.func.count() > 1)
    with database.reading() as connection:
        answers = connection.execute(
            sa.select(calls.c.fingerprint, calls.c.report_id, calls.c.agent_id, calls.c.answer)
            .where(mine, calls.c.fingerprint.in_(repeated))
            .order_by(calls.c.id)
        ).all()
        thresholds = _thresholds(connection, scores, {row.report_id for row in answers})
    found: dict[tuple[str, AgentId, str], list[float]] = defaultdict(list)
    newest: dict[tuple[str, AgentId, str], float | None] = {}
    for fingerprint, report_id, agent_id, answer in answers:
        for criterion, score in read_scores(answer).items():
            if (report_id, agent_id, criterion) in thresholds:
                found[fingerprint, agent_id, criterion].append(score)
                newest[fingerprint, agent_id, criterion] = thresholds[report_id, agent_id, criterion]
    return [
        RepeatedAnswer(key[1], key[2], newest[key], tuple(several))
        for key, several in found.items()
        if len(several) > 1
    ]


def _thresholds(
    connection: Connection, scores: sa.Table, report_ids: Collection[int]
) -> dict[tuple[int, AgentId, str], float]:
    rows = connection.execute(
        sa.select(scores.c.report_id, scores.c.agent_id, scores.c.criterion, scores.c.threshold).where(
            scores.c.report_id.in_(report_ids), scores.c.agent_id.is_not(None)
        )
    )
    return {(row.report_id, row.agent_id, row.criterion): row.threshold for row in rows}


def read_scores(answer: str | None) -> dict[str, float]:
    """The scores of a stored answer by criterion; what does not read as one was usable to an earlier version only."""
    text = answer or ""
    try:
        found = json.loads(text[text.find("{") : text.rfind("}") + 1])
        criteria = found["criteria"].items()
        return {
            name: float(given["score"])
            for name, given in criteria
            if isinstance(given, dict) and given.get("score") is not None
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
