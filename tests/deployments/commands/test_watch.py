"""Following a report until it ends, is stopped or is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.warehouse.owner import Owner, current_owner
from tasks.warehouse.sql import Warehouse

AgentReport = Callable[..., tuple[int, str, str]]
Write = Callable[..., int]
NOW = datetime.now(UTC)


def test_a_report_that_has_ended_is_shown_at_once(agent_report: AgentReport, write: Write) -> None:
    code, out, _ = agent_report("watch", str(write()))
    assert (code, "Needs attention: 1 of 2 agents" in out) == (0, True)
    code, out, _ = agent_report("watch", str(write(status="cancelled")), "--json")
    assert code == 1
    assert json.loads(out)["status"] == "cancelled"


def test_a_report_that_no_process_works_on_is_reported(agent_report: AgentReport, write: Write) -> None:
    dead = Owner(host="elsewhere", pid=7, process_started=1.0)
    report_id = write(status="generating_agents", owner=dead, heartbeat=NOW - timedelta(minutes=2))
    code, _, err = agent_report("watch", str(report_id))
    assert code == 1
    assert "process 7 on elsewhere" in err
    assert f"agent-report run prod --report-id {report_id}` resumes it" in err


def test_a_report_that_ends_with_its_process_just_after_it_was_read_has_ended(
    warehouse: Warehouse, agent_report: AgentReport, write: Write
) -> None:
    dead = Owner(host="elsewhere", pid=7, process_started=1.0)
    report_id = write(status="generating_agents", owner=dead, heartbeat=NOW - timedelta(minutes=2))
    reads = []

    def end_it(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT") and "FROM reports" in statement:
            reads.append(statement)
            if len(reads) == 1:
                warehouse.end_report(report_id, "cancelled", "it was stopped")

    # What the first look at the report brought is of the moment before.
    with _after_each_statement(end_it):
        code, out, err = agent_report("watch", str(report_id), "--json")
    assert (code, err) == (1, "")
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["pending", "cancelled"]


def test_a_report_in_progress_is_followed_to_its_end(
    warehouse: Warehouse, agent_report: AgentReport, write: Write
) -> None:
    report_id = write(status="pending", owner=current_owner())
    steps = iter(
        [
            lambda: warehouse.record_progress(
                report_id, progress=40, status="generating_agents", current_step="Evaluated 1/2"
            ),
            lambda: warehouse.end_report(report_id, "failed", "no money"),
        ]
    )

    def go_on(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT") and "FROM reports" in statement:
            next(steps, lambda: None)()

    with _after_each_statement(go_on):
        code, out, _ = agent_report("watch", str(report_id), "--json")
    first, second, last = (json.loads(line) for line in out.splitlines())
    assert first["status"] == "pending"
    assert (second["progress"], second["current_step"]) == (40, "Evaluated 1/2")
    assert (last["status"], last["error"]) == ("failed", "no money")
    assert code == 1


def test_lines_come_as_they_happen_and_ctrl_c_leaves_the_report_alone(
    warehouse: Warehouse, tmp_path: Path, write: Write
) -> None:
    report_id = write(status="pending", owner=current_owner())
    with _started(tmp_path, "watch", str(report_id), "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["status"] == "pending"
        warehouse.record_progress(report_id, progress=40, status="generating_agents", current_step="Evaluated 1/2")
        assert json.loads(process.stdout.readline())["progress"] == 40
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert f"Report {report_id} is still running" in process.stderr.read()
    row = warehouse.load_report(report_id)
    assert row is not None
    assert row["status"] == "generating_agents"


def test_a_report_that_is_discarded_is_reported_as_gone(
    warehouse: Warehouse, agent_report: AgentReport, write: Write
) -> None:
    report_id = write(status="pending", owner=current_owner())
    reads = []

    def discard_it(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT") and "FROM reports" in statement:
            reads.append(statement)
            if len(reads) == 2:
                warehouse.discard_report(report_id)

    with _after_each_statement(discard_it):
        code, out, err = agent_report("watch", str(report_id))
    assert code == 1
    assert "0%  pending" in out
    assert f"report {report_id} is gone" in err


@contextmanager
def _after_each_statement(look: Callable[..., None]) -> Iterator[None]:
    sa.event.listen(sa.Engine, "after_cursor_execute", look)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", look)


def _started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = Path(sys.executable).with_name("agent-report")
    return subprocess.Popen(
        [command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
