"""Retention: which reports have had their time, and how they go with all that is theirs.

SQL goes first, a report in a transaction, since readers trust SQL; the files follow. Whatever is interrupted, a report
is either there with everything, or gone from SQL and left over in files that the next removal finds and takes away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.engine import Connection

from tasks.report.rows import ReportRow
from tasks.warehouse.engine import Database
from tasks.warehouse.owner import Owner, is_alive
from tasks.warehouse.retention.stored_files import StoredFile, list_stored, remove_stored
from tasks.warehouse.schema import (
    ENDED,
    agent_report_details,
    criterion_scores,
    judge_calls,
    report_comparisons,
    report_issues,
    report_runs,
    reports,
    reused_answers,
)

_CHILDREN = (report_issues, report_runs, criterion_scores, agent_report_details)
# A report's page is written when the report has ended.
_STILL_WRITING = timedelta(hours=1)
_COLUMNS = ("id", "environment", "name", "status", "created_at", "generation_completed_at")


@dataclass(frozen=True, slots=True)
class Rule:
    """What has had its time: reports that ended before ``before`` (aware), of one environment or of all.

    Of each environment the newest ``keep_last`` completed reports stay however old they are, and without any completed
    one the newest that has ended.
    """

    before: datetime
    keep_last: int = 1
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Removable:
    """What a rule removes: reports (id, environment, name, status and times), how many rows by table, and files.

    ``leftovers`` are those of ``files`` that no report in SQL has: of reports that are gone, or of killed writers.
    """

    reports: tuple[ReportRow, ...]
    rows: dict[str, int]
    files: tuple[StoredFile, ...]
    leftovers: tuple[StoredFile, ...]


class Retention:
    """One rule on one warehouse and its Parquet folder. No report in progress is touched; labels always stay."""

    def __init__(self, database: Database, parquet_url: str, rule: Rule) -> None:
        self._database = database
        self._url = parquet_url
        self._rule = rule

    def find_removable(self) -> Removable:
        """What ``remove_reports``, ``remove_answers`` and ``remove_files`` would remove now, one after the other.

        Raises:
            WarehouseError, ParquetError: the warehouse or the folder cannot be read.
        """
        stored = list_stored(self._url, self._environments())
        with self._database.reading() as connection:
            due, _ = _due(connection, self._rule)
            ids = [row["id"] for row in due]
            rows: Counter[str] = Counter({"reports": len(ids)})
            for report_id in ids:
                for table in _CHILDREN:
                    rows[table.name] += _count(connection, table, table.c.report_id == report_id)
                rows[report_comparisons.name] += _count(connection, report_comparisons, _compared_with(report_id))
            needless = _needless(self._rule, without=ids)
            if self._rule.environment is not None:
                needless &= judge_calls.c.id.in_(_answers_of(ids))
            rows[judge_calls.name] = _count(connection, judge_calls, needless)
            leftovers = _leftovers(connection, stored)
        gone = set(ids)
        files = [each for each in stored if each.report_id in gone or each in leftovers]
        return Removable(tuple(due), dict(rows), tuple(files), tuple(leftovers))

    def remove_reports(self) -> Iterator[tuple[ReportRow, dict[str, int]]]:
        """Remove the reports that have had their time from SQL, the oldest first, each with its rows and answers in a
        transaction of its own; gives each with the rows that went, by table, when it is gone for good.

        One that is resumed or compared with meanwhile stays.

        Raises:
            WarehouseError: the warehouse cannot be written; what was given before is gone.
        """
        with self._database.reading() as connection:
            due, spared = _due(connection, self._rule)
        needing_nothing = {row["id"] for row in due} | spared
        for row in due:
            with self._database.writing() as connection:
                went = _remove_report(connection, self._rule, row["id"], needing_nothing)
            if went is not None:
                yield row, went

    def remove_answers(self) -> int:
        """Remove the paid answers that nothing needs although their report is gone, and claims without a holder; how
        many went. With a rule for one environment none, as an answer does not record its environment.

        Raises:
            WarehouseError: the warehouse cannot be written.
        """
        if self._rule.environment is not None:
            return 0
        with self._database.writing() as connection:
            there = sa.select(reports.c.id)
            connection.execute(sa.delete(reused_answers).where(reused_answers.c.report_id.not_in(there)))
            went = connection.execute(sa.delete(judge_calls).where(_needless(self._rule))).rowcount
            there = sa.select(judge_calls.c.id)
            connection.execute(sa.delete(reused_answers).where(reused_answers.c.judge_call_id.not_in(there)))
            return int(went)

    def remove_files(self) -> Iterator[StoredFile]:
        """Remove the files of reports that are gone, and what killed writers left; gives each when it is gone.

        Raises:
            ParquetError: the folder cannot be read, or a file not removed; what was given before is gone.
        """
        stored = list_stored(self._url, self._environments())
        with self._database.reading() as connection:
            leftovers = _leftovers(connection, stored)
        yield from remove_stored(self._url, leftovers)

    def _environments(self) -> Sequence[str]:
        """Those of this warehouse: in a folder that it shares with another, the other's are not ours to look at."""
        if self._rule.environment is not None:
            return [self._rule.environment]
        with self._database.reading() as connection:
            return connection.execute(sa.select(reports.c.environment).distinct()).scalars().all()


def _due(connection: Connection, rule: Rule) -> tuple[list[ReportRow], set[int]]:
    """The reports that have had their time, oldest first; and the ids of those that stay for a comparison's sake only.

    The latter keep nothing themselves: else a chain of nightly comparisons would keep every report forever.
    """
    query = sa.select(*(reports.c[name] for name in _COLUMNS)).order_by(reports.c.id.desc())
    if rule.environment is not None:
        query = query.where(reports.c.environment == rule.environment)
    rows = [cast(ReportRow, dict(row)) for row in connection.execute(query).mappings()]
    kept = {row["id"] for row in rows if not _has_had_its_time(row, rule)}
    by_environment: dict[str, list[ReportRow]] = {}
    for row in rows:
        if row["status"] in ENDED:
            by_environment.setdefault(row["environment"], []).append(row)
    for ended in by_environment.values():
        completed = [row["id"] for row in ended if row["status"] == "completed"]
        kept.update(completed[: max(rule.keep_last, 1)] or [ended[0]["id"]])
    pairs = sa.select(report_comparisons.c.report_id, report_comparisons.c.baseline_id).distinct()
    spared = {baseline for report_id, baseline in connection.execute(pairs).all() if report_id in kept} - kept
    return [row for row in reversed(rows) if row["id"] not in kept | spared], spared


def _has_had_its_time(row: Any, rule: Rule) -> bool:
    if row["status"] not in ENDED:
        return False
    return bool((row["generation_completed_at"] or row["created_at"]) < rule.before)


def _remove_report(
    connection: Connection, rule: Rule, report_id: int, needing_nothing: set[int]
) -> dict[str, int] | None:
    """Remove one report, if it still may go; the rows that went by table, None when it stays."""
    query = sa.select(*(reports.c[name] for name in _COLUMNS)).where(reports.c.id == report_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None or not _has_had_its_time(row, rule):
        return None
    compared = sa.select(report_comparisons.c.report_id).where(report_comparisons.c.baseline_id == report_id)
    if not set(connection.execute(compared.distinct()).scalars()) <= needing_nothing:
        return None
    answers = connection.execute(_answers_of([report_id])).scalars().all()
    went = {}
    for table in _CHILDREN:
        went[table.name] = connection.execute(sa.delete(table).where(table.c.report_id == report_id)).rowcount
    comparisons = sa.delete(report_comparisons).where(_compared_with(report_id))
    went[report_comparisons.name] = connection.execute(comparisons).rowcount
    went["reports"] = connection.execute(sa.delete(reports).where(reports.c.id == report_id)).rowcount
    connection.execute(sa.delete(reused_answers).where(reused_answers.c.report_id == report_id))
    needless = _needless(rule) & judge_calls.c.id.in_(answers)
    went[judge_calls.name] = connection.execute(sa.delete(judge_calls).where(needless)).rowcount
    return went


def _answers_of(report_ids: Sequence[int]) -> sa.CompoundSelect[Any]:
    """The ids of the answers that reports paid for, or took from others."""
    paid = sa.select(judge_calls.c.id).where(judge_calls.c.report_id.in_(report_ids))
    taken = sa.select(reused_answers.c.judge_call_id).where(reused_answers.c.report_id.in_(report_ids))
    return sa.union(paid, taken)


def _needless(rule: Rule, without: Sequence[int] = ()) -> ColumnElement[bool]:
    """Entries of the ledger that nothing needs, once the reports ``without`` are gone.

    An answer is needed by the report that paid for it, by every report that took it, and as long as it is younger than
    the rule: what is asked again by then is not paid for again. A claim is needed until it lapses.
    """
    calls = judge_calls.c
    payer = sa.select(reports.c.id).where(reports.c.id == calls.report_id, reports.c.id.not_in(without))
    takers = (
        sa.select(reused_answers.c.report_id)
        .join(reports, reports.c.id == reused_answers.c.report_id)
        .where(reused_answers.c.judge_call_id == calls.id, reports.c.id.not_in(without))
    )
    had_its_time = sa.case(
        (calls.status == "claimed", sa.func.coalesce(calls.claimed_until, calls.created_at)), else_=calls.created_at
    )
    before = sa.literal(rule.before, calls.created_at.type)
    return sa.and_(had_its_time < before, sa.not_(payer.exists()), sa.not_(takers.exists()))


def _compared_with(report_id: int) -> ColumnElement[bool]:
    return sa.or_(report_comparisons.c.report_id == report_id, report_comparisons.c.baseline_id == report_id)


def _count(connection: Connection, table: sa.Table, condition: ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one())


def _leftovers(connection: Connection, stored: Sequence[StoredFile]) -> list[StoredFile]:
    """Those of the files that no report has. SQL is asked after the files were listed: who is not there by then never
    will be, as an id is given once and its row comes before its files. An id never given is of another warehouse."""
    names = ("id", "status", "generation_completed_at", "owner", "heartbeat")
    query = sa.select(*(reports.c[name] for name in names))
    known = {row["id"]: row for row in connection.execute(query).mappings()}
    highest, now = _highest_id(connection), datetime.now(UTC)
    return [
        each
        for each in stored
        if each.report_id <= highest and (each.report_id not in known or _was_left(each, known[each.report_id], now))
    ]


def _was_left(file: StoredFile, report: Any, now: datetime) -> bool:
    """Whether it is a temporary file of a writer that was killed: of a living one it is renamed in a moment.

    A report's tables have their names by the time it has ended, its page some time later.
    """
    if not file.is_temporary:
        return False
    if report["status"] not in ENDED:
        owner = report["owner"]
        return owner is None or not is_alive(Owner(**owner), report["heartbeat"], now)
    ended = report["generation_completed_at"]
    return not file.is_page or ended is None or ended < now - _STILL_WRITING


def _highest_id(connection: Connection) -> int:
    """The highest id that a report was ever given; 0 without any."""
    if connection.dialect.name == "sqlite":
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'reports'"
    else:
        query = "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence('reports', 'id') AS regclass))"
    return int(connection.execute(sa.text(query)).scalar() or 0)
