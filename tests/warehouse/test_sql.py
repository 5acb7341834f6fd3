"""Reports while they are made, and when they are done."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import RefusedError, WarehouseError
from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.comparisons import load_stored_report
from tasks.warehouse.frames import read_runs
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.owner import Owner, current_owner
from tasks.warehouse.schema import REPORT_TABLES
from tasks.warehouse.sql import Warehouse

Rows = dict[str, list[dict[str, Any]]]
ELSEWHERE = Owner(host="elsewhere.example", pid=7, process_started=1.0)
NOW = datetime.now(UTC)


def load(warehouse: Warehouse, report_id: int) -> dict[str, Any]:
    row = warehouse.load_report(report_id)
    assert row is not None
    return row


def write(warehouse: Warehouse, report_id: int, rows: Rows, **changes: Any) -> None:
    warehouse.write_report(
        report_id,
        {**rows["reports"][0], **changes},
        rows["agent_report_details"],
        rows["criterion_scores"],
        rows["report_runs"],
        rows["report_issues"],
    )


def count_rows(warehouse: Warehouse) -> dict[str, int]:
    with warehouse.database.reading() as connection:
        names = [*REPORT_TABLES, "judge_calls"]
        return {name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}


@pytest.fixture
def dead() -> Owner:
    """A process of this host that is gone."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return Owner(host=socket.gethostname(), pid=child.pid, process_started=current_owner().process_started)


def test_a_new_report_is_pending_and_ours(warehouse: Warehouse) -> None:
    row = load(warehouse, warehouse.create_report({"environment": "prod", "name": "Nightly", "parameters": {"a": [1]}}))
    assert (row["name"], row["environment"], row["parameters"]) == ("Nightly", "prod", {"a": [1]})
    assert (row["status"], row["progress"], row["error"]) == ("pending", 0, None)
    assert Owner(**row["owner"]) == current_owner()
    assert row["created_at"] == row["heartbeat"]
    assert abs(row["created_at"] - datetime.now(UTC)) < timedelta(minutes=5)


def test_what_is_not_there(warehouse: Warehouse) -> None:
    assert warehouse.load_report(1) is None
    assert warehouse.load_agents(1) == []
    assert warehouse.load_criteria(1) == []
    assert warehouse.load_runs(1) == []
    assert warehouse.list_reports() == []
    warehouse.beat(1)
    warehouse.record_progress(1, progress=10)
    warehouse.end_report(1, "failed", "x")
    warehouse.discard_report(1)
    with pytest.raises(WarehouseError, match="no report 1"):
        warehouse.write_report(1, {"status": "completed"}, [], [], [])
    with pytest.raises(RefusedError, match=r"no report 1.*agent-report list"):
        warehouse.take_report(1)
    assert set(count_rows(warehouse).values()) == {0}


def test_the_list_is_the_newest_first_of_one_environment_or_all(warehouse: Warehouse) -> None:
    ids = [warehouse.create_report({"environment": name}) for name in ("a", "b", "a", "a")]
    assert [row["id"] for row in warehouse.list_reports()] == ids[::-1]
    assert [row["id"] for row in warehouse.list_reports("a", limit=2)] == [ids[3], ids[2]]
    assert warehouse.list_reports("c") == []


def test_an_id_is_never_given_twice(warehouse: Warehouse) -> None:
    first = warehouse.create_report({"environment": "prod"})
    warehouse.discard_report(first)
    assert warehouse.create_report({"environment": "prod"}) > first


# Progress


def test_progress_never_goes_back(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    warehouse.record_progress(
        report_id, progress=64.9, status="generating_agents", current_step="Evaluated 7/14 agents"
    )
    warehouse.record_progress(report_id, progress=60, current_step="Evaluated 6/14 agents")
    row = load(warehouse, report_id)
    assert (row["progress"], row["current_step"]) == (64, "Evaluated 7/14 agents")
    warehouse.record_progress(report_id, progress=64, status="generating_team", current_step="Judging the team")
    row = load(warehouse, report_id)
    assert (row["progress"], row["status"], row["current_step"]) == (64, "generating_team", "Judging the team")
    warehouse.record_progress(report_id, progress=90)
    row = load(warehouse, report_id)
    assert (row["progress"], row["status"], row["current_step"]) == (90, "generating_team", "Judging the team")


def test_progress_from_many_threads_ends_at_the_furthest(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda n: warehouse.record_progress(report_id, progress=n, current_step=str(n)), range(40, 0, -1))
        )
    row = load(warehouse, report_id)
    assert (row["progress"], row["current_step"]) == (40, "40")


@pytest.mark.parametrize("sign", [Warehouse.beat, lambda store, key: store.record_progress(key, progress=1)])
def test_signs_of_life_move_the_heartbeat(warehouse: Warehouse, sign: Callable[[Warehouse, int], None]) -> None:
    long_ago = NOW - timedelta(hours=1)
    report_id = warehouse.create_report({"environment": "prod", "heartbeat": long_ago})
    assert load(warehouse, report_id)["heartbeat"] == long_ago
    sign(warehouse, report_id)
    assert load(warehouse, report_id)["heartbeat"] >= NOW


def test_late_signs_of_life_do_not_touch_a_report_that_has_ended(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    warehouse.end_report(report_id, "cancelled", "by hand")
    before = load(warehouse, report_id)
    warehouse.beat(report_id)
    warehouse.record_progress(report_id, progress=99, status="generating_agents", current_step="late")
    warehouse.end_report(report_id, "failed", "late")
    assert load(warehouse, report_id) == before


def test_the_end_of_a_report_that_is_not_written(warehouse: Warehouse) -> None:
    started = NOW - timedelta(seconds=30)
    report_id = warehouse.create_report({"environment": "prod", "generation_started_at": started, "progress": 40})
    warehouse.end_report(report_id, "failed", "the source is gone")
    row = load(warehouse, report_id)
    assert (row["status"], row["error"], row["progress"]) == ("failed", "the source is gone", 40)
    assert (row["owner"], row["heartbeat"]) == (None, None)
    assert row["generation_duration_seconds"] == (row["generation_completed_at"] - started).total_seconds()
    with pytest.raises(WarehouseError, match="cannot end as 'pending'"):
        warehouse.end_report(report_id, "pending")


# Taking a report


def test_a_report_whose_owner_lives_is_refused_with_the_way_out(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod", "progress": 40})
    me = current_owner()
    with pytest.raises(
        RefusedError, match=rf"Report {report_id} .*process {me.pid} on {me.host}.*40%.*end that process"
    ):
        warehouse.take_report(report_id, owner=ELSEWHERE)
    assert Owner(**load(warehouse, report_id)["owner"]) == me


def test_a_report_whose_owner_was_killed_goes_on_where_it_was(warehouse: Warehouse, dead: Owner) -> None:
    moment = NOW - timedelta(hours=2)
    values = {"environment": "prod", "owner": dead, "parameters": {"a": 1}, "evidence_until": moment}
    report_id = warehouse.create_report(values)
    warehouse.record_progress(report_id, progress=60, status="generating_agents", current_step="Evaluated 7/14 agents")
    row = warehouse.take_report(report_id)
    assert row == load(warehouse, report_id)
    assert (row["parameters"], row["evidence_until"]) == ({"a": 1}, moment)
    assert (row["progress"], row["status"]) == (60, "generating_agents")
    assert Owner(**row["owner"]) == current_owner()
    assert row["heartbeat"] >= NOW


def test_values_are_written_along_with_the_new_owner(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod", "owner": None})
    assert warehouse.take_report(report_id, {"flow_run_id": "0f8e"})["flow_run_id"] == "0f8e"
    with pytest.raises(WarehouseError, match="no column colour"):
        warehouse.take_report(report_id, {"colour": "red"}, now=NOW)


def test_an_owner_of_another_host_is_dead_after_a_minute_of_silence(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod", "owner": ELSEWHERE, "heartbeat": NOW})
    with pytest.raises(RefusedError, match="process 7 on elsewhere"):
        warehouse.take_report(report_id, now=NOW + timedelta(seconds=59))
    row = warehouse.take_report(report_id, now=NOW + timedelta(seconds=60))
    assert row["heartbeat"] == NOW + timedelta(seconds=60)


def test_a_report_without_an_owner_can_be_taken(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod", "owner": None})
    assert Owner(**warehouse.take_report(report_id)["owner"]) == current_owner()


def test_only_reports_whose_owner_is_dead_are_marked_and_once(warehouse: Warehouse, dead: Owner) -> None:
    lost = {"owner": ELSEWHERE, "heartbeat": NOW - timedelta(seconds=61)}
    silent = {"owner": ELSEWHERE, "heartbeat": NOW - timedelta(seconds=50)}
    started = {"environment": "x", "generation_started_at": NOW - timedelta(seconds=90)}
    ours = warehouse.create_report(started)
    waiting = warehouse.create_report({**started, **silent})
    killed = warehouse.create_report({**started, "owner": dead, "progress": 40, "status": "generating_agents"})
    gone = warehouse.create_report({**started, **lost})
    nobodys = warehouse.create_report({**started, "owner": None})
    ended = warehouse.create_report({**started, "owner": dead})
    warehouse.end_report(ended, "cancelled", "stopped")

    marked = warehouse.fail_abandoned(NOW)

    assert [row["id"] for row in marked] == [killed, gone, nobodys]
    row = load(warehouse, killed)
    assert row == marked[0]
    assert (row["status"], row["progress"]) == ("failed", 40)
    assert f"process {dead.pid} on {dead.host} was killed or lost at 40%" in row["error"]
    assert f"--report-id {killed}" in row["error"]
    assert row["generation_completed_at"] == NOW
    assert row["generation_duration_seconds"] == pytest.approx(90)
    assert row["owner"] is None
    for report_id, status in ((ours, "pending"), (waiting, "pending"), (ended, "cancelled")):
        assert load(warehouse, report_id)["status"] == status
    assert warehouse.fail_abandoned(NOW) == []
    assert load(warehouse, killed) == row
    # Any process can still resume it.
    assert warehouse.take_report(killed)["status"] == "pending"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_report_that_has_ended_starts_again(warehouse: Warehouse, written: Rows, status: str) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    write(warehouse, report_id, written, status=status, error="quota")
    row = warehouse.take_report(report_id)
    assert (row["status"], row["progress"], row["error"], row["current_step"]) == ("pending", 0, None, None)
    assert (row["generation_completed_at"], row["generation_duration_seconds"]) == (None, None)
    assert row["parameters"] == written["reports"][0]["parameters"]
    assert len(warehouse.load_agents(report_id)) == 2
    warehouse.record_progress(report_id, progress=10)
    assert load(warehouse, report_id)["progress"] == 10


@pytest.mark.parametrize("state", ["ended", "killed"])
def test_of_several_who_take_a_report_at_once_one_wins(
    warehouse_url: str, warehouse: Warehouse, dead: Owner, together: Callable[..., list[str]], state: str
) -> None:
    report_id = warehouse.create_report({"environment": "prod", "owner": dead})
    if state == "ended":
        warehouse.end_report(report_id, "failed", "x")
    # All take it in the name of this process, which lives: a loser that comes late must not find a winner that is gone.
    imports = f"""
from tasks.errors import RefusedError
from tasks.warehouse.owner import Owner
from tasks.warehouse.sql import open_warehouse
warehouse = open_warehouse({warehouse_url!r})
owner = Owner.model_validate_json({current_owner().model_dump_json()!r})
"""
    code = f"""
try:
    warehouse.take_report({report_id}, owner=owner)
    print('won')
except RefusedError:
    print('refused')
"""
    assert sorted(together(imports, code, code)) == ["refused", "won"]


# Writing


def test_a_written_report_reads_as_it_was_written(warehouse: Warehouse, written: Rows) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    write(warehouse, report_id, written)
    row = load(warehouse, report_id)
    assert {name: row[name] for name in written["reports"][0]} == written["reports"][0]
    assert (row["id"], row["owner"], row["heartbeat"]) == (report_id, None, None)
    first, second = warehouse.load_agents(report_id)
    assert (first["report_id"], first["agent_id"], first["score"], first["passed"]) == (report_id, "1", 8.1, True)
    assert first["best_run"] == written["agent_report_details"][0]["best_run"].model_dump()
    assert first["run_ids"] == ["11", "12"]
    assert (second["agent_name"], second["score"], second["passed"], second["run_ids"]) == ("idle", None, None, None)
    team, agent = warehouse.load_criteria(report_id)
    assert (team["agent_id"], team["score"], team["passed"], team["examples"]) == (None, None, False, None)
    done, unknown = agent["examples"]
    assert (done["run_id"], done["label"], done["quote"], done["text"]) == ("11", "R1.2", 'said "done"', "done")
    assert (unknown["run_id"], unknown["text"]) == (None, "no run")
    newest, undated = warehouse.load_runs(report_id)
    assert (newest["run_id"], undated["run_id"]) == ("11", "12")
    telemetry = written["report_runs"][0]["telemetry"]
    assert newest["telemetry"] == telemetry.model_dump(mode="json")


def test_a_report_that_is_written_again_replaces_its_rows_and_keeps_those_of_others(
    warehouse: Warehouse, written: Rows
) -> None:
    one, other = (warehouse.create_report({"environment": "prod"}) for _ in range(2))
    SqlLedger(warehouse.database).commit(paid(one))
    write(warehouse, other, written)
    for _ in range(2):
        write(warehouse, one, written)
    expected = {"reports": 2, "agent_report_details": 4, "criterion_scores": 4, "report_runs": 4, "report_issues": 4}
    assert count_rows(warehouse) == expected | {"judge_calls": 1}
    warehouse.write_report(one, {"status": "failed", "error": "quota"}, [], [], [])
    row = load(warehouse, one)
    assert (row["status"], row["error"], row["name"]) == ("failed", "quota", "Nightly")
    assert (warehouse.load_agents(one), len(warehouse.load_agents(other))) == ([], 2)
    assert count_rows(warehouse)["judge_calls"] == 1


def test_a_write_that_fails_changes_nothing(warehouse: Warehouse, written: Rows) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    write(warehouse, report_id, written)
    before = (load(warehouse, report_id), warehouse.load_agents(report_id), warehouse.load_runs(report_id))
    doubled = {**written, "report_runs": [*written["report_runs"], written["report_runs"][0]]}
    with pytest.raises(WarehouseError, match="cannot be written"):
        write(warehouse, report_id, doubled, name="changed")
    with pytest.raises(WarehouseError, match="report_runs has no column colour"):
        write(warehouse, report_id, {**written, "report_runs": [{"colour": "red"}]})
    with pytest.raises(WarehouseError, match="'generating_team': that is no end"):
        write(warehouse, report_id, written, status="generating_team")
    assert (load(warehouse, report_id), warehouse.load_agents(report_id), warehouse.load_runs(report_id)) == before


def test_a_report_can_be_made_from_the_stored_row_at_the_last_moment(warehouse: Warehouse, written: Rows) -> None:
    report_id = warehouse.create_report({"environment": "prod", "name": "Nightly"})
    seen: list[dict[str, Any]] = []

    def finish(row: dict[str, Any]) -> dict[str, Any]:
        seen.append(row)
        return {"status": "completed", "executive_summary": f"{row['name']} is done"}

    before = load(warehouse, report_id)
    warehouse.write_report(report_id, finish, written["agent_report_details"], [], [])
    assert seen == [before]
    row = load(warehouse, report_id)
    assert (row["status"], row["executive_summary"]) == ("completed", "Nightly is done")
    with pytest.raises(WarehouseError, match="that is no end"):
        warehouse.write_report(report_id, lambda row: {"status": "pending"}, [], [], [])
    assert len(warehouse.load_agents(report_id)) == 2


@pytest.mark.parametrize("agent_id", [None, "1"])
def test_a_criterion_is_scored_once_also_for_the_team(warehouse: Warehouse, agent_id: str | None) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    score = {"agent_id": agent_id, "criterion": "accuracy", "weight": 1.0, "threshold": 7.0}
    with pytest.raises(WarehouseError, match=r"(?i)unique"):
        warehouse.write_report(report_id, {"status": "completed"}, [], [score, score], [])
    others = [score, {**score, "agent_id": "2"}, {**score, "criterion": "speed"}]
    warehouse.write_report(report_id, {"status": "completed"}, [], others, [])
    assert len(warehouse.load_criteria(report_id)) == 3


def test_criteria_come_team_first_and_the_heaviest_first(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    scores = [
        {"agent_id": agent_id, "criterion": name, "weight": weight, "threshold": 7.0}
        for agent_id in ("10", None, "9")
        for name, weight in (("b", 0.3), ("a", 0.3), ("c", 0.4))
    ]
    warehouse.write_report(report_id, {"status": "completed"}, [], scores, [])
    order = [(row["agent_id"], row["criterion"]) for row in warehouse.load_criteria(report_id)]
    assert order == [(agent_id, name) for agent_id in (None, "9", "10") for name in ("c", "a", "b")]


def test_agents_and_runs_come_in_natural_order_and_the_newest_run_first(
    warehouse: Warehouse, warehouse_url: str, written: Rows
) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    agent, run = written["agent_report_details"][1], written["report_runs"][0]
    agents, tomorrow = ("bot-10", "9", "bot-2", "10"), NOW + timedelta(days=1)
    runs = [
        {**run, "agent_id": agent_id, "run_id": run_id, "started_at": moment}
        for agent_id in agents
        for run_id, moment in (("2", None), ("7", NOW), ("8", NOW), ("10", NOW), ("1", tomorrow))
    ]
    details = [{**agent, "agent_id": agent_id} for agent_id in agents]
    warehouse.write_report(report_id, {"status": "completed"}, details, [], runs)
    natural = ["9", "10", "bot-2", "bot-10"]
    assert [row["agent_id"] for row in warehouse.load_agents(report_id)] == natural
    newest_first = [(row["agent_id"], row["run_id"]) for row in warehouse.load_runs(report_id)]
    assert newest_first == [(agent_id, run_id) for agent_id in natural for run_id in ("1", "10", "8", "7", "2")]
    stored = load_stored_report(warehouse, report_id)
    assert stored is not None
    assert [row["agent_id"] for row in stored.details] == natural
    by_id = [(row["agent_id"], row["run_id"]) for row in stored.runs]
    assert by_id == [(agent_id, run_id) for agent_id in natural for run_id in ("1", "2", "7", "8", "10")]
    frame = read_runs(warehouse_url)
    assert list(zip(frame["agent_id"], frame["run_id"], strict=True)) == by_id


def test_two_thousand_runs_are_written_and_read(warehouse: Warehouse, written: Rows) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    run = written["report_runs"][0]
    runs = [{**run, "agent_id": str(number % 100), "run_id": str(number)} for number in range(2000)]
    write(warehouse, report_id, {**written, "report_runs": runs})
    assert len(warehouse.load_runs(report_id)) == 2000


def test_an_owner_that_was_replaced_meanwhile_cannot_write(warehouse: Warehouse, written: Rows, dead: Owner) -> None:
    report_id = warehouse.create_report({"environment": "prod", "owner": dead})
    warehouse.take_report(report_id)
    report = written["reports"][0]
    with pytest.raises(WarehouseError, match=f"resumed by process {current_owner().pid}"):
        warehouse.write_report(report_id, report, [], [], [], owner=dead)
    warehouse.write_report(report_id, report, [], [], [], owner=current_owner())
    warehouse.write_report(report_id, report, [], [], [], owner=current_owner())
    assert load(warehouse, report_id)["status"] == "completed"


def test_a_discarded_report_leaves_no_row_but_what_was_paid(warehouse: Warehouse, written: Rows) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    SqlLedger(warehouse.database).commit(paid(report_id))
    write(warehouse, report_id, written)
    warehouse.discard_report(report_id)
    counts = count_rows(warehouse)
    assert counts.pop("judge_calls") == 1
    assert set(counts.values()) == {0}


def paid(report_id: int) -> PaidAnswer:
    return PaidAnswer(
        fingerprint="f",
        kind="team",
        model="m",
        answer="{}",
        outcome="usable",
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=None,
        cost_usd=None,
        latency_seconds=1.0,
        attempts=1,
        report_id=report_id,
        agent_id=None,
    )


def test_whoever_lost_a_report_does_not_end_it(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod", "owner": ELSEWHERE})
    assert not warehouse.end_report(report_id, "failed", "mine", owner=current_owner())
    assert load(warehouse, report_id)["status"] == "pending"
    assert warehouse.end_report(report_id, "failed", "theirs", owner=ELSEWHERE)
    assert load(warehouse, report_id)["error"] == "theirs"
    assert not warehouse.end_report(report_id, "cancelled", "again", owner=ELSEWHERE)
