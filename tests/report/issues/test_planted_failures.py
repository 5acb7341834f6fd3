"""A failure mode planted in agents of a warehouse's reports, from verdicts through a judge over HTTP to its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openai import OpenAI

from deployments.demo.judge import SimulatedJudge
from tasks.evidence.prices import RunPrices
from tasks.judge.endpoint.client import JudgeClient, open_endpoint
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.exchange import Judge
from tasks.judge.issues.judging import judge_issues
from tasks.report.issues.failing_runs import find_failing_runs
from tasks.report.issues.issue_rows import IssueScene, build_issue_rows
from tasks.report.rows import IssueRow
from tasks.warehouse.issues.known_issues import load_known_issues, write_decision
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import Warehouse, open_warehouse

_PLANTED = "success claimed for a task held for review"
MakeScene = Callable[..., IssueScene]
Agents = Mapping[str, Mapping[str, str | None]]


class Reports:
    """An environment's reports, one after the other, by one judge, in one warehouse."""

    def __init__(self, warehouse: Warehouse, server: SimulatedJudge, endpoint: OpenAI, make_scene: MakeScene) -> None:
        self.warehouse = warehouse
        self.server = server
        self._make_scene = make_scene
        client = JudgeClient(openai=endpoint, limiter=RateLimiter(0), model="simulated-judge")
        self._judge = Judge(client, SqlLedger(warehouse.database), RunPrices(), StopSignal())

    def write(self, agents: Agents, night: int) -> list[IssueRow]:
        """A report of a night, as it is read back."""
        report_id = self.warehouse.create_report({"environment": "prod"})
        scene = self._make_scene(agents, report_id=report_id, night=night)
        failing = find_failing_runs(scene.evidences, scene.evaluations)
        known = load_known_issues(self.warehouse.database, "prod", before=report_id)
        search = judge_issues(self._judge, failing, known, timeout_seconds=120)
        assert search.error is None
        rows = build_issue_rows(scene, search)
        self.warehouse.write_report(report_id, {"status": "completed"}, [], [], [], rows)
        return self.warehouse.load_issues(report_id)


@pytest.fixture
def reports(tmp_path: Path, make_scene: MakeScene) -> Iterator[Reports]:
    warehouse = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    with (
        SimulatedJudge(agent_seconds=0, team_seconds=0) as server,
        open_endpoint(server.base_url, "sk-key-of-a-test") as endpoint,
    ):
        yield Reports(warehouse, server, endpoint, make_scene)
    warehouse.close()


def _night(night: int, mode: str) -> Agents:
    """Four agents, of which the first three fail in half of their runs, and the last in its own way."""
    return {
        agent: {f"{night}-{number}": mode if number % 2 else "" for number in range(6)} for agent in ("1", "2", "3")
    } | {"4": {f"{night}-0": "asks twice for the same document", f"{night}-1": ""}}


def test_a_failure_mode_of_three_agents_is_one_issue_with_all_its_runs(reports: Reports) -> None:
    rows = {row["title"]: row for row in reports.write(_night(1, _PLANTED), 1)}
    planted = rows["Success claimed for a task held for review"]
    assert planted["agent_ids"] == ["1", "2", "3"]
    assert {(run["agent_id"], run["run_id"]) for run in planted["runs"]} == {
        (agent, f"1-{number}") for agent in ("1", "2", "3") for number in (1, 3, 5)
    }
    assert planted["share"] == pytest.approx(9 / 20)
    assert len(rows) == 2
    assert len(reports.server.requests) == 1


def test_it_is_new_then_ongoing_then_gone_and_when_it_is_planted_again_back(reports: Reports) -> None:
    found = []
    for night, mode in enumerate((_PLANTED, _PLANTED, "", "", _PLANTED), start=1):
        rows = reports.write(_night(night, mode), night)
        found.append([(row["issue_id"], row["state"]) for row in rows if row["title"].startswith("Success claimed")])
    ((issue_id, first),) = found[0]
    assert first == "new"
    assert found[1:] == [[(issue_id, "ongoing")], [(issue_id, "gone")], [], [(issue_id, "back")]]
    assert [row["first_report_id"] for row in reports.warehouse.load_issues(5)] == [1, 1]


def test_an_unchanged_night_pays_for_no_call(reports: Reports) -> None:
    night = _night(1, _PLANTED)
    rows = [reports.write(night, 1) for _ in range(4)]
    assert len(reports.server.requests) == 1
    assert [[row["state"] for row in each] for each in rows] == [["new", "new"], *[["ongoing", "ongoing"]] * 3]
    assert len({row["issue_id"] for each in rows for row in each}) == 2


def test_a_closed_issue_is_back_only_with_new_runs(reports: Reports) -> None:
    issue_id = reports.write(_night(1, _PLANTED), 1)[0]["issue_id"]
    moment = datetime(2026, 3, 3, tzinfo=UTC)
    write_decision(reports.warehouse.database, "prod", issue_id, "closed", decided_by="ana", report_id=1, now=moment)
    assert issue_id not in {row["issue_id"] for row in reports.write(_night(1, _PLANTED), 1)}
    (back,) = [row for row in reports.write(_night(7, _PLANTED), 7) if row["issue_id"] == issue_id]
    assert (back["state"], back["first_report_id"]) == ("back", 1)
    (ongoing,) = [row for row in reports.write(_night(8, _PLANTED), 8) if row["issue_id"] == issue_id]
    assert ongoing["state"] == "ongoing"


def test_what_is_no_issue_does_not_come_back(reports: Reports) -> None:
    issue_id = reports.write(_night(1, _PLANTED), 1)[0]["issue_id"]
    write_decision(reports.warehouse.database, "prod", issue_id, "not_an_issue", decided_by="ana", report_id=1)
    for night in (2, 3):
        assert issue_id not in {row["issue_id"] for row in reports.write(_night(night, _PLANTED), night)}
    write_decision(reports.warehouse.database, "prod", issue_id, "open", decided_by="ana", report_id=1)
    assert issue_id in {row["issue_id"] for row in reports.write(_night(4, _PLANTED), 4)}
