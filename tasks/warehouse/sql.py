"""The warehouse in SQL: reports while they are made, and when they are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, Table
from sqlalchemy.engine import URL, Connection

from tasks.errors import ConflictError, ReportNotFoundError, WarehouseError
from tasks.evidence.ids import natural_key
from tasks.report.issues.ordering import order_issues
from tasks.report.rows import AgentRow, CriterionRow, IssueRow, ReportRow, RunRow
from tasks.warehouse.engine import Database, check_folder, connect_database, sqlite_file
from tasks.warehouse.migrations import check_migration, describe_schema, migrate
from tasks.warehouse.owner import HEARTBEAT_LAPSES, Owner, current_owner, is_alive
from tasks.warehouse.schema import (
    ENDED,
    LEASE,
    agent_report_details,
    complete_rows,
    criterion_scores,
    report_comparisons,
    report_issues,
    report_runs,
    reports,
)

Values = Mapping[str, Any]
"""Columns to write, by name: any of a table's, with nested values as models, dicts or lists."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
# More bits no database keeps, and its driver would raise.
_MOST_ID: Final = 2**63 - 1
_CHILDREN: Final = (agent_report_details, criterion_scores, report_runs, report_issues)


def open_warehouse(url: str | URL) -> Warehouse:
    """The warehouse at ``url`` (``sqlite:///file``, ``postgresql://…``), its tables created or brought up to date.

    Raises:
        RefusedError: for a URL of another kind.
        WarehouseError: when it cannot be reached, or is newer than this version.
    """
    database = connect_database(url)
    migrate(database)
    return Warehouse(database)


def check_warehouse(url: str | URL) -> None:
    """Whether ``open_warehouse`` would succeed and the result could be written; nothing is created or changed.

    Raises:
        RefusedError, WarehouseError: as ``open_warehouse``.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        check_folder(file.parent)
        return
    database = connect_database(url, create=False)
    try:
        check_migration(database)
    finally:
        database.close()


def describe_warehouse(url: str | URL) -> str:
    """``check_warehouse``, and where the warehouse is, with what ``open_warehouse`` would do to it: a phrase, without
    credentials.

    Raises:
        RefusedError, WarehouseError: as ``check_warehouse``.
    """
    check_warehouse(url)
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return f"{file} will be created"
    database = connect_database(url, create=False)
    try:
        return f"{database.shown} {describe_schema(database)}"
    finally:
        database.close()


class Warehouse:
    """Reports, their agents, criteria and runs. Every method is one transaction; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def close(self) -> None:
        """Close the pooled connections."""
        self.database.close()

    # Reading

    def load_report(self, report_id: int) -> ReportRow | None:
        """The report's row; None when there is none of this id."""
        if not 0 < report_id <= _MOST_ID:
            return None
        rows = self._load(sa.select(reports).where(reports.c.id == report_id))
        return rows[0] if rows else None

    def find_report(self, flow_run_id: str) -> ReportRow | None:
        """The newest report that this flow run made, as in ``load_report``; None when there is none."""
        query = sa.select(reports).where(reports.c.flow_run_id == flow_run_id)
        rows = self._load(query.order_by(reports.c.id.desc()).limit(1))
        return rows[0] if rows else None

    def load_agents(self, report_id: int) -> list[AgentRow]:
        """The report's rows of ``agent_report_details`` by agent id; empty until it is written."""
        table = agent_report_details
        rows = self._load(sa.select(table).where(table.c.report_id == report_id))
        return sorted(rows, key=lambda row: natural_key(row["agent_id"]))

    def load_criteria(self, report_id: int) -> list[CriterionRow]:
        """The criterion scores: the team's first, then by agent id, the heaviest first; empty until written."""
        table = criterion_scores
        order = (table.c.weight.desc(), table.c.criterion)
        rows = self._load(sa.select(table).where(table.c.report_id == report_id).order_by(*order))
        return sorted(rows, key=lambda row: (row["agent_id"] is not None, natural_key(row["agent_id"] or "")))

    def load_runs(self, report_id: int) -> list[RunRow]:
        """The runs that the report looked at, by agent id, the newest first; empty until written."""
        table = report_runs
        rows = self._load(sa.select(table).where(table.c.report_id == report_id))
        rows.sort(key=lambda row: natural_key(row["run_id"]), reverse=True)
        rows.sort(key=lambda row: row["started_at"] or _NEVER, reverse=True)
        return sorted(rows, key=lambda row: natural_key(row["agent_id"]))

    def load_issues(self, report_id: int) -> list[IssueRow]:
        """The issues of a report: what to fix first, then the rest, then those that are gone; empty until written."""
        return order_issues(self._load(sa.select(report_issues).where(report_issues.c.report_id == report_id)))

    def list_reports(self, environment: str | None = None, limit: int = 20) -> list[ReportRow]:
        """The newest reports, newest first, of one environment or of all; rows as in ``load_report``."""
        query = sa.select(reports).order_by(reports.c.id.desc()).limit(limit)
        if environment is not None:
            query = query.where(reports.c.environment == environment)
        return self._load(query)

    def load_unfinished(self) -> list[ReportRow]:
        """The reports that have not ended, by id; rows as in ``load_report``."""
        return self._load(sa.select(reports).where(reports.c.status.not_in(ENDED)).order_by(reports.c.id))

    # While a report is made

    def create_report(self, values: Values) -> int:
        """Insert a report and return its id. ``values`` needs ``environment``; the rest has defaults: name "", status
        pending, progress 0, created and heart beating now, owned by this process."""
        now = datetime.now(UTC)
        defaults = {"name": "", "status": "pending", "progress": 0, "created_at": now}
        lease = {"owner": current_owner(), "heartbeat": now}
        row = _known({**defaults, **lease, **values})
        with self.database.writing() as connection:
            key = connection.execute(sa.insert(reports).values(row)).inserted_primary_key
        if key is None:
            raise WarehouseError(f"The warehouse {self.database.shown} gave the new report no id.")
        return int(key[0])

    def record_progress(
        self, report_id: int, *, progress: float, status: str | None = None, current_step: str | None = None
    ) -> None:
        """Note how far the report is (0 to 100, kept as a whole number) and let its heart beat.

        Progress never goes back: of calls that overtake each other, the one that is furthest stays, with its
        ``current_step``. A report that has ended, or is gone, stays as it is.
        """
        ahead = reports.c.progress <= int(progress)
        values: dict[str, Any] = {
            "progress": sa.case((ahead, int(progress)), else_=reports.c.progress),
            "heartbeat": datetime.now(UTC),
        }
        if status is not None:
            values["status"] = status
        if current_step is not None:
            step = sa.bindparam("step", current_step, type_=reports.c.current_step.type)
            values["current_step"] = sa.case((ahead, step), else_=reports.c.current_step)
        self._update_running(report_id, values)

    def beat(self, report_id: int) -> None:
        """Record that the report's owner lives. A report that has ended, or is gone, stays as it is."""
        self._update_running(report_id, {"heartbeat": datetime.now(UTC)})

    def take_report(
        self, report_id: int, values: Values | None = None, owner: Owner | None = None, now: datetime | None = None
    ) -> ReportRow:
        """Make ``owner`` (this process) the one who works on the report; returns its row as it is then.

        One whose owner is dead goes on where it was: progress and parameters stay. One that has ended starts again:
        status pending, progress 0, no error; its old agents, criteria and runs stay readable until it is written.
        Of several who take at the same time one wins. ``values`` are written along (such as the new flow run's id).

        Raises:
            RefusedError: when there is no such report, or its owner lives.
        """
        owner, now = owner or current_owner(), now or datetime.now(UTC)
        with self.database.writing() as connection:
            row = _locked(connection, report_id)
            if row is None:
                raise ReportNotFoundError(report_id, self.database.shown)
            taken: dict[str, object] = {**_known(values or {}), "owner": owner, "heartbeat": now}
            if row["status"] in ENDED:
                taken |= {"status": "pending", "progress": 0, "current_step": None, "error": None}
                taken |= {"generation_completed_at": None, "generation_duration_seconds": None}
            else:
                _refuse_living(row, now)
            connection.execute(sa.update(reports).where(reports.c.id == report_id).values(taken))
            updated: ReportRow = _read_rows(connection, sa.select(reports).where(reports.c.id == report_id))[0]
            return updated

    def discard_report(self, report_id: int) -> None:
        """Remove a report that was refused, with all its rows; nothing happens when it is gone. Paid answers stay."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(reports).where(reports.c.id == report_id))

    # At its end

    def write_report(
        self,
        report_id: int,
        report: Values | Callable[[ReportRow], Values],
        details: Sequence[Values],
        criteria: Sequence[Values],
        runs: Sequence[Values],
        issues: Sequence[Values] = (),
        owner: Owner | None = None,
    ) -> None:
        """Replace everything the report holds, in one transaction that ends in its final status.

        ``report`` needs a ``status`` that ends it; columns that are not in it keep their values. It may be a function
        that makes such a row from the stored one: it is called when everything else is written, so that the report can
        record how long it took. The others are all the rows of their tables (a missing column is NULL, the report's id
        is filled in). The same call again leaves the same rows. Comparisons with its old rows are deleted.

        Args:
            owner: When given, the write is refused if another process has taken the report up meanwhile.

        Raises:
            WarehouseError: when there is no such report, a key is no column, or nothing could be written.
        """
        if not callable(report):
            _check_end(report_id, report)
        children = [
            complete_rows(table, report_id, rows)
            for table, rows in zip(_CHILDREN, (details, criteria, runs, issues), strict=True)
        ]
        with self.database.writing() as connection:
            stored = self._check_owner(_locked(connection, report_id), report_id, owner)
            was_written = [
                _replace(connection, table, report_id, rows) for table, rows in zip(_CHILDREN, children, strict=True)
            ]
            if any(was_written):
                # What was compared before is of a report that is no more.
                compared = sa.or_(report_comparisons.c.report_id == report_id,
                                  report_comparisons.c.baseline_id == report_id)  # fmt: skip
                connection.execute(sa.delete(report_comparisons).where(compared))
            final = report(stored) if callable(report) else report
            _check_end(report_id, final)
            values = _known(final) | dict.fromkeys(LEASE)
            connection.execute(sa.update(reports).where(reports.c.id == report_id).values(values))

    def end_report(self, report_id: int, status: str, error: str | None = None, owner: Owner | None = None) -> bool:
        """End a report that cannot be written in full: its status (failed, cancelled), why, when, and after how long.

        A report that has ended already, or is gone, stays as it is, and so does one that another than ``owner`` (when
        given) resumed. Whether it was ended.
        """
        if status not in ENDED:
            raise WarehouseError(f"Report {report_id} cannot end as {status!r}.")
        now = datetime.now(UTC)
        with self.database.writing() as connection:
            row = _locked(connection, report_id)
            if row is None or row["status"] in ENDED:
                return False
            if owner is not None and row["owner"] is not None and Owner.model_validate(row["owner"]) != owner:
                return False
            _end(connection, row, status, error, now)
            return True

    def fail_abandoned(self, now: datetime | None = None) -> list[ReportRow]:
        """Mark the reports ``failed`` that have not ended and whose owner is dead; their rows as they are then, by id.

        Each in a transaction of its own, in which its owner is checked again: another process may have resumed it.
        """
        now = now or datetime.now(UTC)
        marked: list[ReportRow] = []
        for known in self.load_unfinished():
            with self.database.writing() as connection:
                row = _locked(connection, known["id"])
                if row is None or row["status"] in ENDED or _owner_lives(row, now):
                    continue
                _end(connection, row, "failed", _abandoned(row), now)
                marked += _read_rows(connection, sa.select(reports).where(reports.c.id == row["id"]))
        return marked

    # Inside

    def _load(self, query: Select[Any]) -> list[Any]:
        with self.database.reading() as connection:
            return _read_rows(connection, query)

    def _update_running(self, report_id: int, values: Values) -> None:
        running: ColumnElement[bool] = (reports.c.id == report_id) & reports.c.status.not_in(ENDED)
        with self.database.writing(durable=False) as connection:
            connection.execute(sa.update(reports).where(running).values(values))

    def _check_owner(self, row: ReportRow | None, report_id: int, owner: Owner | None) -> ReportRow:
        if row is None:
            raise WarehouseError(f"There is no report {report_id} in the warehouse {self.database.shown}.")
        if owner is None or row["owner"] is None or Owner.model_validate(row["owner"]) == owner:
            return row
        taker = row["owner"]
        raise WarehouseError(
            f"Report {report_id} was resumed by process {taker['pid']} on {taker['host']}, which alone may write it."
        )


def _check_end(report_id: int, report: Values) -> None:
    if report.get("status") not in ENDED:
        raise WarehouseError(f"Report {report_id} cannot be written as {report.get('status')!r}: that is no end.")


def _known(values: Values) -> dict[str, object]:
    unknown = values.keys() - set(reports.columns.keys())
    if unknown:
        raise WarehouseError(f"The table reports has no column {', '.join(sorted(unknown))}.")
    return {name: value for name, value in values.items() if name != "id"}


def _read_rows(connection: Connection, query: Select[Any]) -> list[Any]:
    """The rows as dicts; callers name the type of their table's rows."""
    return [dict(row) for row in connection.execute(query).mappings()]


def _locked(connection: Connection, report_id: int) -> ReportRow | None:
    """The report's row, which no other transaction changes before this one ends (SQLite: it is the only writer)."""
    rows = _read_rows(connection, sa.select(reports).where(reports.c.id == report_id).with_for_update())
    return rows[0] if rows else None


def _end(connection: Connection, row: ReportRow, status: str, error: str | None, now: datetime) -> None:
    started = row["generation_started_at"]
    values: dict[str, object] = {
        "status": status,
        "error": error,
        "generation_completed_at": now,
        **dict.fromkeys(LEASE),
    }
    values["generation_duration_seconds"] = None if started is None else (now - started).total_seconds()
    connection.execute(sa.update(reports).where(reports.c.id == row["id"]).values(values))


def _owner_lives(row: ReportRow, now: datetime) -> bool:
    return row["owner"] is not None and is_alive(Owner.model_validate(row["owner"]), row["heartbeat"], now)


def _abandoned(row: ReportRow) -> str:
    owner = row["owner"]
    who = (
        "no process worked on it" if owner is None else f"process {owner['pid']} on {owner['host']} was killed or lost"
    )
    return (
        f"{who} at {row['progress']}%: report_id={row['id']} (`--report-id {row['id']}`) resumes it, and what was "
        "paid for is not paid for again"
    )


def _refuse_living(row: ReportRow, now: datetime) -> None:
    if _owner_lives(row, now) and row["owner"] is not None:
        owner = Owner.model_validate(row["owner"])
        lapse = int(HEARTBEAT_LAPSES.total_seconds())
        raise ConflictError(
            f"Report {row['id']} is being made by process {owner.pid} on {owner.host} ({row['status']}, "
            f"{row['progress']}%): wait for it, or end that process there. After a crash of that host it can be "
            f"resumed {lapse} seconds after its last sign of life."
        )


def _replace(connection: Connection, table: Table, report_id: int, rows: list[dict[str, Any]]) -> bool:
    """Whether there was anything to be replaced."""
    went = connection.execute(sa.delete(table).where(table.c.report_id == report_id)).rowcount
    if rows:
        connection.execute(sa.insert(table), rows)
    return went > 0
