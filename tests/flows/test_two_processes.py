"""Two processes that make a report each, at the same moment, where nothing is yet: no warehouse, no Prefect home."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge
from deployments.demo.loopback import Request
from deployments.demo.sample import Sample
from tasks.warehouse.migrations import REVISIONS, VERSION_TABLE
from tasks.warehouse.parquet import read_parquet
from tasks.warehouse.schema import REPORT_TABLES, metadata
from tasks.warehouse.sql import open_warehouse

# The command, when everything is imported and it may go on: one of two processes is always faster with imports.
_COMMAND = """
import sys
from deployments.local.runner import quiet_prefect
quiet_prefect()
import flows.generate_report
from deployments.cli import main
print("ready", flush=True)
sys.stdin.readline()
main()
"""
_ARGUMENTS = ("run", "demo", "--json", "--judge-model", "simulated-judge")
_SECONDS = 60
# Which report it is, when it was made, and which of the two paid for an answer.
_OWN = {
    *("id", "report_id", "first_report_id", "flow_run_id", "evidence_until", "created_at"),
    *("generation_started_at", "generation_completed_at", "generation_duration_seconds"),
    # The issues of the report that is finished later are ongoing since the other.
    "state",
    *("prompt_tokens", "completion_tokens", "cost_usd", "known_cost_usd", "judge_cost_usd", "reused"),
}


class _Meeting:
    """Holds the judge's answers back until there are two reports.

    Else the one whose Prefect server is up first (they start one after the other) is done before the other begins.
    """

    def __init__(self, warehouse_url: str) -> None:
        self._engine = sa.create_engine(warehouse_url, poolclass=sa.NullPool)
        self._lock = threading.Lock()
        self._is_over = False

    def __call__(self, payload: dict[str, Any], request: Request) -> None:
        with self._lock:
            while not self._is_over:
                with self._engine.connect() as connection:
                    found = connection.execute(sa.text("SELECT count(*) FROM reports")).scalar_one()
                self._is_over = found == 2 or time.monotonic() > request.at + _SECONDS
                time.sleep(0.05)


def _run_two(environment: dict[str, str]) -> list[dict[str, Any]]:
    """What two commands print that may go on at the same moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *_ARGUMENTS],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ended = [process.communicate(timeout=2 * _SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], [err for _, err in ended]
    return [json.loads(out) for out, _ in ended]


def _differences(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    """Column and both values where two reports disagree, apart from what is each one's own."""
    return [
        (column, row[column], other[column])
        for row, other in zip(rows, others, strict=True)
        for column in row.keys() - _OWN
        if row[column] != other[column]
    ]


def test_two_reports_at_once_are_both_complete_and_pay_once(sample: Sample, postgres_url: str, tmp_path: Path) -> None:
    sample.write_sqlite(tmp_path / "source.db")
    judge = SimulatedJudge(agent_seconds=0.1, team_seconds=0.1, respond=_Meeting(postgres_url))
    with judge, SimulatedJaeger(sample.traces) as jaeger:
        environment = os.environ | {
            "PREFECT_HOME": str(tmp_path / "home"),
            "AGENT_REPORT_SOURCE_URL": f"sqlite:///{tmp_path / 'source.db'}",
            "AGENT_REPORT_WAREHOUSE_URL": postgres_url,
            "AGENT_REPORT_PARQUET_URL": str(tmp_path / "parquet"),
            "AGENT_REPORT_JAEGER_URL": jaeger.url,
            "OPENAI_BASE_URL": judge.base_url,
            "OPENAI_API_KEY": "sk-planted-key-0123456789",
        }
        environment.pop("PREFECT_API_URL", None)
        printed = _run_two(environment)
    reports = sorted((entry["report"] for entry in printed), key=lambda report: report["id"])
    first, second = (report["id"] for report in reports)
    assert first != second
    assert [report["status"] for report in reports] == ["completed", "completed"]
    assert max(report["created_at"] for report in reports) < min(
        report["generation_completed_at"] for report in reports
    )

    warehouse = open_warehouse(postgres_url)
    assert [report["id"] for report in warehouse.list_reports()] == [second, first]
    tables = {
        "agent_report_details": warehouse.load_agents,
        "criterion_scores": warehouse.load_criteria,
        "report_runs": warehouse.load_runs,
        "report_issues": warehouse.load_issues,
    }
    rows = {table: (load(first), load(second)) for table, load in tables.items()}
    warehouse.close()
    statuses = [row["status"] for row in rows["agent_report_details"][0]]
    assert sorted(statuses) == ["evaluated"] * 4 + ["no_runs"]
    assert {table: len(one) for table, (one, _) in rows.items()} == {
        "agent_report_details": 5,
        "criterion_scores": 5 * 3,
        "report_runs": len(sample.runs),
        "report_issues": len(rows["report_issues"][0]),
    }
    for table, (one, other) in rows.items():
        assert _differences(one, other) == [], table
    for table in REPORT_TABLES:
        stored = read_parquet(str(tmp_path / "parquet"), table).to_pylist()
        key, expected = ("id", 1) if table == "reports" else ("report_id", len(rows[table][0]))
        assert Counter(row[key] for row in stored) == {first: expected, second: expected}, table

    # The same questions at the same time: each was asked once, by the first.
    assert len(judge.requests) == 6
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}
        versions = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()
        calls = connection.execute(sa.text("SELECT status, report_id FROM judge_calls")).all()
    engine.dispose()
    assert versions == [REVISIONS[-1]]
    assert [status for status, _ in calls] == ["answered"] * 6
    assert {report_id for _, report_id in calls} <= {first, second}
    with closing(sqlite3.connect(tmp_path / "home" / "prefect.db")) as prefect:
        runs = prefect.execute("SELECT id, state_type FROM flow_run").fetchall()
    assert sorted(runs) == sorted((report["flow_run_id"], "COMPLETED") for report in reports)
